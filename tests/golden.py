"""Golden trajectories of the embedded model: `python -m tests.golden` writes them anew after the weights changed."""

import json
from pathlib import Path

import torch

from retouch.backbone.load import load
from retouch.diorama.captions import scene_for
from retouch.diorama.painter import paint_array
from retouch.methods.registry import method_named, methods
from retouch.parts.inversions import ddim_inversion
from retouch.parts.job import Job
from tests.small import quick_fit

FILE = Path(__file__).parent / "golden.json"
CHAOTIC = ("null-text", "guide-and-rescale")
"""Methods whose end depends on the last bit of their start: the authors' code parts from itself by 0.17 when the start
moves by 1e-6. What is written down of them is what every processor agrees on."""
SOURCE, TARGET, STEPS = "a red cat sitting on a beach", "a blue cat sitting on a beach", 6


def summary(latents):
    """A few numbers that any change of the latents would move."""
    values = latents.flatten()
    return [round(float(v), 5) for v in (values.mean(), values.std(), *values[:: max(1, values.numel() // 6)][:6])]


def stable(model, latents, start):
    """Of a chaotic method's end: its mean and spread, and how near its picture is to the input's (PSNR, dB)."""
    one, other = (model.decode(z) for z in (latents, start))
    psnr = float(10 * torch.log10(4 / (one - other).square().mean()))
    return [round(float(value), 3) for value in (latents.mean(), latents.std())] + [round(psnr, 2)]


def trajectories():
    """The inversion step by step, and every method's result."""
    model = load("diorama")
    picture = torch.from_numpy(paint_array(scene_for(SOURCE, 3))[0]).permute(2, 0, 1)[None].float() / 127.5 - 1
    z = model.encode(picture)
    up = ddim_inversion(model, z, model.condition([SOURCE]), model.schedule(STEPS))
    golden = {"fingerprint": model.fingerprint, "inversion": [summary(latents) for latents in up]}
    golden |= {"methods": {}, "chaotic": {}}
    for name in methods():
        method = method_named(name, {"num_inference_steps": STEPS, **quick_fit(name)})
        job = Job(model, z, TARGET, SOURCE, torch.Generator().manual_seed(0), lambda steps: None)
        end = method.edit(job).target
        if name in CHAOTIC:
            golden["chaotic"][name] = stable(model, end, z)
        else:
            golden["methods"][name] = summary(end)
    return golden


if __name__ == "__main__":
    FILE.write_text(json.dumps(trajectories(), indent=1) + "\n")
