"""LayerDiffusion: object and background are fitted apart, then brought together.

Li et al., LayerDiffusion: Layered Controlled Image Editing with Diffusion Models, SIGGRAPH Asia 2023. Object text T_a
and background text T_b get embeddings of their own, fitted to the picture's object (mask M) and to a reference
picture's background (outside M_r); their mix and the network are fitted to both; sampling alternates between the mix
and the object text. The authors published no code. Left open by the text and chosen here:

- T_a and T_b, where they are not given, are split from the target prompt: T_b is what follows its first preposition of
  place, up to a comma, T_a the rest; a medium at the beginning (a photo of, an oil painting of) belongs to both;
- the noise of the reference that is sampled from the target text, where none is given, is the seed's; its object is cut
  out by M_r (section 3.2.1). ``reference_from=background`` samples it from T_b alone, which is no part of the paper;
- M and M_r, where no mask is given, are where the network's attention looks for the words of T_a, or what a segmenter
  makes of a click on the middle of that;
- the object text that sampling alternates with is T_a's own embedding: the fitted one would pull back to the picture;
- losses are means over all cells, so that a small object counts little: ``object_weight`` may be 3, as in the paper.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.errors import BadParameter, BadPrompt
from retouch.fit.fitted import Fit
from retouch.fit.objective import Noising, denoising_loss
from retouch.masks.objects import object_mask, segmenter_for
from retouch.methods.optimising import Optimising, fitted_tensors
from retouch.methods.sampling import sample
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.job import Job
from retouch.weights import unweighted

_PLACE = re.compile(
    r"\b(?:on|in|at|by|near|under|over|above|below|beside|behind|inside|outside|before|against|along|among|amid)\b",
    re.IGNORECASE,
)

_MEDIUM = re.compile(
    r"(?:an?|the) (?:[\w-]+ ){0,2}(?:photo|photograph|picture|image|painting|drawing|sketch|watercolou?r|render) of ",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class LayerDiffusion(Optimising):
    """Layered controlled optimisation, embedding mix, layered diffusion training, iterative guidance."""

    name: ClassVar[str] = "layer-diffusion"
    title: ClassVar[str] = "LayerDiffusion"
    paper: ClassVar[str] = "LayerDiffusion: Layered Controlled Image Editing with Diffusion Models (Li et al., 2023)"
    good_for: ClassVar[str] = "the subject changed and moved to another place at once; needs no source prompt"
    how: ClassVar[str] = "fits object and background apart, then the network to both; samples from noise"
    needs_source: ClassVar[bool] = False
    takes_foreground: ClassVar[bool] = True
    takes_reference: ClassVar[bool] = True
    sampling: ClassVar[frozenset[str]] = Optimising.sampling | {"iterative_guidance"}

    object_text: str = parameter(
        "", "T_a, what the object should be; empty: the target prompt without its place", kind="text",
    )  # fmt: skip
    background_text: str = parameter(
        "", "T_b, where it should be; empty: what follows the first preposition of place", kind="text"
    )
    alpha: float = parameter(0.7, "e_opt = α e_a + (1 − α) e_b", low=0, high=1, source="eq. 3")
    layered_optimisation: bool = parameter(True, "the first module: embeddings fitted to object and background")
    network_training: bool = parameter(True, "the second module: the network fitted to both layers")
    iterative_guidance: bool = parameter(True, "the third module: sampling alternates with the object text")
    embedding_steps: int = parameter(
        500, "optimiser steps of the first module", low=0, high=100_000, unit="steps", source="section 3.3"
    )
    embedding_learning_rate: float = parameter(1e-3, "Adam's, there", low=0, high=1, source="section 3.3")
    network_steps: int = parameter(
        250, "optimiser steps of the second module", low=0, high=100_000, unit="steps", source="section 3.3"
    )
    network_learning_rate: float = parameter(
        2e-6, "Adam's, there; low-rank adapters need about 1e-4", low=0, high=1, source="section 3.3"
    )
    object_weight: float = parameter(
        2.0, "λ_1 of the object's loss; 3 for small objects", low=0, high=100, source="section 4.3"
    )
    background_weight: float = parameter(1.0, "λ_2 of the background's loss", low=0, high=100, source="section 4.3")
    segmenter: str = parameter(
        "auto", "a Segment Anything model (folder or hub name) for the masks; none: attention alone; auto: Diorama's "
        "own for Diorama, none for others",
        kind="text", loads=True,
    )  # fmt: skip
    reference_from: Literal["target", "background"] = parameter(
        "target", "what a reference that is not given is sampled from: the target prompt, its object cut out, or T_b",
        choices=("target", "background"), source="section 3.2.1",
    )  # fmt: skip
    reference_steps: int = parameter(
        50, "denoising steps of a reference that is sampled", low=1, high=1000, unit="steps"
    )
    reference_guidance_scale: float = parameter(7.5, "w, there", low=0, high=50)

    def _lengths(self) -> tuple[int, int]:
        return (
            self.embedding_steps if self.layered_optimisation else 0,
            self.network_steps if self.network_training else 0,
        )

    def fit_steps(self) -> int:
        """Those of the two modules that optimise."""
        return sum(self._lengths())

    def fit_evaluations(self) -> int:
        """Both layers at every step, and once the two masks' attention and the reference's sampling."""
        if not self.fit_steps():
            return 0
        halves = 1 if self.reference_guidance_scale == 1 else 2
        return 2 * self.batch_size * self.fit_steps() + 6 + halves * self.reference_steps

    def fit_reads_negative(self, reference: bool) -> bool:
        """Where the reference is sampled under guidance."""
        return not reference and self.fit_steps() > 0 and self.reference_guidance_scale > 1

    def idle(self, asked: Asked) -> Idle:
        """The settings of modules that are off, of a reference that is given, and of layers that are not looked at."""
        embedding_steps, network_steps = self._lengths()
        found = super().idle(asked) | self.idle_without_stages(embedding_steps, network_steps)
        if not self.layered_optimisation:
            found["embedding_steps"] = "layered_optimisation is off"
        if not self.network_training:
            found["network_steps"] = "network_training is off"
        if not network_steps:
            found |= dict.fromkeys(("object_weight", "background_weight"), "the network is not fitted")
        of_reference = ("reference_from", "reference_steps", "reference_guidance_scale")
        if not self.fit_steps():
            found |= dict.fromkeys((*of_reference, "reference", "segmenter", "foreground"), "nothing is fitted")
        elif asked.reference:
            found |= dict.fromkeys(of_reference, "the reference is given")
        if asked.fitted:
            found["foreground"] = "it marks the object for the fit, and the fit that is given is made"
        sampled_from_it = self.reference_from == "background" and not asked.reference and network_steps
        if self.alpha == 1 and not sampled_from_it:
            found["background_text"] = "alpha is 1, and its embedding is used nowhere"
        return found

    def fit(self, job: Job) -> Fit:
        """The modules that optimise, as far as they are switched on."""
        object_text, background_text = self.texts(job.target)
        model, how = job.model, self.network_fit
        said, place = model.condition([object_text, background_text]).split()
        e_a, e_b = said.embeds.clone(), place.embeds.clone()
        embedding_steps, network_steps = self._lengths()
        if self.fit_steps():
            reference = self._reference(job, background_text)
            inside, outside = self._layers(job, reference, object_text)

        def layers(stage: int, step: int, of_object: Condition, of_background: Condition) -> tuple[Tensor, Tensor]:
            noising = Noising.draw(model, job.latents, self.batch_size, job.seed, stage, step)
            return (
                denoising_loss(model, job.latents, of_object, noising, inside),
                denoising_loss(model, reference, of_background, noising, outside),
            )

        def both(step: int) -> Tensor:
            return sum(layers(0, step, said.with_embeds(e_a), place.with_embeds(e_b)), torch.zeros(()))

        with how.computing(model):
            if embedding_steps:
                fitted = {"object": e_a.requires_grad_(), "background": e_b.requires_grad_()}
                job.work.optimise(
                    "embedding", fitted, both, steps=embedding_steps, learning_rate=self.embedding_learning_rate,
                    share=embedding_steps / self.fit_steps(), progress=job.progress,
                )  # fmt: skip
            e_a, e_b = e_a.detach(), e_b.detach()
            e_opt = self.alpha * e_a + (1 - self.alpha) * e_b
            optimised = Condition.lerp(place, said, self.alpha).with_embeds(e_opt)
            network: dict[str, Tensor] = {}
            if network_steps:

                def loss(step: int) -> Tensor:
                    of_object, of_background = layers(1, step, optimised, optimised)
                    return self.object_weight * of_object + self.background_weight * of_background

                with how.weights(model, job.seed) as variables:
                    job.work.optimise(
                        "network", variables, loss, steps=network_steps, learning_rate=self.network_learning_rate,
                        share=network_steps / self.fit_steps(), progress=job.progress,
                    )  # fmt: skip
                    network = fitted_tensors(variables) if job.work.steps.get("network") else {}
        texts = {
            **said.with_embeds(e_a).tensors("object"), **place.with_embeds(e_b).tensors("background"),
            **optimised.tensors("optimised"), **said.tensors("object text"),
        }  # fmt: skip
        return job.work.fit(self.name, texts, network, self.adapter_rank)

    def conditions(self, fit: Fit) -> Sequence[Condition]:
        """e_opt and the object text by turns, e_opt at the first step; e_opt alone without iterative guidance."""
        optimised, said = (Condition.from_tensors(fit.embeds, name) for name in ("optimised", "object text"))
        last = self.num_inference_steps - 1
        return [
            said if self.iterative_guidance and (last - index) % 2 else optimised
            for index in range(self.num_inference_steps)
        ]

    def texts(self, target: str) -> tuple[str, str]:
        """T_a and T_b.

        Raises:
            BadPrompt: when one is not given and the target prompt names no place, or when both say the same.
        """
        before, after = split(target)
        object_text = unweighted(self.object_text.strip(), "object_text") or before
        background_text = unweighted(self.background_text.strip(), "background_text") or after
        if not object_text or not background_text:
            missing = "object_text='a red cat'" if not object_text else "background_text='a beach'"
            raise BadPrompt(
                f"the target prompt {target!r} cannot be split into an object and its place, as 'a red cat on a "
                f"beach' can: give it with --set, for instance {missing}."
            )
        if object_text.split() == background_text.split():
            raise BadPrompt(f"object_text and background_text are both {object_text!r}: they must differ.")
        return object_text, background_text

    def _reference(self, job: Job, background_text: str) -> Tensor:
        """z_0 of the reference: the user's picture, or one sampled from the target text (or from T_b)."""
        if job.reference is not None:
            return job.reference
        noise = self.noise(job, torch.Generator().manual_seed(job.seed))
        negative = (job.negative or "") if self.fit_reads_negative(False) else ""
        said, null = job.model.condition(
            [job.target if self.reference_from == "target" else background_text, negative]
        ).split()
        return sample(
            job.model, [noise], [[said] * self.reference_steps], null, guidance_scale=self.reference_guidance_scale,
            num_inference_steps=self.reference_steps,
        )  # fmt: skip

    def _layers(self, job: Job, reference: Tensor, object_text: str) -> tuple[Tensor, Tensor]:
        """M and 1 − M_r, [1, 1, h, w]."""
        segmenter = segmenter_for(job.model, self.segmenter)
        masks = [
            job.foreground if latents is job.latents and job.foreground is not None
            else object_mask(job.model, latents, object_text, segmenter=segmenter, seed=job.seed)
            for latents in (job.latents, reference)
        ]  # fmt: skip
        if float(masks[0].max()) == 0:
            raise BadParameter(
                "the foreground marks nothing at the model's resolution: mark the object with a larger one."
            )
        if float(masks[0].min()) == 1:
            raise BadParameter(
                "the foreground covers everything, so that no background is left: mark the object alone."
            )
        return masks[0], 1 - masks[1]


def split(target: str) -> tuple[str, str]:
    """T_a and T_b of a sentence; empty strings where it names no place.

    >>> split("a photo of a cat sitting on a beach, wearing a hat")
    ('a photo of a cat sitting, wearing a hat', 'a photo of a beach')
    """
    found = _PLACE.search(target)
    if not found:
        return "", ""
    place, comma, rest = target[found.end() :].partition(",")
    medium = _MEDIUM.match(target)
    of_object = target[: found.start()].strip(" ,.") + (f", {rest.strip(' ,.')}" if comma and rest.strip(" ,.") else "")
    background = place.strip(" ,.")
    return of_object, f"{medium.group()}{background}" if medium and background else background
