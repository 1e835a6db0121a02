"""The base of the methods that optimise embeddings and weights for one picture, then sample from noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from retouch.backbone.condition import Condition
from retouch.backbone.protocol import Backbone
from retouch.backbone.saving import saving
from retouch.fit.fitted import Fit
from retouch.fit.weights import copied_weights, fitted_weights, low_rank_adapters
from retouch.methods.method import Method
from retouch.methods.sampling import sample
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.held import weaker
from retouch.parts.job import Job, Outcome


@dataclass(frozen=True)
class NetworkFit:
    """How a network's weights are fitted.

    Attributes:
        rank: of low-rank adapters; 0 fits all weights.
        bfloat16: whether to compute in mixed precision, variables and optimiser in float32; a network that is in half
            precision itself always does.
        gradient_checkpointing: whether to recompute activations in the backward pass.
    """

    rank: int = 0
    bfloat16: bool = False
    gradient_checkpointing: bool = False

    @contextmanager
    def computing(self, model: Backbone, *, attached: bool = False) -> Iterator[None]:
        """The precision and memory mode of a fit, whatever is fitted.

        Args:
            attached: whether the network's attention is edited in forward passes, which a block recomputed later would
                not know: whoever edits saves memory by itself then.
        """
        with ExitStack() as stack:
            if self.bfloat16 or model.dtype != torch.float32:
                stack.enter_context(torch.autocast(model.device.type, torch.bfloat16))
            if not attached:
                stack.enter_context(saving(model, self.gradient_checkpointing))
            yield

    @contextmanager
    def weights(self, model: Backbone, seed: int) -> Iterator[dict[str, nn.Parameter]]:
        """The trainable weights, in the network's place."""
        with self.weights_of(model.network, seed) as variables:
            yield variables

    @contextmanager
    def weights_of(self, network: nn.Module, seed: int) -> Iterator[dict[str, nn.Parameter]]:
        """The same of any network."""
        chosen = low_rank_adapters(network, self.rank, seed) if self.rank else copied_weights(network)
        with chosen as variables:
            yield variables


@dataclass(frozen=True)
class Optimising(Method):
    """Fits to a picture, then samples with what was fitted; a fit serves any number of samples."""

    optimises: ClassVar[bool] = True
    takes_negative: ClassVar[bool] = True
    sampling: ClassVar[frozenset[str]] = frozenset({"num_inference_steps", "guidance_scale"})
    """The parameters that a fit does not depend on."""

    num_inference_steps: int = parameter(
        50, "denoising steps T; fewer are faster and coarser", low=1, high=1000, unit="steps"
    )
    guidance_scale: float = parameter(7.5, "w: how strongly the condition pulls; 1 is no guidance", low=0, high=50)
    adapter_rank: int = parameter(
        0, "0 fits all weights; otherwise the rank of low-rank adapters, which take far less memory", low=0, high=512
    )
    batch_size: int = parameter(
        1, "noise levels per optimiser step, drawn evenly over the schedule", low=1, high=256, unit="pictures"
    )
    bfloat16: bool = parameter(False, "fit in mixed precision: faster on recent GPUs")
    gradient_checkpointing: bool = parameter(
        False, "recompute the network's activations in the backward pass: slower, in much less memory"
    )

    @property
    def network_fit(self) -> NetworkFit:
        """How the network is fitted."""
        return NetworkFit(self.adapter_rank, self.bfloat16, self.gradient_checkpointing)

    def steps(self) -> int:
        """The optimiser's and the sampler's."""
        return self.fit_steps() + self.num_inference_steps

    def fit_steps(self) -> int:
        """The optimiser's."""
        raise TypeError(f"{type(self).__name__} does not say how many steps its fit takes")

    def fit_evaluations(self) -> int:
        """Network evaluations of the fit, each with a backward pass."""
        raise TypeError(f"{type(self).__name__} does not say what its fit costs")

    def evaluations(self) -> int:
        """The fit's, and those of one sample."""
        return self.fit_evaluations() + self.num_inference_steps * (1 if self.guidance_scale == 1 else 2)

    def fit(self, job: Job) -> Fit:
        """Optimises for the job's picture and target prompt."""
        raise TypeError(f"{type(self).__name__} does not fit")

    def idle(self, asked: Asked) -> Idle:
        """What belongs to sampling where only a fit is asked for, and the other way round."""
        found = super().idle(asked)
        if not asked.model.recommended.when_changed:
            found["source"] = f"{self.name} reads the target prompt alone"
        if asked.model.dtype != torch.float32:
            found["bfloat16"] = "the model is in half precision, and is fitted in mixed precision anyway"
        if asked.fitted or not self.fit_reads_negative(asked.reference):
            if asked.fitting:
                found["negative_prompt"] = "the fit samples nothing: give it to the edits made from the fit"
            elif self.guidance_scale == 1:
                found["negative_prompt"] = "guidance_scale is 1"
        if asked.fitting:
            found["mask"] = f"{self.name} fits to the whole picture: give the mask to the edits made from the fit"
            found |= dict.fromkeys(self.sampling, "it is a setting of sampling: give it to the edits made from the fit")
        return found

    def idle_without_stages(self, embedding_steps: int, network_steps: int) -> Idle:
        """The settings of the two usual stages that take no step."""
        found: Idle = {}
        if not embedding_steps:
            found["embedding_learning_rate"] = "no embedding is fitted"
        if not network_steps:
            found |= dict.fromkeys(("network_learning_rate", "adapter_rank"), "the network is not fitted")
        if not embedding_steps and not network_steps:
            names = ("batch_size", "bfloat16", "gradient_checkpointing", "budget")
            found |= dict.fromkeys(names, "nothing is fitted")
        return found

    def conditions(self, fit: Fit) -> Sequence[Condition]:
        """The text to sample under at every schedule index."""
        raise TypeError(f"{type(self).__name__} does not say what it samples under")

    def draws_to_negative(self) -> bool:
        """Below w = 1."""
        return self.guidance_scale < 1

    def fit_reads_negative(self, reference: bool) -> bool:
        """Whether the fit depends on a negative prompt, as it samples under guidance, too.

        Args:
            reference: whether another picture's background is given.
        """
        return False

    def decoder(self, job: Job, fit: Fit) -> Callable[[Tensor], Tensor] | None:
        """How latents become pictures where the fit has a say in it; None for the model's own way."""
        return None

    def unasked(self, fit: Fit) -> Sequence[Condition] | None:
        """The text under which the same noise gives the picture as it was; None where there is none."""
        return None

    def parameters_of_fit(self) -> dict[str, Any]:
        """The parameters that the fit depends on."""
        return {name: value for name, value in asdict(self).items() if name not in self.sampling}

    def edit(self, job: Job) -> Outcome:
        """Fits, where no fit is given, and samples one picture from the generator's noise."""
        fit = job.fit or self.fit(job)
        job.work.raise_if_unusable()
        unasked = self.unasked(fit) if job.keeps else None
        told = [self.conditions(fit), *([] if unasked is None else [unasked])]
        sampled = self.sample(job, fit, [self.noise(job, job.generator)] * len(told), told)
        return Outcome(sampled[:1], sampled[1:] if len(told) > 1 else None, job.mask, decode=self.decoder(job, fit))

    def noise(self, job: Job, generator: Generator) -> Tensor:
        """Where sampling starts: [1, C, h, w] from a seed's generator, as in text-to-image."""
        return torch.randn(job.latents.shape, generator=generator).to(job.latents)

    def sample(self, job: Job, fit: Fit, noises: Sequence[Tensor], conditions: Sequence[Sequence[Condition]]) -> Tensor:
        """Pictures [noises, C, h, w] by the fitted network, each from its noise under its text."""
        null = job.model.condition([job.negative or ""])
        with fitted_weights(job.model.network, fit.weights(), fit.rank):
            return sample(
                job.model, noises, conditions, null, guidance_scale=self.guidance_scale,
                num_inference_steps=self.num_inference_steps, kept=job.latents,
                mask=weaker(job.mask, job.strength), progress=job.progress, preview=job.preview,
            )  # fmt: skip


def fitted_tensors(variables: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What variables hold, apart from the graph and from later changes."""
    return {name: value.detach().clone() for name, value in variables.items()}
