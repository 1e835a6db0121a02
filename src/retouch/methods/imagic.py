"""Imagic (Kawar et al. 2023), on a latent diffusion model or on a cascade of pixel models.

Departures from the paper: noise levels may be drawn several at a time, spread evenly (``batch_size``), and the network
may be fitted by low-rank adapters (``adapter_rank``). The paper's published numbers are the defaults, those for Stable
Diffusion; on a cascade its numbers for Imagen are (see :mod:`retouch.backbone.pixel`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.backbone.super_resolution import SECOND, second_of
from retouch.fit.enlarging import enlarging_loss
from retouch.fit.fitted import Fit
from retouch.fit.objective import Noising, denoising_loss
from retouch.fit.weights import fitted_weights
from retouch.methods.optimising import Optimising, fitted_tensors
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.job import Job


@dataclass(frozen=True)
class Imagic(Optimising):
    """(A) e_opt from e_tgt, (B) the network at e_opt, (C) sampling at η e_tgt + (1 − η) e_opt."""

    name: ClassVar[str] = "imagic"
    title: ClassVar[str] = "Imagic"
    paper: ClassVar[str] = "Imagic: Text-Based Real Image Editing with Diffusion Models (Kawar et al., CVPR 2023)"
    good_for: ClassVar[str] = "changes of pose and shape that no sharing of features reaches; needs no source prompt"
    how: ClassVar[str] = "fits an embedding, then the network; samples from noise"
    needs_source: ClassVar[bool] = False
    sampling: ClassVar[frozenset[str]] = Optimising.sampling | {"eta"}

    eta: float = parameter(
        0.7, "η: 0 gives the picture back, 1 follows the target prompt; useful are 0.6..0.8", low=0, high=1,
        source="section 3.2, figure 9",
    )  # fmt: skip
    embedding_steps: int = parameter(
        1000, "optimiser steps of stage A, on the embedding", low=0, high=100_000, unit="steps", source="section 4.1"
    )
    embedding_learning_rate: float = parameter(
        2e-3, "Adam's learning rate in stage A", low=0, high=1, source="section 4.1"
    )
    network_steps: int = parameter(
        1500, "optimiser steps of stage B, on the network", low=0, high=100_000, unit="steps", source="section 4.1"
    )
    network_learning_rate: float = parameter(
        5e-7, "Adam's learning rate in stage B; low-rank adapters need about 1e-4", low=0, high=1, source="section 4.1"
    )

    super_resolution_steps: int = parameter(
        0, "optimiser steps on the second network of a pixel cascade, told the target prompt; the paper's are 1500",
        low=0, high=100_000, unit="steps", source="section 4.1",
    )  # fmt: skip
    super_resolution_learning_rate: float = parameter(5e-7, "Adam's learning rate there", low=0, high=1)

    def fit_steps(self) -> int:
        """Those of all stages."""
        return self.embedding_steps + self.network_steps + self.super_resolution_steps

    def fit_evaluations(self) -> int:
        """One per noise level and step of the denoising network; a second network's are not counted."""
        return self.batch_size * (self.embedding_steps + self.network_steps)

    def idle(self, asked: Asked) -> Idle:
        """The settings of stages without a step."""
        fitted = self.network_steps + self.super_resolution_steps
        found = super().idle(asked) | self.idle_without_stages(self.embedding_steps, fitted)
        if not self.network_steps:
            found["network_learning_rate"] = "the network is not fitted"
        if not asked.model.draws_by_text:
            there_is_none = "the model is no cascade with a second network"
            found |= dict.fromkeys(("super_resolution_steps", "super_resolution_learning_rate"), there_is_none)
        elif not self.super_resolution_steps:
            found["super_resolution_learning_rate"] = "the second network is not fitted"
        if not self.embedding_steps:
            found["eta"] = "embedding_steps is 0, and there is no other embedding than the target prompt's"
        return found

    def fit(self, job: Job) -> Fit:
        """Stages A and B."""
        how = self.network_fit
        target = job.model.condition([job.target])
        embeds = target.embeds.clone().requires_grad_()
        optimised = target.with_embeds(embeds)

        def loss(stage: int, step: int) -> Tensor:
            noising = Noising.draw(job.model, job.latents, self.batch_size, job.seed, stage, step)
            return denoising_loss(job.model, job.latents, optimised, noising)

        with how.computing(job.model):
            job.work.optimise(
                "embedding", {"optimised": embeds}, lambda step: loss(0, step), steps=self.embedding_steps,
                learning_rate=self.embedding_learning_rate, share=self.embedding_steps / max(1, self.fit_steps()),
                progress=job.progress,
            )  # fmt: skip
            embeds.requires_grad_(False)
            with how.weights(job.model, job.seed) as variables:
                job.work.optimise(
                    "network", variables, lambda step: loss(1, step), steps=self.network_steps,
                    learning_rate=self.network_learning_rate, share=self.network_steps / max(1, self.fit_steps()),
                    progress=job.progress,
                )  # fmt: skip
                network = fitted_tensors(variables) if job.work.steps.get("network") else {}
            network |= self._second(job, target)
        texts = {**target.tensors("target"), **optimised.tensors("optimised")}
        return job.work.fit(self.name, texts, network, self.adapter_rank)

    def _second(self, job: Job, target: Condition) -> dict[str, Tensor]:
        """The second network of a cascade fitted to the picture under e_tgt, for its finest detail (section 4.1)."""
        second = second_of(job.model)
        if second is None or job.picture is None or not self.super_resolution_steps:
            return {}
        picture = job.picture.to(job.latents)
        with self.network_fit.weights_of(second.unet, job.seed) as variables:
            job.work.optimise(
                SECOND, variables,
                lambda step: enlarging_loss(
                    second, picture, job.latents, target, batch_size=self.batch_size, seed=job.seed, step=step
                ),
                steps=self.super_resolution_steps, learning_rate=self.super_resolution_learning_rate,
                share=self.super_resolution_steps / self.fit_steps(), progress=job.progress,
            )  # fmt: skip
            fitted = fitted_tensors(variables) if job.work.steps.get(SECOND) else {}
        return {f"{SECOND}/{name}": value for name, value in fitted.items()}

    def decoder(self, job: Job, fit: Fit) -> Callable[[Tensor], Tensor] | None:
        """By the fitted second network, told e_tgt."""
        second = second_of(job.model)
        if second is None:
            return None
        text = Condition.from_tensors(fit.embeds, "target")

        def decode(latents: Tensor) -> Tensor:
            with fitted_weights(second.unet, fit.weights(SECOND), fit.rank):
                return job.model.decode(latents, text)

        return decode

    def conditions(self, fit: Fit) -> Sequence[Condition]:
        """ē = η e_tgt + (1 − η) e_opt, at every step."""
        target, optimised = (Condition.from_tensors(fit.embeds, name) for name in ("target", "optimised"))
        mixed = Condition.lerp(optimised, target, self.eta)
        return [mixed] * self.num_inference_steps

    def unasked(self, fit: Fit) -> Sequence[Condition]:
        """e_opt, η = 0."""
        return [Condition.from_tensors(fit.embeds, "optimised")] * self.num_inference_steps
