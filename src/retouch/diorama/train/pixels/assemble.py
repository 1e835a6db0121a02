"""The finished stages as one folder: a base stage in IFPipeline's layout, and the second one's folder inside it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import IFPipeline, IFSuperResolutionPipeline, UNet2DConditionModel
from transformers import T5EncoderModel

from retouch.diorama.train.assemble import forget_folder, say_float32
from retouch.diorama.train.loop import Report, replaced
from retouch.diorama.train.pixels import t5
from retouch.diorama.train.pixels.network import noising_scheduler, scheduler
from retouch.errors import BadModel

LIMIT = 10 * 2**20
"""Bytes the shipped folder may have."""
_NOTHING_MORE: dict[str, Any] = {
    "safety_checker": None, "feature_extractor": None, "watermarker": None, "requires_safety_checker": False,
}  # fmt: skip


def make(folder: Path, report: Report) -> Path:
    """Writes ``folder/cascade``, in half precision; an earlier one is replaced only by a whole new one.

    Raises:
        BadModel: if the result is larger than :data:`LIMIT`.
    """
    done, part = folder / "cascade", folder / "cascade.part"
    shutil.rmtree(part, ignore_errors=True)
    encoder: Any = T5EncoderModel.from_pretrained(folder / "t5")
    base: Any = IFPipeline(
        tokenizer=t5.load_tokenizer(folder), text_encoder=encoder, scheduler=scheduler(1.5, "v_prediction"),
        unet=UNet2DConditionModel.from_pretrained(folder / "base"), **_NOTHING_MORE,
    )  # fmt: skip
    base.to(torch.float16).save_pretrained(part)
    second: Any = IFSuperResolutionPipeline(
        tokenizer=None, text_encoder=None, scheduler=scheduler(1.0), image_noising_scheduler=noising_scheduler(),
        unet=UNet2DConditionModel.from_pretrained(folder / "super_resolution"), **_NOTHING_MORE,
    )  # fmt: skip
    second.to(torch.float16).save_pretrained(part / "super_resolution")
    say_float32(part / "text_encoder" / "config.json")
    for unet in (part / "unet", part / "super_resolution" / "unet"):
        forget_folder(unet / "config.json")
    size = sum(file.stat().st_size for file in part.rglob("*") if file.is_file())
    if size > LIMIT:
        raise BadModel(
            f"the cascade has {size / 2**20:.1f} MiB, more than {LIMIT / 2**20:.0f}: make its U-Nets smaller."
        )
    report(f"cascade: {size / 2**20:.1f} MiB")
    return replaced(done, by=part)
