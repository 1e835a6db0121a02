"""The segmenter's training: a small network in Segment Anything's format learns to mark the subject from a click."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import SamConfig, SamModel
from transformers.models.sam.configuration_sam import SamMaskDecoderConfig, SamPromptEncoderConfig, SamVisionConfig

from retouch.diorama.painter import paint_array
from retouch.diorama.textures import SIDE
from retouch.diorama.train import pool
from retouch.diorama.train.augment import augmented
from retouch.diorama.train.loop import Loop, Report, Steps, device, generator, mixed, replaced
from retouch.diorama.train.recipe import read


@dataclass(frozen=True, kw_only=True)
class SegmenterRecipe(Steps):
    """The segmenter's size and batch: ``width`` and ``layers`` are the encoder's, ``channels`` the decoder's."""

    width: int
    layers: int
    heads: int
    patch: int
    channels: int
    batch: int
    held_out: int = 256


def train(recipe: str, folder: Path, steps: int | None, report: Report) -> Path:
    """Trains the segmenter into ``folder/segmenter``."""
    settings, where = read(SegmenterRecipe, recipe, "segmenter", steps), device()
    painted = pool.load(folder, where)
    scenes, pictures = pool.held_out(settings.held_out, where)
    truths = torch.from_numpy(np.stack([paint_array(scene)[1] for scene in scenes])).to(where) > 127
    torch.manual_seed(settings.seed)  # the initial weights
    network = SamModel(_config(settings)).to(where).train()

    def measure() -> dict[str, float]:
        random, found = generator(where, 1), list[Tensor]()
        for some, truth in zip(pictures.split(32), truths.split(32), strict=True):
            clicks, labels = clicked(truth.float(), random)
            out = network(
                pixel_values=pool.as_images(some).contiguous(), input_points=clicks[:, None, :1],
                input_labels=labels[:, None, :1], multimask_output=False,
            )  # fmt: skip
            guess = F.interpolate(out.pred_masks[:, 0], (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0] > 0
            found.append((guess & truth).sum((1, 2)) / (guess | truth).sum((1, 2)))
        iou = torch.cat(found)
        return {"mean IoU from one click": float(iou.mean()), "worst tenth": float(iou.quantile(0.1))}

    loop = Loop(network, settings, folder / "segmenter.checkpoint.safetensors", report, measure)
    for step in loop:
        random = generator(where, settings.seed, step)
        picked = torch.randint(0, len(painted), (settings.batch,), generator=random, device=where)
        images = augmented(pool.as_images(painted.pictures[picked]), random, shift=0)
        truth = painted.masks[picked].to(where).float() / 255
        clicks, labels = clicked(truth, random)
        prompts: dict[str, Tensor] = {"input_points": clicks[:, None], "input_labels": labels[:, None]}
        if step % 4 == 3:
            prompts = {"input_boxes": boxes(truth)[:, None]}
        elif step % 4 != 2:
            prompts = {"input_points": clicks[:, None, :1], "input_labels": labels[:, None, :1]}
        with mixed(where):
            # every mask the decoder has learns the same: one picture has one subject
            out = network(pixel_values=images.contiguous(), multimask_output=step % 2 == 1, **prompts)
        # no step asks for every kind of prompt and mask: those left out get a gradient of nothing
        none = sum(weights.sum() for weights in network.parameters()) * 0.0
        loop.learn(none + _loss(out.pred_masks[:, 0].float(), out.iou_scores[:, 0].float(), truth))

    with loop.averaged():
        network.save_pretrained(folder / "segmenter.part")
    preprocessor = {
        "image_processor_type": "SamImageProcessor", "size": {"longest_edge": SIDE},
        "pad_size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
        "do_resize": True, "do_pad": True, "do_normalize": True, "do_rescale": True, "rescale_factor": 1 / 255,
        "resample": 2, "do_convert_rgb": True,
    }  # fmt: skip
    (folder / "segmenter.part" / "preprocessor_config.json").write_text(json.dumps(preprocessor, indent=2) + "\n")
    return replaced(folder / "segmenter", by=folder / "segmenter.part")


def clicked(masks: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A click inside each mask and one outside.

    Args:
        masks: [B, H, W] in 0..1.

    Returns:
        points [B, 2, 2] as (x, y) in pixels, and labels [B, 2]: 1 inside, 0 outside.
    """
    flat = masks.flatten(1)
    inside = torch.multinomial((flat > 0.9).float() + 1e-9, 1, generator=random)
    outside = torch.multinomial((flat < 0.1).float() + 1e-9, 1, generator=random)
    index = torch.cat([inside, outside], 1)
    width = masks.shape[-1]
    points = torch.stack([index % width, index // width], -1).float() + 0.5
    return points, torch.tensor([1, 0], device=masks.device).expand(len(masks), 2)


def boxes(masks: Tensor) -> Tensor:
    """The box around each mask [B, H, W]: [B, 4] as x0, y0, x1, y1 in pixels."""
    rows, columns = (masks > 0.5).any(2), (masks > 0.5).any(1)

    def ends(line: Tensor) -> tuple[Tensor, Tensor]:
        numbers = line.int()
        return numbers.argmax(1), line.shape[1] - numbers.flip(1).argmax(1)

    (top, bottom), (left, right) = ends(rows), ends(columns)
    return torch.stack([left, top, right, bottom], 1).float()


def _loss(logits: Tensor, scores: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy and dice of the masks [B, M, h, w], and the predicted IoU's [B, M] squared error."""
    wanted = F.interpolate(truth[:, None], logits.shape[-2:], mode="area").expand_as(logits)
    entropy = F.binary_cross_entropy_with_logits(logits, wanted)
    guess = logits.sigmoid()
    overlap, size = (guess * wanted).sum((2, 3)), (guess + wanted).sum((2, 3))
    dice = (1 - (2 * overlap + 1) / (size + 1)).mean()
    with torch.no_grad():
        hard, true = logits > 0, wanted > 0.5
        iou = (hard & true).sum((2, 3)) / (hard | true).sum((2, 3)).clamp(min=1)
    return 5 * entropy + dice + 0.5 * F.mse_loss(scores, iou)


def _config(settings: SegmenterRecipe) -> SamConfig:
    common = {"image_size": SIDE, "patch_size": settings.patch}
    return SamConfig(
        vision_config=SamVisionConfig(
            hidden_size=settings.width, num_hidden_layers=settings.layers, num_attention_heads=settings.heads,
            output_channels=settings.channels, window_size=0, global_attn_indexes=list(range(settings.layers)),
            mlp_dim=3 * settings.width, num_pos_feats=settings.channels // 2, use_rel_pos=False,
            initializer_range=0.02, **common,
        ),
        prompt_encoder_config=SamPromptEncoderConfig(hidden_size=settings.channels, mask_input_channels=8, **common),
        mask_decoder_config=SamMaskDecoderConfig(
            hidden_size=settings.channels, mlp_dim=2 * settings.channels, num_attention_heads=4,
            iou_head_hidden_dim=settings.channels,
        ),
        initializer_range=0.02,
    )  # fmt: skip
