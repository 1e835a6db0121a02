"""The figures of docs/errata.md, measured with Diorama and with the installed libraries; some minutes."""

import json
import platform
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler

from retouch.backbone.schedule import schedule_from_config
from retouch.backbone.shipped import tokenizers_of
from retouch.backbone.unet import UNetBackbone
from retouch.diorama.judge import load_judge
from retouch.diorama.pairs import asked_and_kept, edit_pairs
from retouch.editor import Editor
from retouch.inversion.null_text import null_text_inversion
from retouch.measures.pixels import psnr, ssim, ssim_map
from retouch.parts.inversions import ddim_inversion
from retouch.picture import to_array

BETAS = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False,
    "set_alpha_to_one": False, "steps_offset": 1,
}  # fmt: skip


def gaussian(z, t, alphas, kind, deviation):
    """What the ideal network predicts of latents that are normal with this deviation."""
    alpha = alphas[t]
    clean = deviation**2 * alpha.sqrt() / (deviation**2 * alpha + 1 - alpha) * z
    noise = (z - alpha.sqrt() * clean) / (1 - alpha).sqrt()
    return noise if kind == "epsilon" else alpha.sqrt() * noise - (1 - alpha).sqrt() * clean


class Ideal:
    """What our inversion asks of a model: one whose network is the ideal one for normal latents."""

    name, dtype, predict_noise = "ideal", torch.float64, UNetBackbone.predict_noise

    def __init__(self, kind, deviation):
        self.prediction_type, self.deviation = kind, deviation

    def schedule(self, steps):
        return schedule_from_config(BETAS, steps)

    def predict(self, z, t, condition):
        return gaussian(z, t, self.schedule(1).alphas_cumprod, self.prediction_type, self.deviation)


def round_trip(kind, deviation=0.5, steps=50):
    """Relative error of going up and down again: by diffusers' schedulers, and by our inversion and steps."""
    start = deviation * torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    down, up = (one(**BETAS, prediction_type=kind) for one in (DDIMScheduler, DDIMInverseScheduler))
    down.set_timesteps(steps), up.set_timesteps(steps)
    alphas, z = down.alphas_cumprod.double(), start
    for t in up.timesteps:
        z = up.step(gaussian(z, int(t), alphas, kind, deviation), int(t), z).prev_sample
    top = float(z.std())
    for t in down.timesteps:
        z = down.step(gaussian(z, int(t), alphas, kind, deviation), int(t), z).prev_sample
    theirs, model = float((z - start).norm() / start.norm()), Ideal(kind, deviation)
    schedule = model.schedule(steps)
    z = ddim_inversion(model, start, None, schedule)[-1]
    ours = float(z.std())
    for index in reversed(range(steps)):
        z = schedule.down(model.predict(z, schedule.timesteps[index], None), z, index, kind)
    return {"theirs": theirs, "ours": float((z - start).norm() / start.norm()), "top": top, "our_top": ours}


def off_the_grid(spacing, steps):
    """Of diffusers' timesteps, how many steps lead past the next timestep, and by how much at most."""
    scheduler = DDIMScheduler(**BETAS, timestep_spacing=spacing)
    scheduler.set_timesteps(steps)
    times = scheduler.timesteps.numpy()
    gaps = np.abs(times[:-1] - 1000 // steps - times[1:])
    return {"steps": int((gaps > 0).sum()), "of": steps - 1, "at_most": int(gaps.max())}


def named_l1(delta, limit):
    """What ProxNPI's code makes of Δ under the name "l1"."""
    kept = delta - delta.clamp(-limit, limit)
    kept = torch.where(kept > 0, kept - limit, kept)
    return torch.where(kept < 0, kept + limit, kept)


def l1_of_normals(quantile=0.7, count=1_000_000):
    """Of normal Δ, which shares the "l1" keeps, turns round and shrinks twice, and λ."""
    delta = torch.randn(count, generator=torch.Generator().manual_seed(0))
    limit = delta.abs().quantile(quantile)
    kept, twice = named_l1(delta, limit), delta.abs() > 2 * limit
    shares = {"kept": kept != 0, "turned_round": kept * delta < 0, "shrunk_twice": twice}
    return {**{name: float(share.float().mean()) for name, share in shares.items()}, "threshold": float(limit)}


def padding_that_takes_words(source, target):
    """Columns of the target's padding that take the maps of the source's words, when padding is paired by position."""
    tokenizer = tokenizers_of("sd1")["tokenizer"]
    words, others = (len(tokenizer(text)["input_ids"]) for text in (source, target))
    return {"source_tokens": words, "target_tokens": others, "columns": max(0, words - others)}


def chaos(model, pair, steps=20, inner_steps=10, nudge=1e-6):
    """How far null-text's and the inversion's end move when the picture's latents are nudged, and both ends' PSNR."""
    schedule, text = model.schedule(steps), model.condition([pair.source_prompt])
    latents = model.encode(torch.from_numpy(to_array(pair.picture))[None])
    noise = nudge * torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    ends, ups, truth = [], [], model.decode(latents)
    for start in (latents, latents + noise):
        up = ddim_inversion(model, start, text, schedule)
        found = null_text_inversion(
            model, up, text, model.condition([""]), schedule, guidance_scale=7.5, inner_steps=inner_steps
        )
        ends.append(found.path[0]), ups.append(up[-1])
    moved = {name: float((b - a).abs().max()) for name, (a, b) in (("null_text", ends), ("inversion", ups))}
    return {**moved, "psnr": [float(psnr(*(z / 2 + 0.5 for z in (model.decode(end), truth)))) for end in ends]}


def lower_timestep(editor, pair):
    """How far an inversion that asks the network at the lower timestep ends from one at the upper one, relative."""
    model = editor.model
    schedule, text = model.schedule(20), model.condition([pair.source_prompt])
    z = start = model.encode(torch.from_numpy(to_array(pair.picture))[None])
    end = ddim_inversion(model, start, text, schedule)[-1]
    with torch.no_grad():
        for index in range(20):
            z = schedule.step_up(z, model.predict_noise(z, schedule.timesteps[index - 1] if index else 0, text), index)
    return float((z - end).norm() / end.norm())


def borders(count=10):
    """SSIM over mirrored borders, as torchmetrics 1.9 has it, less that of the windows that lie inside."""
    gaps = []
    for pair in edit_pairs("colour", count, 500):
        one, other = (torch.from_numpy(to_array(image))[None] / 2 + 0.5 for image in (pair.picture, pair.truth))
        gaps.append(float(ssim(one, other) - ssim_map(one, other)[..., 5:-5, 5:-5].mean()))
    return {"mean": sum(gaps) / count, "most": max(gaps)}


def places(editor, quantile, count=20):
    """Changes of place that come about with ProxNPI at a quantile of the target's own difference."""
    judge, done = load_judge(), 0
    for pair in edit_pairs("place", count, 500):
        image = editor.edit(
            pair.picture, source=pair.source_prompt, target=pair.target_prompt, method="prox-npi", quantile=quantile,
            inversion_guidance=0.0, keep="off",
        ).image  # fmt: skip
        asked, _ = asked_and_kept(pair)
        (seen,) = judge.look([image])
        done += all(seen[name] == getattr(pair.target, name) for name in asked)
    return done


def main() -> None:
    """Measures and keeps."""
    editor = Editor.from_pretrained("diorama")
    pair = next(iter(edit_pairs("colour", 1, 500)))
    found = {
        "date": time.strftime("%Y-%m-%d"), "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__, "places": {str(q): places(editor, q) for q in (0.7, 0.4)},
        "round_trip": {
            str(deviation): {kind: round_trip(kind, deviation) for kind in ("epsilon", "v_prediction")}
            for deviation in (0.5, 1.0)
        },
        "off_the_grid": {
            spacing: {str(steps): off_the_grid(spacing, steps) for steps in (10, 20, 30, 50)}
            for spacing in ("linspace", "trailing", "leading")
        },
        "l1": l1_of_normals(),
        "padding": padding_that_takes_words("a cat with a red hat on its head", "a cat"),
        "chaos": chaos(editor.model, pair), "lower_timestep": lower_timestep(editor, pair), "ssim_borders": borders(),
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    Path("benchmarks/errata.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
