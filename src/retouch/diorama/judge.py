"""The judge: a small network that says what a picture of the painted world shows, attribute by attribute."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from retouch.errors import BadModel

Pictures = Sequence[Image.Image] | NDArray[np.uint8] | Tensor


class _Block(nn.Module):
    """Half the side, then a residual convolution."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.halve = nn.Conv2d(channels_in, channels, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(channels // 8, channels)
        self.refine = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(channels // 8, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm1(self.halve(x)))
        return x + F.silu(self.norm2(self.refine(x)))


class JudgeNetwork(nn.Module):
    """Convolutions down to 4x4 cells, one hidden layer over all of them, one linear head per attribute.

    Args:
        values: the values of every attribute, in the order of the heads' outputs.
        channels: of the stem and of each halving after it.
        hidden: units of the hidden layer.
        side: pixels of the square pictures it takes.
    """

    def __init__(self, values: Mapping[str, Sequence[str]], channels: Sequence[int], hidden: int, side: int) -> None:
        super().__init__()
        self.values = {name: tuple(options) for name, options in values.items()}
        self.config: dict[str, Any] = {
            "values": {name: list(options) for name, options in values.items()},
            "channels": list(channels),
            "hidden": hidden,
            "side": side,
        }
        self.stem = nn.Conv2d(3, channels[0], 4, stride=2, padding=1)
        self.blocks = nn.Sequential(*(_Block(a, b) for a, b in pairwise(channels)))
        self.hidden = nn.Linear(channels[-1] * 16, hidden)
        self.heads = nn.Linear(hidden, sum(map(len, self.values.values())))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images [B, 3, side, side] in [-1, 1] to logits [B, values], one tensor per attribute."""
        x = self.blocks(F.silu(self.stem(images)))
        x = F.silu(self.hidden(F.adaptive_avg_pool2d(x, 4).flatten(1)))
        return self.heads(x).split([len(options) for options in self.values.values()], dim=1)

    def save(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        """Writes ``config.json`` and ``model.safetensors``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config, indent=2) + "\n", encoding="utf-8")
        tensors = {name: tensor.to(dtype).contiguous() for name, tensor in self.state_dict().items()}
        save_file(tensors, folder / "model.safetensors")


class Judge:
    """The trained network as a judge of pictures of any size."""

    def __init__(self, network: JudgeNetwork) -> None:
        self.network = network.eval().requires_grad_(False)

    @cached_property
    def values(self) -> dict[str, tuple[str, ...]]:
        """Every attribute's possible values, "none" among them where a picture can be without it."""
        return self.network.values

    def look(self, pictures: Pictures) -> list[dict[str, str]]:
        """What each picture shows: every attribute's likeliest value.

        Args:
            pictures: PIL images, or uint8 [B, H, W, 3]; anything but 128x128 is resized.
        """
        return [
            {name: max(chances, key=chances.__getitem__) for name, chances in picture.items()}
            for picture in self.probabilities(pictures)
        ]

    def probabilities(self, pictures: Pictures) -> list[dict[str, dict[str, float]]]:
        """As :meth:`look`, with the probability (0..1) of every value of every attribute."""
        side, where = self.network.config["side"], self.network.stem.weight.device
        images = torch.stack([_image(picture, side) for picture in pictures]).to(where)
        with torch.no_grad():
            parts = [self.network(some) for some in images.split(64)]
        # one [B, values] per attribute
        chances = [torch.cat(part).softmax(1).tolist() for part in zip(*parts, strict=True)]
        return [
            {
                name: dict(zip(options, rows[i], strict=True))
                for (name, options), rows in zip(self.values.items(), chances, strict=True)
            }
            for i in range(len(images))
        ]


def _image(picture: Image.Image | NDArray[np.uint8] | Tensor, side: int) -> Tensor:
    if not isinstance(picture, Image.Image):
        picture = Image.fromarray(np.asarray(picture, np.uint8))
    if picture.size != (side, side):
        picture = picture.resize((side, side), Image.Resampling.BICUBIC)
    array = np.array(picture.convert("RGB"))
    return torch.from_numpy(array).permute(2, 0, 1).float() / 127.5 - 1


def load_judge(folder: Path | None = None) -> Judge:
    """The judge that comes with Diorama, or the one in ``folder``, computing in float32.

    Raises:
        BadModel: if there is none.
    """
    place = folder or Path(str(files("retouch.diorama"))) / "weights" / "judge"
    try:
        config = json.loads((place / "config.json").read_text(encoding="utf-8"))
        tensors = load_file(place / "model.safetensors")
    except FileNotFoundError as error:
        raise BadModel(f"{place} holds no judge: config.json and model.safetensors are expected there.") from error
    network = JudgeNetwork(**config)
    network.load_state_dict(tensors)
    return Judge(network.float())
