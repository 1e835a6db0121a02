"""The network's attention layers and residual blocks by place, level and resolution, never by index."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import nn

Place = Literal["down", "mid", "up"]
Kind = Literal["self", "cross"]


@dataclass(frozen=True)
class AttentionLayer:
    """One attention layer.

    ``level`` 0 is the highest resolution; the map's side is the latent's divided by ``downsampling``. ``order``
    counts the layers of the same kind in the order the network runs them; ``depth`` is the share of all attention
    layers, 0..1, that have run before it: a place in networks that know no levels. ``joint`` attention looks at the
    picture and at the text with one softmax: the module is two layers here, a "self" and a "cross" one, whose
    probabilities add up to one together.
    """

    name: str
    place: Place
    level: int
    kind: Kind
    order: int
    depth: float
    joint: bool = False

    @property
    def module(self) -> str:
        """The attention that it is a part of: some families put several transformer blocks into one."""
        return self.name.partition(".transformer_blocks.")[0]

    @property
    def downsampling(self) -> int:
        """How many times coarser than the latent the layer's map is."""
        return int(2**self.level)


@dataclass(frozen=True)
class ResidualBlock:
    """One residual block; ``index`` counts the blocks of its level in its place.

    ``inner`` is the module path whose output is the block's inner branch, before the shortcut is added.
    """

    name: str
    place: Place
    level: int
    index: int

    @property
    def inner(self) -> str:
        """The last convolution, to whose output the shortcut is added."""
        return f"{self.name}.conv2"


def _position(name: str, levels: int) -> tuple[Place, int]:
    if name.startswith("mid_block"):
        return "mid", levels - 1
    match = re.match(r"(down|up)_blocks\.(\d+)\.", name)
    assert match is not None
    block = int(match.group(2))
    return ("down", block) if match.group(1) == "down" else ("up", levels - 1 - block)


def _run_order(name: str) -> tuple[int, list[int]]:
    place = {"d": 0, "m": 1, "u": 2}[name[0]]
    return place, [int(number) for number in re.findall(r"\.(\d+)", name)]


def attention_layers(unet: nn.Module) -> tuple[AttentionLayer, ...]:
    """Every attention layer of a ``UNet2DConditionModel``, in the order it runs."""
    levels = len(list(unet.get_submodule("down_blocks").children()))
    modules: dict[str, Any] = {name: one for name, one in unet.named_modules() if _is_attention(name, one)}
    count: dict[Kind, int] = {"self": 0, "cross": 0}
    found = []
    for number, name in enumerate(sorted(modules, key=lambda name: (*_run_order(name), name))):
        for kind in _kinds(modules[name]):
            place, level = _position(name, levels)
            depth, joint = number / len(modules), _is_joint(modules[name])
            found.append(AttentionLayer(name, place, level, kind, order=count[kind], depth=depth, joint=joint))
            count[kind] += 1
    return tuple(found)


def _is_attention(name: str, module: Any) -> bool:
    """In a transformer block, or joint attention by itself."""
    if re.search(r"\.\d+\.attn[12]$", name):
        return True
    return re.search(r"\.attentions\.\d+$", name) is not None and _is_joint(module)


def _is_joint(attention: Any) -> bool:
    """Whether keys of the text are added to the picture's, as in DeepFloyd IF's blocks."""
    return getattr(attention, "add_k_proj", None) is not None


def _kinds(attention: Any) -> tuple[Kind, ...]:
    if _is_joint(attention):
        return ("cross",) if attention.only_cross_attention else ("self", "cross")
    # the module knows: with ``only_cross_attention`` the first attention of a block reads the prompt, too
    return ("cross",) if attention.is_cross_attention else ("self",)


def residual_blocks(unet: nn.Module) -> tuple[ResidualBlock, ...]:
    """Every residual block of a ``UNet2DConditionModel`` in the order it runs."""
    levels = len(list(unet.get_submodule("down_blocks").children()))
    names = [name for name, _ in unet.named_modules() if re.search(r"_blocks?\.(\d+\.)?resnets\.\d+$", name)]
    blocks = []
    for name in sorted(names, key=_run_order):
        blocks.append(ResidualBlock(name, *_position(name, levels), index=int(name.rsplit(".", 1)[1])))
    return tuple(blocks)
