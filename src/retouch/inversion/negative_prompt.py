"""Negative-prompt inversion (Miyake et al. 2023): the source prompt in the null text's place, closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from retouch.backbone.condition import Condition
from retouch.inversion.ddim import inverted
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.job import Job
from retouch.parts.part import Inversion
from retouch.parts.trajectory import Trajectory


@dataclass
class NegativePromptInversion(Inversion):
    """∅_t := c_src for all t, or slerp(npi_interp, c_src, ∅), all tokens turned by one angle as in ProxEdit's code."""

    name: ClassVar[str] = "negative-prompt"
    summary: ClassVar[str] = "DDIM; the source prompt is the null text, so that guidance moves only what changes"
    aliases: ClassVar[tuple[str, ...]] = ("npi",)

    npi_interp: float = parameter(
        0.0, "0 uses the source prompt as the null text, 1 the empty prompt, between them a spherical mix",
        low=0, high=1,
    )  # fmt: skip

    def idle(self, asked: Asked) -> Idle:
        """The null text where no step is told one."""
        told = asked.texts & {"null", "source_null"}
        return {} if told else {"npi_interp": "without guidance (w = 1) no null text is used"}

    def returns_picture(self, guidance_scale: float) -> bool:
        """At every scale where the null text is the source prompt."""
        return self.npi_interp == 0 or guidance_scale == 1

    def source_is_guided(self) -> bool:
        """Only where the null text is not the source prompt."""
        return self.npi_interp != 0

    def negative_text(self, negative: str, source: str | None) -> str:
        """The source prompt and what must not be added to it: so the picture still comes back but for that."""
        return f"{source}, {negative}" if source else negative

    def negative(self, job: Job, trajectory: Trajectory) -> Condition:
        """The same mix as without."""
        said = self.negative_text(job.negative or "", job.source)
        both, alone = job.model.condition([said, job.negative or ""]).split()
        return Condition.slerp(both, alone, self.npi_interp) if self.npi_interp else both

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """DDIM inversion with another null text."""
        latents, conditions, source, null = inverted(job, steps)
        mixed = Condition.slerp(source, null, self.npi_interp) if self.npi_interp else source
        conditions["null"] = conditions["source_null"] = mixed
        return Trajectory(job.model.schedule(steps), latents, conditions)


@dataclass
class SourceNegativePrompt(Inversion):
    """ProxMasaCtrl (Han et al. 2024): ∅ := c_src in the source branch alone."""

    name: ClassVar[str] = "source-negative-prompt"
    summary: ClassVar[str] = "DDIM; the source prompt is the null text of the source branch alone"
    guides_source: ClassVar[bool] = False

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """DDIM inversion with another null text for the source branch."""
        latents, conditions, source, _ = inverted(job, steps)
        conditions["source_null"] = source
        return Trajectory(job.model.schedule(steps), latents, conditions)
