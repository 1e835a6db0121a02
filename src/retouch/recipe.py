"""What an edit's file says about it, and by what unfinished work is known again."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from retouch.backbone.saving import tiles
from retouch.backbone.super_resolution import SECOND, second_of
from retouch.idle import acting
from retouch.methods.composition import Composed
from retouch.methods.method import Method
from retouch.methods.optimising import Optimising
from retouch.parts.job import Job


def identity_of(
    model: str,
    method: Method,
    source: str | None,
    target: str,
    seed: int,
    negative: str | None = None,
    size: int | None = None,
    **pictures: Image.Image | None,
) -> dict[str, Any]:
    """All that a fit depends on, JSON-ready; ``pictures`` by their digests."""
    reference = pictures.get("reference") is not None
    reads = not isinstance(method, Optimising) or method.fit_reads_negative(reference)
    return {
        "model": model, "method": method.name, "source": source, "target": target, "seed": seed,
        **({"negative_prompt": negative} if negative and reads else {}),
        **({} if size is None else {"size": size}),
        **{name: None if image is None else _digest(image) for name, image in pictures.items()},
        "parameters": method.parameters_of_fit() if isinstance(method, Optimising) else asdict(method),
    }  # fmt: skip


def recipe_of(job: Job, method: Method) -> dict[str, Any]:
    """What an edit's file says about it: everything needed to do it again, JSON-ready."""
    parameters, idle = acting(method, job)
    recipe: dict[str, Any] = {
        "retouch": _version("retouch"),
        "model": job.model.name,
        "fingerprint": job.model.fingerprint,
        **({"dtype": str(job.model.dtype).removeprefix("torch.")} if job.model.dtype != torch.float32 else {}),
        **({"memory": job.model.memory} if _tiled(job) else {}),
        **({"compiled": True} if job.model.compiled else {}),
        **({"read_as": job.model.read_as.changed} if job.model.read_as.changed else {}),
        "method": method.name,
        **({"parts": method.parts} if isinstance(method, Composed) else {}),
        "parameters": parameters,
        "source": job.source,
        "target": job.target,
        **({"negative_prompt": job.negative} if job.negative and "negative_prompt" not in idle else {}),
        **({"strength": job.strength} if job.strength != 1 else {}),
        "seed": job.seed,
        "versions": {name: _version(name) for name in ("torch", "diffusers", "transformers")},
    }
    second = second_of(job.model)
    if second is not None:
        recipe[SECOND] = asdict(second.enlarging)
    others = {key: job.work.identity.get(key) for key in ("mask", "foreground", "reference", "size") if key not in idle}
    recipe |= {key: value for key, value in others.items() if value}
    done = job.fit or job.work
    if done.steps:
        recipe["fit"] = {"steps": dict(done.steps), "losses": dict(done.losses), "stopped": done.stopped}
    if job.fit:
        recipe.setdefault("fit", {})["seed"] = job.fit.recipe.get("seed")
    return recipe


def _tiled(job: Job) -> bool:
    """Whether the memory setting shows in the picture."""
    longest = max(job.latents.shape[-2:]) * job.model.vae_factor
    return tiles(job.model.memory, longest, latent=not job.model.draws_by_text)


def picture_of(image: Image.Image, path: str | PathLike[str] | None = None) -> dict[str, Any]:
    """What a recipe says of the picture that was edited: a digest of its pixels, its size, and its file's name, if any.

    Args:
        image: upright, RGB, whole.
    """
    name = {} if path is None else {"name": Path(path).name}
    return {"digest": _digest(image), "size": list(image.size), **name}


@cache
def _version(package: str) -> str:
    """The package's version, looked up once: it is read from the disk."""
    from importlib.metadata import version

    return version(package)


def _digest(image: Image.Image) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()[:16]
