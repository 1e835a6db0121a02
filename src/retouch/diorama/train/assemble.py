"""The finished parts as one folder in StableDiffusionPipeline's layout, with CLIP and the judge beside them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer, SamModel

from retouch.diorama.judge import load_judge
from retouch.diorama.train.clip import SIDE
from retouch.diorama.train.loop import Report, replaced
from retouch.diorama.train.tokenizer import copy_files
from retouch.diorama.train.unet import scheduler
from retouch.errors import BadModel

LIMIT = 45 * 2**20
"""Bytes the shipped folder may have."""


def make(folder: Path, report: Report) -> Path:
    """Writes ``folder/weights``, in half precision; an earlier one is replaced only by a whole new one.

    Raises:
        BadModel: if the result is larger than :data:`LIMIT`.
    """
    done, part = folder / "weights", folder / "weights.part"
    shutil.rmtree(part, ignore_errors=True)
    clip, tokenizer = CLIPModel.from_pretrained(folder / "clip"), CLIPTokenizer.from_pretrained(folder / "tokenizer")
    pipeline: Any = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(folder / "vae"),
        text_encoder=text_model(clip, tokenizer),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(part, safe_serialization=True)
    clip.half().save_pretrained(part / "clip")
    tokenizer.save_pretrained(part / "clip")
    _write(part / "clip" / "preprocessor_config.json", _PREPROCESSOR)
    load_judge(folder / "judge").network.save(part / "judge", torch.float16)
    SamModel.from_pretrained(folder / "segmenter").half().save_pretrained(part / "segmenter")
    shutil.copy(folder / "segmenter" / "preprocessor_config.json", part / "segmenter")
    for name in ("tokenizer", "clip"):
        copy_files(folder / "tokenizer", part / name)
    for name in ("text_encoder", "clip", "segmenter"):
        say_float32(part / name / "config.json")
    _say_text_model(part / "text_encoder" / "model.safetensors")
    for name in ("unet", "vae"):
        forget_folder(part / name / "config.json")

    size = sum(file.stat().st_size for file in part.rglob("*") if file.is_file())
    if size > LIMIT:
        raise BadModel(
            f"the weights have {size / 2**20:.1f} MiB, more than {LIMIT / 2**20:.0f}: make the U-Net smaller."
        )
    report(f"weights: {size / 2**20:.1f} MiB")
    return replaced(done, by=part)


def _say_text_model(path: Path) -> None:
    """Names the tensors as older versions of transformers expect them; newer ones read these names, too."""
    tensors = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in load_file(path).items()}
    save_file(tensors, path, {"format": "pt"})


def text_model(clip: Any, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """CLIP's text half as the class diffusers wants.

    Raises:
        BadModel: if it does not give exactly what CLIP's own half gives.
    """
    text = CLIPTextModel(clip.config.text_config).eval()
    own, wanted = clip.text_model.state_dict(), text.state_dict()
    prefix = "text_model." if next(iter(wanted)).startswith("text_model.") else ""  # the class was flattened lately
    text.load_state_dict({prefix + name: tensor for name, tensor in own.items()}, strict=False)
    ids = torch.tensor([tokenizer("a photo of a red cat", padding="max_length").input_ids])
    with torch.no_grad():
        same = torch.equal(text(ids).last_hidden_state, clip.eval().text_model(input_ids=ids).last_hidden_state)
    if not same:
        raise BadModel("the text encoder differs from CLIP's text half: this version of transformers is not supported.")
    return text


def say_float32(path: Path) -> None:
    """transformers would load the stored half precision as it is, diffusers would not: name float32 for both."""
    config = json.loads(path.read_text(encoding="utf-8"))
    for table in (config, config.get("text_config"), config.get("vision_config")):
        if table is not None:
            table["dtype"] = "float32"
    _write(path, config)


def forget_folder(path: Path) -> None:
    """Drops the name of the folder the part was loaded from."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    _write(path, config)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


_PREPROCESSOR = {
    "image_processor_type": "CLIPImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": SIDE},
    "resample": 4,  # box: the 2x2 average of the training
    "do_center_crop": True,
    "crop_size": {"height": SIDE, "width": SIDE},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "do_convert_rgb": True,
}
