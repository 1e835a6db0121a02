"""From a live diffusers pipeline to a backbone: computed with as its owner has it, and left as it was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock, RLock
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from retouch.backbone.adapters import adapters_of
from retouch.backbone.assemble import Plan, check_vocabularies, plan, vae_dtype
from retouch.backbone.configs import loaded_config
from retouch.backbone.on_top import check_reading, read_texts
from retouch.backbone.pixel import PixelCascade
from retouch.backbone.processors import freeu_of, processors_of
from retouch.backbone.protocol import Backbone
from retouch.backbone.quiet import quietly
from retouch.backbone.recommended import Recommended, read_recommended
from retouch.backbone.sd import StableDiffusion
from retouch.backbone.sdxl import StableDiffusionXL
from retouch.backbone.settings import ModelSettings, ReadAs
from retouch.backbone.stages import check_second_pipe, plan_stages, second_of_pipe
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel, BadParameter

_PIPELINES: Mapping[str, type[UNetBackbone]] = {
    "StableDiffusionPipeline": StableDiffusion,
    "StableDiffusionImg2ImgPipeline": StableDiffusion,
    "StableDiffusionXLPipeline": StableDiffusionXL,
    "StableDiffusionXLImg2ImgPipeline": StableDiffusionXL,
    "IFPipeline": PixelCascade,
    "IFImg2ImgPipeline": PixelCascade,
}
"""The pipelines whose networks can be edited with, by the names of their classes, and how each family is computed."""
_LOCKS: WeakKeyDictionary[nn.Module, RLock] = WeakKeyDictionary()
"""Two editors of one pipeline, or of two that share a network, wait for each other."""
_LOCKING = Lock()
_CAPTURING = "_output_capturing_hooks_installed"
"""By this transformers knows whether it has put hooks into a text encoder, which it does where one asks for layers."""


def backbone_of(
    model: Any, *, clip_skip: int = 0, long_prompts: bool = False, super_resolution: Any = None
) -> Backbone:
    """A loaded model as it is, or the backbone of a live pipeline.

    Args:
        super_resolution: beside the base stage of a pixel cascade, the pipeline of its second stage.
        clip_skip, long_prompts: how a pipeline's texts are read, see :class:`retouch.backbone.load.LoadSettings`.

    Raises:
        BadParameter: for anything else, and for a loaded model whose texts are to be read otherwise.
        BadModel: for a pipeline that cannot be edited with, by the name of its class or of what is loaded into it.
    """
    if callable(getattr(model, "predict", None)):
        if clip_skip or long_prompts or super_resolution is not None:
            raise BadParameter(
                "clip_skip, long_prompts and super_resolution are said when a model is loaded, or of a live pipeline."
            )
        loaded: Backbone = model
        return loaded
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline

    if not isinstance(model, DiffusionPipeline):
        raise BadParameter(
            f"an Editor is made of a loaded model or of a diffusers pipeline, not of a {type(model).__name__}: write "
            "Editor.from_pretrained(name)."
        )
    check_reading(clip_skip, long_prompts)
    return Live(model, clip_skip, long_prompts, super_resolution).backbone()


def check_no_others(what: str, given: Mapping[str, Any]) -> None:
    """Refuses arguments that only loading has, or nothing.

    Raises:
        BadParameter: naming the first.
    """
    for name in given:
        raise BadParameter(
            f"{what} takes clip_skip and long_prompts, and no {name!r}: say that when the model is loaded "
            "(Editor.from_pretrained), or do it to the pipeline itself, as with pipe.load_lora_weights(...)."
        )


class Live:
    """Somebody's pipeline, lent for as long as something is computed with it.

    Between two turns its owner may do anything with it: load adapters, change the scheduler, move it. Every turn reads
    it anew.
    """

    def __init__(self, pipe: Any, clip_skip: int = 0, long_prompts: bool = False, super_resolution: Any = None) -> None:
        self.pipe, self.clip_skip, self.long_prompts, self.second = pipe, clip_skip, long_prompts, super_resolution
        kinds = [kind.__name__ for kind in type(pipe).__mro__]
        backbone = next((_PIPELINES[kind] for kind in kinds if kind in _PIPELINES), None)
        if backbone is None:
            raise BadModel(
                f"a {kinds[0]} cannot be edited with, but a {', '.join(_PIPELINES)} can: where the network is a plain "
                "one, make such a pipeline of the same parts with its from_pipe(pipe)."
            )
        if getattr(pipe.config, "requires_aesthetics_score", False):
            raise BadModel(f"{self.name!r} is SDXL's refiner, which finishes what the base model began: give that one.")
        self.made_as = backbone
        if super_resolution is not None:
            check_second_pipe(self.name, pipe, super_resolution, cascade=backbone is PixelCascade)

    @property
    def name(self) -> str:
        """Where it was loaded from, else the name of its class."""
        return str(getattr(self.pipe, "name_or_path", None) or type(self.pipe).__name__)

    def backbone(self) -> UNetBackbone:
        """A backbone of the pipeline's own parts.

        Raises:
            BadModel: when a part is missing or of another kind.
        """
        planned, parts = self._read()
        folder = Path(self.name)
        recommended = read_recommended(folder) if folder.is_dir() else Recommended()
        more: dict[str, Any] = {}
        if self.made_as is StableDiffusionXL:
            more["zeros_for_empty"] = self._zeros_for_empty()
        if self.second is not None:
            more["super_resolution"] = second_of_pipe(self.name, self.second)
        model = self.made_as(
            self.name, **parts, schedule_config=planned.schedule, device=self._device(), recommended=recommended,
            read_as=self._read_as(planned, parts), live=self, **more,
        )  # fmt: skip
        read_texts(model, self.clip_skip, self.long_prompts)
        with _LOCKING:
            model.lock = _LOCKS.setdefault(model.network, model.lock)
        return model

    @contextmanager
    def lent(self, model: Any) -> Iterator[None]:
        """The pipeline as it is now, for inference; all that this changes is put back, whatever happens.

        Args:
            model: the pipeline's backbone, which computes with these parts in the body.

        Raises:
            BadModel: when its owner has made something of it meanwhile that cannot be edited with.
        """
        planned, parts = self._read()
        model.kept.clear()  # of what its owner may have changed
        for kind in type(model).__mro__:
            for name, value in vars(kind).items():
                if isinstance(value, cached_property):
                    vars(model).pop(name, None)
        vars(model).update(parts)
        if self.second is not None:
            was, model.super_resolution = model.super_resolution, second_of_pipe(self.name, self.second)
            model.super_resolution.enlarging, model.super_resolution.evaluations = was.enlarging, was.evaluations
        model.schedule_config, model.device = dict(planned.schedule), self._device()
        model.read_as = self._read_as(planned, parts)
        try:
            with ExitStack() as stack:
                for module in model.modules.values():
                    stack.enter_context(_for_inference(module))
                if self.made_as.family.latent:
                    stack.enter_context(_wide_enough(parts["vae"]))
                yield
        finally:
            for hook in getattr(self.pipe, "_all_hooks", ()):  # of enable_model_cpu_offload
                hook.offload()

    def _read(self) -> tuple[Plan, dict[str, Any]]:
        """The plan, and the parts but for the scheduler, by name."""
        family = self.made_as.family
        there: dict[str, Any] = {part: getattr(self.pipe, part, None) for part in family.parts}
        # torch.compile wraps a network; what is attached to it is attached to the network inside
        there = {part: getattr(one, "_orig_mod", one) for part, one in there.items()}
        missing = [part for part, one in there.items() if one is None]
        if missing:
            raise BadModel(f"the pipeline {self.name!r} lacks its {', '.join(missing)}: load it with all of its parts.")
        _check_processors(self.name, there["unet"])
        if any(one.is_inference() for one in there["unet"].parameters()):
            raise BadModel(
                f"the pipeline {self.name!r} was loaded inside torch.inference_mode, and nothing can be fitted with "
                "such weights: load it outside."
            )
        configs = {part: loaded_config(there[part]) for part in family.configs}
        if family.latent:
            planned = plan(self.name, family, ModelSettings(), configs, folder=False)
        else:
            planned = plan_stages(self.name, ModelSettings(), configs)
        check_vocabularies(self.name, family, there)
        del there["scheduler"]
        return planned, there

    def _read_as(self, planned: Plan, parts: Mapping[str, Any]) -> ReadAs:
        weighty = {part: parts[part] for part in self.made_as.family.weighty}
        told: dict[str, Any] = {
            "adapters": adapters_of(weighty), "freeu": freeu_of(parts["unet"]), "processors": processors_of(weighty),
            "clip_skip": self.clip_skip, "long_prompts": self.long_prompts,
        }  # fmt: skip
        on_top = {name: value for name, value in told.items() if value}
        return ReadAs(planned.read_as.given, planned.read_as.own, on_top)

    def _zeros_for_empty(self) -> bool:
        return bool(getattr(self.pipe.config, "force_zeros_for_empty_prompt", True))

    def _device(self) -> torch.device:
        return torch.device(self.pipe._execution_device)


def _check_processors(name: str, unet: Any) -> None:
    """Refuses a network that is shown a picture beside the text."""
    for processor in getattr(unet, "attn_processors", {}).values():
        if type(processor).__name__.startswith("IPAdapter"):
            raise BadModel(
                f"the pipeline {name!r} has an IP-Adapter loaded ({type(processor).__name__}), which shows the network "
                "a picture that an edit does not have: take it out with pipe.unload_ip_adapter()."
            )


@contextmanager
def _wide_enough(vae: Any) -> Iterator[None]:
    """An autoencoder that overflows in half precision computes in float32, as diffusers' pipelines have it do."""
    own = vae.dtype
    wide = vae_dtype(own, vae.config)
    if wide == own or any(parameter.is_meta for parameter in vae.parameters()):
        yield
        return
    try:
        with quietly():
            vae.to(wide)
        yield
    finally:
        with quietly():
            vae.to(own)  # what comes from half precision goes back to the same bits


@contextmanager
def _for_inference(module: nn.Module) -> Iterator[None]:
    """No dropout and no gradients of the weights, then both as before, and no hook more than there was."""
    was = [(one, one.training, set(one._forward_hooks), _CAPTURING in vars(one)) for one in module.modules()]
    # by name: sequential offloading makes new parameters of them at every call
    wanted = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
    try:
        module.eval().requires_grad_(False)
        yield
    finally:
        for one, training, hooks, capturing in was:
            one.training = training
            for number in one._forward_hooks.keys() - hooks:
                del one._forward_hooks[number]
            if not capturing:
                vars(one).pop(_CAPTURING, None)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(wanted[name])
