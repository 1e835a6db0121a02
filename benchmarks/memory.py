"""Peak memory of Guide-and-Rescale's guided step on a network of Stable Diffusion 1.x's size, without a GPU.

The network is built and run on fake tensors, which have shapes and types but no values, so the bytes are those that a
GPU would hold in half precision: weights, activations, gradients, everything alive at once.
"""

import argparse
import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import torch
from diffusers import UNet2DConditionModel
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from retouch.backbone.condition import Condition
from retouch.backbone.schedule import schedule_from_config
from retouch.backbone.sd import StableDiffusion
from retouch.guidance.classifier_free import ClassifierFree
from retouch.guidance.guiders import Guiders
from retouch.guidance.stack import Stack
from retouch.parts.attach import attached
from retouch.parts.job import Job
from retouch.parts.rows import INVERTED, TARGET, TARGET_BRANCH, TARGET_NULL, Step
from retouch.parts.trajectory import Texts, Trajectory

SCHEDULER = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False,
    "set_alpha_to_one": False, "steps_offset": 1,
}  # fmt: skip


class Tracker(TorchDispatchMode):
    """The bytes of all storages that operators returned and that are still alive, at their most."""

    def __init__(self):
        super().__init__()
        self.alive, self.peak = {}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                known = self.alive.get(storage._cdata)
                if known is None or known[0].expired():
                    self.alive[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self.alive = {key: found for key, found in self.alive.items() if not found[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.alive.values()))
        return out


def peak(side: int, preset: str, checkpointing: bool) -> dict:
    """Bytes at the peak of one guided step at ``side``² pixels, and of the weights."""
    schedule = schedule_from_config(SCHEDULER, 2)  # real numbers
    with FakeTensorMode(allow_non_fake_inputs=True):
        torch.set_default_dtype(torch.float16)
        unet = UNet2DConditionModel(cross_attention_dim=768, sample_size=64, attention_head_dim=8)
        torch.set_default_dtype(torch.float32)
        rest = SimpleNamespace(eval=lambda: rest, requires_grad_=lambda wanted: rest)  # no part of the step
        model = StableDiffusion(
            "sd1", unet=unet, vae=rest, text_encoder=rest, tokenizer=None, schedule_config=SCHEDULER,
            device=torch.device("cpu"),
        )  # fmt: skip
        text = Condition(torch.empty(1, 77, 768))
        latents = torch.empty(1, 4, side // 8, side // 8)
        trajectory = Trajectory(
            schedule, [latents] * 3, Texts({"source": text, "target": text, "null": text, "source_null": text})
        )
        style = preset == "style"
        energies = Guiders(preset=preset, guided_share=1.0, gradient_checkpointing=checkpointing)
        energies.base = ClassifierFree(7.5)
        guidance = Stack(energies.base, [energies])
        guidance.begin(Job(model, latents, "", "", None, None), trajectory)
        step = Step(1, 0, 2, schedule)
        step.rows = rows = guidance.rows(TARGET_BRANCH, step)
        assert INVERTED in rows and TARGET_NULL in rows and (style or TARGET in rows)
        tracker = Tracker()
        with tracker, attached(model, guidance.edits(model), guidance.block_edits(model)) as now:
            now.step = step
            with torch.no_grad():
                model.predict_noise(latents.expand(len(rows), -1, -1, -1), 500, trajectory.texts.batch(rows, 1))
            energies._gradient(latents, step)
        weights = sum(parameter.numel() * parameter.element_size() for parameter in unet.parameters())
        return {"total": weights + tracker.peak, "weights": weights}


def main() -> None:
    """Measures with and without checkpointing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/memory.json"))
    options = parser.parse_args()
    rows = []
    for preset in ("layout", "style"):
        for checkpointing in (False, True):
            row = {"preset": preset, "checkpointing": checkpointing, **peak(options.side, preset, checkpointing)}
            rows.append(row)
            print(
                f"{preset:8} checkpointing {checkpointing!s:6} peak {row['total'] / 2**30:.2f} GiB, "
                f"of which weights {row['weights'] / 2**30:.2f} GiB",
                flush=True,
            )
    figures = {"date": str(date.today()), "torch": torch.__version__, "side": options.side, "rows": rows}
    options.output.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
