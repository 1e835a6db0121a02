"""Imagic (Kawar et al. 2023), on a latent diffusion model.

Departures from the paper: noise levels may be drawn several at a time, spread evenly (``batch_size``), and the network
may be fitted by low-rank adapters (``adapter_rank``). The paper's published numbers are the defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.fit.fitted import Fit
from retouch.fit.objective import Noising, denoising_loss
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

    def fit_steps(self) -> int:
        """Those of both stages."""
        return self.embedding_steps + self.network_steps

    def fit_evaluations(self) -> int:
        """One per noise level and step."""
        return self.batch_size * self.fit_steps()

    def idle(self, asked: Asked) -> Idle:
        """The settings of stages without a step."""
        found = super().idle(asked) | self.idle_without_stages(self.embedding_steps, self.network_steps)
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
        texts = {**target.tensors("target"), **optimised.tensors("optimised")}
        return job.work.fit(self.name, texts, network, self.adapter_rank)

    def conditions(self, fit: Fit) -> Sequence[Condition]:
        """ē = η e_tgt + (1 − η) e_opt, at every step."""
        target, optimised = (Condition.from_tensors(fit.embeds, name) for name in ("target", "optimised"))
        mixed = Condition.lerp(optimised, target, self.eta)
        return [mixed] * self.num_inference_steps

    def unasked(self, fit: Fit) -> Sequence[Condition]:
        """e_opt, η = 0."""
        return [Condition.from_tensors(fit.embeds, "optimised")] * self.num_inference_steps
