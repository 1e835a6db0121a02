"""DDIM inversion up to part of the noise (DiffEdit, Couairon et al. 2023, section 3.2): the encoding E_r."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.job import Job
from retouch.parts.part import Inversion
from retouch.parts.rows import whole_steps
from retouch.parts.trajectory import Trajectory

EncodedUnder = Literal["null", "source"]


@dataclass
class PartWay(Inversion):
    """z*_0 … z*_r, from the last of which denoising starts: the smaller r, the nearer the edit stays."""

    name: ClassVar[str] = "part-way"
    summary: ClassVar[str] = "DDIM run upward part of the way, without a text or under the source prompt"
    aliases: ClassVar[tuple[str, ...]] = ("encoding",)

    encoding_ratio: float = parameter(
        0.8, "r: how far up the picture is inverted: 0 keeps it, at 1 the edit starts from noise", low=0, high=1,
        source="DiffEdit, section 3.2",
    )  # fmt: skip
    encoded_under: EncodedUnder = parameter(
        "null", "the text the picture is inverted under: none, as in DiffEdit, or the source prompt",
        choices=("null", "source"), source="DiffEdit, section 3.2",
    )  # fmt: skip

    def idle(self, asked: Asked) -> Idle:
        """Which text it is inverted under, where there is only one; the source prompt, where no text is it."""
        if not asked.source:
            return {"encoded_under": "there is no source prompt"}
        read = self.encoded_under == "source" or "source" in asked.texts or asked.model.recommended.when_changed
        return {} if read else {"source": "the picture is inverted without a text"}

    def down(self, steps: int) -> int:
        """The steps below r, rounded down."""
        return whole_steps(self.encoding_ratio, steps)

    def steps(self, steps: int) -> int:
        """As many up."""
        return self.down(steps)

    def evaluations(self, steps: int) -> int:
        """One each."""
        return self.down(steps)

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """DDIM inversion, cut off at r."""
        prompt = (job.source or "") if self.encoded_under == "source" else ""
        source, target, null, under = job.model.condition([job.source or "", job.target, "", prompt]).split()
        texts = {"source": source, "target": target, "null": null, "source_null": null}
        latents = job.inversions.get(job.model, job.latents, prompt, under, steps, job.progress, self.down(steps))
        return Trajectory(job.model.schedule(steps), latents, texts)
