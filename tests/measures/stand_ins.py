"""Pictures to measure, and small random networks in the places of those that cannot be had offline."""

import sys
import types

import torch
from torch import nn


def pictures(count, height, width, seed=0):
    """[count, 3, height, width] of noise in 0..1, as 8 bits hold it."""
    values = torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(seed))
    return values.float() / 255


def near(images, amount=0.1, seed=1):
    """The pictures with noise added, as 8 bits hold them."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return ((images + amount * noise).clamp(0, 1) * 255).round() / 255


def disks(count, height, width, radius=9):
    """Masks [count, 1, height, width]: a disk each, further right in each."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([((y - 20) ** 2 + (x - 16 - 4 * i) ** 2 < radius**2).float()[None] for i in range(count)])


def random_vit(folder):
    """A vision transformer of DINO's make, 32 pixels in patches of 8, with random weights, in a folder."""
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=24, num_hidden_layers=3, num_attention_heads=3, intermediate_size=48, image_size=32, patch_size=8,
        initializer_range=0.3,
    )  # fmt: skip
    ViTModel(config).save_pretrained(folder)
    return str(folder)


ALEXNET = [  # torchvision's alexnet().features
    ("conv", 3, 64, 11, 4, 2), "relu", "pool",
    ("conv", 64, 192, 5, 1, 2), "relu", "pool",
    ("conv", 192, 384, 3, 1, 1), "relu",
    ("conv", 384, 256, 3, 1, 1), "relu",
    ("conv", 256, 256, 3, 1, 1), "relu", "pool",
]  # fmt: skip


class Fire(nn.Module):
    """SqueezeNet's block: narrow, then wide."""

    def __init__(self, inner, middle, outer):
        super().__init__()
        self.squeeze = nn.Conv2d(inner, middle, 1)
        self.wide = nn.ModuleList([nn.Conv2d(middle, outer, 1), nn.Conv2d(middle, outer, 3, padding=1)])

    def forward(self, x):
        x = self.squeeze(x).relu()
        return torch.cat([layer(x).relu() for layer in self.wide], 1)


def random_features(network):
    """The ``features`` of torchvision's networks, with random weights that are the same in every call."""
    torch.manual_seed(0)
    if network == "squeezenet1_1":
        return nn.Sequential(
            nn.Conv2d(3, 64, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(64, 16, 64), Fire(128, 16, 64),
            nn.MaxPool2d(3, 2, ceil_mode=True), Fire(128, 32, 128), Fire(256, 32, 128),
            nn.MaxPool2d(3, 2, ceil_mode=True), Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256),
            Fire(512, 64, 256),
        )  # fmt: skip
    if network == "alexnet":
        rows = ALEXNET
    else:
        rows, inner = [], 3
        for outer in (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512):
            rows += ["halve"] if outer == "M" else [("conv", inner, outer, 3, 1, 1), "relu"]
            inner = inner if outer == "M" else outer
    simple = {"relu": nn.ReLU, "pool": lambda: nn.MaxPool2d(3, 2), "halve": lambda: nn.MaxPool2d(2, 2)}
    return nn.Sequential(*(simple[row]() if isinstance(row, str) else nn.Conv2d(*row[1:]) for row in rows))


def random_torchvision(monkeypatch):
    """LPIPS' networks with random features; what weighs them is LPIPS' own, which torchmetrics ships."""
    import torchmetrics.functional.image.lpips
    import torchmetrics.image.lpip

    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setattr(torchmetrics.image.lpip, "_TORCHVISION_AVAILABLE", True)
    monkeypatch.setattr(
        torchmetrics.functional.image.lpips, "_get_tv_model_features", lambda network, _: random_features(network)
    )


def without(monkeypatch, *packages):
    """As if these packages were not installed."""
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)
