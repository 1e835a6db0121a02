"""The embedded model and freshly painted pictures, shared by the method tests."""

import pytest
import torch

from retouch.backbone.load import load
from retouch.diorama.captions import scene_for
from retouch.diorama.painter import paint_array
from retouch.methods.registry import method_named
from retouch.parts.job import Job


class Bench:
    """The embedded model with pictures to edit."""

    def __init__(self):
        self.model = load("diorama")

    def latents(self, caption, seed=3):
        picture, _ = paint_array(scene_for(caption, seed))
        x = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
        return self.model.encode(x)

    def run(self, name, source, target, latents, seed=0, steps=None, mask=None, parts=None, **settings):
        method = method_named(name, settings, **(parts or {}))
        generator = torch.Generator().manual_seed(seed)
        return method.edit(Job(self.model, latents, target, source, generator, steps or (lambda n: None), mask))


@pytest.fixture(scope="session")
def bench():
    return Bench()


PROMPTS = {
    "replace": ("a red cat sitting on a beach", "a blue cat sitting on a beach"),
    "refine": ("a photo of a yellow house in the snow", "a photo of a yellow house in a dark forest"),
}
"""One pair of prompts of equal length and one that needs refinement."""


@pytest.fixture(scope="module")
def case(bench):
    """(latents, source prompt, target prompt), the prompts of different length."""
    source, target = PROMPTS["refine"]
    return bench.latents(source), source, target


@pytest.fixture(scope="module", params=PROMPTS)
def each_case(request, bench):
    """The same for either pair: where it matters how words are aligned."""
    source, target = PROMPTS[request.param]
    return bench.latents(source), source, target
