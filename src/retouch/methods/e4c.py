"""E4C: adaptive feature sharing, and CLIP guidance through random gateways.

Huang et al., E4C: Enhance Editability for Text-Based Image Editing by Harnessing Efficient CLIP Guidance, 2024. The
source branch is z*_t itself at every step (latent-align). The target either takes the source's queries (``structure``)
or looks its content up in the source's keys and values (``non-rigid``). Then a few self-attention weights are
optimised, one whole sampling run per iteration, in which gradients pass through the network at a few random steps, the
gateways, alone: elsewhere the predicted noise counts as a constant, and the only way back is
∂z_{t-1}/∂z_t = √ᾱ_{t-1}/√ᾱ_t, so that memory grows with the gateways and not with T.

The authors published no code, and their full text is not known to us. Chosen here: the layers and steps that share,
the learning rate, the views that CLIP is shown, and how ``auto`` decides: both modes are run without guidance, and that
one is taken whose picture CLIP finds nearer to the target prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from retouch.backbone.clip import clip_for
from retouch.control.feature_sharing import FeatureSharing
from retouch.fit.weights import copied_weights
from retouch.guidance.clip_loss import ClipLoss
from retouch.methods.composition import Composed
from retouch.methods.optimising import NetworkFit
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.held import held_steps, weaker
from retouch.parts.job import Job, Outcome


class E4C(Composed, inversion="latent-align", control="feature-sharing", guidance="classifier-free"):
    """Latent-aligned dual branch, then the weights that the source does not serve follow CLIP."""

    name = "e4c"
    title = "Efficient CLIP guidance"
    paper = "Huang et al. 2024"
    good_for = "edits that feature sharing alone leaves too close to the picture"
    optimises = True
    mode: str

    iterations: int = parameter(
        10, "sampling runs, each followed by one optimiser step; 0 shares features only", low=0, high=1000, unit="runs"
    )
    gateways: int = parameter(
        2, "steps of each run, drawn at random, that gradients pass through; memory grows with them", low=1, high=1000,
        unit="steps",
    )  # fmt: skip
    learning_rate: float = parameter(1e-3, "Adam's learning rate", low=0, high=1)
    directional: float = parameter(1.0, "weight of the directional term, which needs a source prompt", low=0, high=100)
    views: int = parameter(4, "views of the picture that CLIP is shown: the whole, and random crops", low=1, high=64)
    clip: str = parameter(
        "auto",
        "the CLIP model: a folder, a hub name, or auto for the one of the checkpoint's family",
        kind="text",
        loads=True,
    )

    def runs(self) -> int:
        """Sampling runs at most: both modes to decide between, the iterations', and the last."""
        decided = 2 if self.mode == "auto" else 0
        return decided + self.iterations + (1 if self.iterations or not decided else 0)

    def steps(self) -> int:
        """T up, and T in every run."""
        return self.num_inference_steps * (1 + self.runs())

    def evaluations(self, negative: bool = False) -> int:
        """T up; the target's two halves and the source at every step of every run."""
        one = super().evaluations(negative) - self.num_inference_steps
        return self.num_inference_steps + one * self.runs()

    def idle(self, asked: Asked) -> Idle:
        """What belongs to the other mode, where one is named, and to iterations where there are none."""
        found = super().idle(asked)
        if self.mode == "auto":  # both are run, whatever the words say
            for name in ("structure_share", "non_rigid_start", "sharing_levels"):
                found.pop(name, None)
        if not self.iterations:
            found |= dict.fromkeys(("gateways", "learning_rate", "budget"), "iterations is 0, and nothing is optimised")
            if self.mode != "auto":
                found |= dict.fromkeys(("directional", "views", "clip"), "iterations is 0, and CLIP is not asked")
        return found

    def edit(self, job: Job) -> Outcome:
        """Inverts, decides the mode, follows CLIP, samples."""
        self.tried(job)
        trajectory = self.inverted(job)
        loss = self._loss(job)
        chosen, plain = self, None
        if self.mode == "auto":
            modes = [replace(self, mode=mode) for mode in ("structure", "non-rigid")]  # type: ignore[call-arg]
            outcomes = [mode.denoised(job, trajectory) for mode in modes]
            with torch.no_grad():
                losses = [float(loss(job.model.decode(out.target), _crops(job, 0))) for out in outcomes]
            chosen, plain = min(zip(modes, outcomes, strict=True), key=lambda pair: losses[modes.index(pair[0])])
        left_out = held_steps(weaker(job.mask, job.strength), self.num_inference_steps)
        if not self.iterations or left_out == self.num_inference_steps:
            return plain or chosen.denoised(job, trajectory)

        def run(iteration: int) -> Tensor:
            outcome = chosen.denoised(job, trajectory, gateways=self.drawn(job.seed, iteration, left_out))
            return loss(job.model.decode(outcome.target), _crops(job, iteration))

        wanted = chosen.guided_weights(job)
        with copied_weights(job.model.network, wanted) as variables, NetworkFit().computing(job.model, attached=True):
            job.work.optimise("guidance", variables, run, steps=self.iterations, learning_rate=self.learning_rate)
            job.work.raise_if_unusable()
            return chosen.denoised(job, trajectory)

    def _loss(self, job: Job) -> ClipLoss:
        clip = clip_for(job.model, self.clip)
        said = clip.read(job.target, job.source or "")
        with torch.no_grad():
            picture = clip.look(job.model.decode(job.latents) / 2 + 0.5)
        return ClipLoss(
            clip, said[:1], said[1:] if job.source else None, picture, directional=self.directional, views=self.views
        )

    def guided_weights(self, job: Job) -> Callable[[str], bool]:
        """Which of the network's parameters follow CLIP: queries in ``non-rigid`` mode, else keys and values."""
        control = self.control_part
        assert isinstance(control, FeatureSharing)
        control.prepare(job)
        projections = ("to_q",) if control.sharing_mode == "non-rigid" else ("to_k", "to_v")
        names = tuple(f"{layer}.{part}." for layer in control.layers(job.model) for part in projections)
        return lambda parameter: parameter.startswith(names)

    def drawn(self, seed: int, iteration: int, left_out: int = 0) -> Sequence[int]:
        """The gateways of one iteration, as step numbers; the first ``left_out`` steps are not taken."""
        generator = torch.Generator().manual_seed((seed * 1_000_003 + iteration) % 2**63)
        free = self.num_inference_steps - left_out
        count = min(self.gateways, free)
        return sorted(left_out + number for number in torch.randperm(free, generator=generator)[:count].tolist())


def _crops(job: Job, iteration: int) -> torch.Generator:
    return torch.Generator().manual_seed((job.seed * 7919 + iteration) % 2**63)
