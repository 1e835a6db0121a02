"""What an edit is asked with, as far as it decides which settings can act, before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from retouch.backbone.protocol import Backbone
from retouch.parts.rows import whole_steps

Idle = dict[str, str]
"""Settings that cannot act, by name, each with the reason: the end of the sentence "… has no effect: …"."""


@dataclass(frozen=True)
class Asked:
    """One edit, before it is made.

    Attributes:
        masked, foreground, reference: whether a mask, a mask of the subject, and another picture are given.
        negative: whether a negative prompt is given.
        fitted: whether a fit is given, so that nothing is optimised.
        fitting: whether only a fit is asked for, so that nothing is sampled.
        steps, total: how many steps are denoised, of how many; a method that is made of parts says it to these.
        texts: the texts that the network is told on the way down, by their names in a trajectory; likewise.
    """

    model: Backbone
    target: str
    source: str | None = None
    masked: bool = False
    foreground: bool = False
    reference: bool = False
    fitted: bool = False
    fitting: bool = False
    steps: int = 0
    total: int = 0
    texts: frozenset[str] = frozenset()
    negative: bool = False

    def too_small(self, **shares: float) -> Idle:
        """Those of some shares of the steps (0..1) that are above 0 and yet no whole step."""
        return self.none_of(**{name: share for name, share in shares.items() if share > 0 and not self.acts(share)})

    def none_of(self, **shares: float) -> Idle:
        """What to say of shares of the steps that are no whole step."""
        return {name: f"{share:g} of {self.steps} steps is no whole step" for name, share in shares.items()}

    def left_out(self, **shares: float) -> Idle:
        """Those of some shares of all steps that are above 0 and yet leave none of them out."""
        return replace(self, steps=self.total).too_small(**shares)

    def acts(self, share: float) -> bool:
        """Whether a share of the steps is at least one."""
        return whole_steps(share, self.steps) > 0
