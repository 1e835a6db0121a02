"""The inversions to choose from, with their parameters: how a picture becomes noise, and what the texts then mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from retouch.inversion.fitting import Fit
from retouch.inversion.noise import noised
from retouch.inversion.null_text import null_text_inversion
from retouch.inversion.prompt_tuning import prompt_tuning_inversion
from retouch.inversion.trajectory import Texts, Trajectory
from retouch.methods.method import Job
from retouch.parameters import parameter
from retouch.prompts import slerp


@dataclass(frozen=True)
class Inversion:
    """The base: DDIM inversion under the source prompt (the empty one where there is none)."""

    name: ClassVar[str]
    summary: ClassVar[str]
    keeps_source: ClassVar[bool] = True  # whether a source branch could follow it
    knows_path: ClassVar[bool] = False  # whether the source branch need not be denoised
    guides_source: ClassVar[bool] = True  # whether the source branch has a null half of its own
    reconstructs: ClassVar[bool] = False  # whether guided sampling under the source prompt returns the picture

    def source_is_guided(self) -> bool:
        """Whether the source branch's two halves differ."""
        return self.guides_source

    def down(self, steps: int) -> int:
        """How many of T ``steps`` are denoised."""
        return steps

    def steps(self, steps: int) -> int:
        """How many steps the inversion itself takes, for the progress bar."""
        return steps

    def evaluations(self, steps: int) -> int:
        """How many network evaluations the inversion costs at most."""
        return steps

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """Inverts the job's picture in T ``steps``, for sampling under ``guidance_scale``."""
        latents, embeds = _inverted(job, steps)
        return Trajectory(job.model.schedule(steps), latents, Texts(embeds))


def _inverted(job: Job, steps: int) -> tuple[Sequence[Tensor], dict[str, Tensor]]:
    source = job.source or ""
    embeds = dict(zip(("source", "target", "null"), job.model.embed([source, job.target, ""]).split(1), strict=True))
    if not source:
        embeds["null"] = embeds["source"]  # one evaluation serves both
    embeds["source_null"] = embeds["null"]
    latents = job.inversions.get(job.model, job.latents, source, embeds["source"], steps, job.progress)
    return latents, embeds


@dataclass(frozen=True)
class DDIMInversion(Inversion):
    """The plain one."""

    name: ClassVar[str] = "ddim"
    summary: ClassVar[str] = "DDIM run upward under the source prompt; a guided source branch drifts from it"


@dataclass(frozen=True)
class LatentAlign(Inversion):
    """Direct inversion (Ju et al. 2024), latent alignment (E4C), the latents loaded at every step (Plug-and-Play)."""

    name: ClassVar[str] = "latent-align"
    summary: ClassVar[str] = "DDIM; the source branch is set to z*_t at every step, its reconstruction is exact"
    knows_path: ClassVar[bool] = True

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """DDIM inversion whose latents are the source branch's path."""
        latents, embeds = _inverted(job, steps)
        return Trajectory(job.model.schedule(steps), latents, Texts(embeds), path=latents)


@dataclass(frozen=True)
class NegativePromptInversion(Inversion):
    """Miyake et al. 2023: ∅_t := c_src for all t, or slerp(npi_interp, c_src, ∅)."""

    name: ClassVar[str] = "negative-prompt"
    summary: ClassVar[str] = "DDIM; the source prompt is the null text, so that guidance moves only what changes"
    reconstructs: ClassVar[bool] = True

    npi_interp: float = parameter(
        0.0,
        "0 uses the source prompt as the null text, 1 the empty prompt, between them a spherical mix",
        low=0,
        high=1,
    )

    def source_is_guided(self) -> bool:
        """Only where the null text is not the source prompt."""
        return self.npi_interp != 0

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """DDIM inversion with another null text."""
        latents, embeds = _inverted(job, steps)
        embeds["null"] = embeds["source_null"] = slerp(self.npi_interp, embeds["source"], embeds["null"])
        return Trajectory(job.model.schedule(steps), latents, Texts(embeds))


@dataclass(frozen=True)
class SourceNegativePrompt(Inversion):
    """ProxMasaCtrl (Han et al. 2024): ∅ := c_src in the source branch alone."""

    name: ClassVar[str] = "source-negative-prompt"
    summary: ClassVar[str] = "DDIM; the source prompt is the null text of the source branch alone"
    guides_source: ClassVar[bool] = False

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """DDIM inversion with another null text for the source branch."""
        latents, embeds = _inverted(job, steps)
        embeds["source_null"] = embeds["source"]
        return Trajectory(job.model.schedule(steps), latents, Texts(embeds))


def _inner_steps() -> int:
    value: int = parameter(10, "Adam steps per timestep at most; 0 fits nothing", low=0, high=1000, unit="steps")
    return value


def _learning_rate() -> float:
    value: float = parameter(0.01, "Adam's learning rate at the first timestep; it falls to half", low=0, high=1)
    return value


def _early_stop() -> float:
    value: float = parameter(
        1e-5, "a timestep's fit ends below this loss times 1 + 2i at step i; 0 never ends early", low=0, high=1
    )
    return value


@dataclass(frozen=True)
class NullText(Inversion):
    """Mokady et al. 2023."""

    name: ClassVar[str] = "null-text"
    summary: ClassVar[str] = "DDIM, then a null text fitted per step so that the guided source returns the picture"
    reconstructs: ClassVar[bool] = True
    knows_path: ClassVar[bool] = True

    inner_steps: int = _inner_steps()
    learning_rate: float = _learning_rate()
    early_stop: float = _early_stop()

    def steps(self, steps: int) -> int:
        """T up, T fits."""
        return 2 * steps

    def evaluations(self, steps: int) -> int:
        """T up; per fit one of the condition and at most ``inner_steps`` + 1 of the null text."""
        return steps + steps * (2 + self.inner_steps)

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """DDIM inversion and the fits; the source branch's path is where they led."""
        latents, embeds = _inverted(job, steps)
        schedule, fit = job.model.schedule(steps), Fit(self.inner_steps, self.learning_rate, self.early_stop)
        found = null_text_inversion(
            job.model, latents, embeds["source"], embeds["null"], schedule, guidance_scale=guidance_scale, fit=fit,
            progress=job.progress,
        )  # fmt: skip
        return Trajectory(
            schedule, latents, Texts({**embeds, "null": found.embeds, "source_null": found.embeds}), found.path
        )


@dataclass(frozen=True)
class PromptTuning(Inversion):
    """Dong et al. 2023; the learning rate and the number of steps are those of null-text inversion."""

    name: ClassVar[str] = "prompt-tuning"
    summary: ClassVar[str] = "DDIM, then a condition fitted per step; the target's is mixed from it and its prompt"
    knows_path: ClassVar[bool] = True
    guides_source: ClassVar[bool] = False  # fitted at guidance 1

    eta: float = parameter(
        0.8,
        "η: the condition is η c_tgt + (1 − η) c_t; 0 keeps the picture, 1 takes the prompt",
        low=0,
        high=1,
    )
    inner_steps: int = _inner_steps()
    learning_rate: float = _learning_rate()
    early_stop: float = _early_stop()

    def steps(self, steps: int) -> int:
        """T up, T fits."""
        return 2 * steps

    def evaluations(self, steps: int) -> int:
        """T up; per fit at most ``inner_steps`` + 1."""
        return steps + steps * (1 + self.inner_steps)

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """DDIM inversion and the fits; the source branch's path is where they led."""
        latents, embeds = _inverted(job, steps)
        schedule, fit = job.model.schedule(steps), Fit(self.inner_steps, self.learning_rate, self.early_stop)
        found = prompt_tuning_inversion(job.model, latents, embeds["source"], schedule, fit=fit, progress=job.progress)
        mixed = [torch.lerp(own, embeds["target"], self.eta) for own in found.embeds]
        texts = Texts({"source": found.embeds, "source_null": found.embeds, "target": mixed, "null": embeds["null"]})
        return Trajectory(schedule, latents, texts, found.path)


@dataclass(frozen=True)
class Noise(Inversion):
    """SDEdit (Meng et al. 2022): no inversion."""

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = "no inversion: the picture is noised part of the way; nothing remembers it but the start"
    keeps_source: ClassVar[bool] = False

    strength: float = parameter(
        0.75, "how far up the picture is noised: 0 keeps it, 1 forgets it", low=0, high=1, source="section 3"
    )

    def down(self, steps: int) -> int:
        """The steps below the start."""
        return round(self.strength * steps)

    def steps(self, steps: int) -> int:
        """None."""
        return 0

    def evaluations(self, steps: int) -> int:
        """None."""
        return 0

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """Noises the picture."""
        schedule = job.model.schedule(steps)
        noise = torch.randn(job.latents.shape, generator=job.generator).to(job.latents)
        target, null = job.model.embed([job.target, ""]).split(1)
        latents = noised(job.latents, noise, schedule, self.strength)
        return Trajectory(schedule, latents, Texts({"target": target, "null": null}))


INVERSIONS: dict[str, type[Inversion]] = {
    part.name: part
    for part in (
        DDIMInversion, NullText, NegativePromptInversion, SourceNegativePrompt, PromptTuning, LatentAlign, Noise,
    )
}  # fmt: skip
