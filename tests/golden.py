"""Golden trajectories of the embedded model: `python -m tests.golden` writes them anew after the weights changed."""

import json
from pathlib import Path

import torch

from retouch.backbone.load import load
from retouch.diorama.captions import scene_for
from retouch.diorama.painter import paint_array
from retouch.inversion.ddim import ddim_inversion
from retouch.methods.method import Job
from retouch.methods.registry import method_named, methods
from tests.small import quick_fit

FILE = Path(__file__).parent / "golden.json"
SOURCE, TARGET, STEPS = "a red cat sitting on a beach", "a blue cat sitting on a beach", 6


def summary(latents):
    """A few numbers that any change of the latents would move."""
    values = latents.flatten()
    return [round(float(v), 5) for v in (values.mean(), values.std(), *values[:: max(1, values.numel() // 6)][:6])]


def trajectories():
    """The inversion step by step, and every method's result."""
    model = load("diorama")
    picture = torch.from_numpy(paint_array(scene_for(SOURCE, 3))[0]).permute(2, 0, 1)[None].float() / 127.5 - 1
    z = model.encode(picture)
    up = ddim_inversion(model, z, model.embed([SOURCE]), model.schedule(STEPS))
    golden = {"fingerprint": model.fingerprint, "inversion": [summary(latents) for latents in up], "methods": {}}
    for name in methods():
        method = method_named(name, {"num_inference_steps": STEPS, **quick_fit(name)})
        job = Job(model, z, TARGET, SOURCE, torch.Generator().manual_seed(0), lambda steps: None)
        golden["methods"][name] = summary(method.edit(job).target)
    return golden


if __name__ == "__main__":
    FILE.write_text(json.dumps(trajectories(), indent=1) + "\n")
