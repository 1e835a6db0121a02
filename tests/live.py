"""Small random pipelines of diffusers, and everything about one that an edit must leave as it was."""

import torch
from diffusers import (
    DDPMScheduler,
    IFPipeline,
    IFSuperResolutionPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)

from retouch.backbone.load import load
from tests.tiny import tiny_parts

KINDS = {"text": StableDiffusionPipeline, "image": StableDiffusionImg2ImgPipeline}

XL_KINDS = {"text": StableDiffusionXLPipeline, "image": StableDiffusionXLImg2ImgPipeline}


def tiny_pipe(folder, kind="text", model="sd1", seed=0):
    """A pipeline of small random parts."""
    parts = tiny_parts(folder, model, seed)
    if model == "sdxl":
        pipe = XL_KINDS[kind](**parts, add_watermarker=False)
    else:
        pipe = KINDS[kind](**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def tiny_cascade_pipes(folder):
    """The pipelines of both stages of a cascade's folder."""
    plain = {"safety_checker": None, "feature_extractor": None, "watermarker": None, "requires_safety_checker": False}
    model, second = load(folder), folder / "super_resolution"
    base = IFPipeline(
        tokenizer=model.tokenizer, text_encoder=model.text_encoder, unet=model.unet,
        scheduler=DDPMScheduler.from_pretrained(folder / "scheduler"), **plain,
    )  # fmt: skip
    enlarging = IFSuperResolutionPipeline(
        tokenizer=None, text_encoder=None, unet=model.super_resolution.unet,
        scheduler=DDPMScheduler.from_pretrained(second / "scheduler"),
        image_noising_scheduler=DDPMScheduler.from_pretrained(second / "image_noising_scheduler"), **plain,
    )  # fmt: skip
    return base, enlarging


def modules(pipe):
    return {name: one for name, one in pipe.components.items() if isinstance(one, torch.nn.Module)}


def state(pipe):
    """What is to be the same afterwards: weights by value, all else by identity."""
    found = {"grad": torch.is_grad_enabled(), "scheduler": dict(pipe.scheduler.config), "pipe": set(vars(pipe))}
    for part, module in modules(pipe).items():
        found[f"{part} config"] = str(module.config)
        found[f"{part} weights"] = {k: v if v.is_meta else v.clone() for k, v in module.state_dict().items()}
        found[f"{part} wanted"] = {k: p.requires_grad for k, p in module.named_parameters()}
        for path, one in module.named_modules():
            own = {k: v for k, v in vars(one).items() if k not in ("_parameters", "_buffers", "_modules")}
            own |= {k: dict(v) for k, v in own.items() if k.endswith("_hooks")}
            found[f"{part}.{path}"] = (id(one), own, list(one._parameters), [id(m) for m in one._modules.values()])
    found["processors"] = {k: id(v) for k, v in pipe.unet.attn_processors.items()}
    return found


def same(before, after):
    """Whether two states are one, with the names of what differs."""
    assert before.keys() == after.keys()
    odd = []
    for key, was in before.items():
        now = after[key]
        if key.endswith(" weights"):
            fits = list(was) == list(now) and all(
                (was[k].is_meta and now[k].is_meta) or torch.equal(was[k], now[k]) for k in was
            )
        else:
            fits = was == now
        if not fits:
            odd.append(key)
    assert not odd, odd
    return True
