"""What fits cost: seconds per optimiser step against the bare forward and backward pass, whole fits, E4C's memory.

Bare is the same network on the same batch with a backward pass to the same variables and nothing around it, alternating
with the fit's own steps, so that both see the same machine. Whole fits are with the settings that the model
recommends. Memory is what one iteration of E4C keeps for its backward pass, counted as it is saved.
"""

import argparse
import json
import platform
import statistics
import time
from datetime import date
from pathlib import Path

import torch

from retouch.diorama.captions import scene_for
from retouch.diorama.painter import paint
from retouch.editor import Editor
from retouch.fit.objective import Noising, denoising_loss
from retouch.fit.weights import copied_weights, low_rank_adapters
from retouch.fit.work import Work
from retouch.methods.e4c import E4C
from retouch.parts.job import Job
from retouch.picture import to_array

SOURCE, TARGET = "a red cat sitting on a beach", "a red cat jumping in the snow"


def step_seconds(model, latents, what: str, batch_size: int, rounds: int, chunk: int = 4) -> dict:
    """Times steps of one kind of fit, and the bare passes, by turns."""
    condition = model.condition([TARGET])
    text = condition.embeds.requires_grad_(what == "embedding")
    rank = int(what.partition(" ")[2] or 0)
    chosen = low_rank_adapters(model.unet, rank) if rank else copied_weights(model.unet, lambda name: what == "network")
    with chosen as weights:
        variables = {"text": text} if what == "embedding" else weights
        work, noising = Work(), Noising.draw(model, latents, batch_size, 0, 0, 0)

        def bare() -> float:
            began = time.perf_counter()
            for _ in range(chunk):
                out = model.unet(
                    noising.noise, noising.timesteps.to(latents.device),
                    encoder_hidden_states=text.expand(batch_size, -1, -1), return_dict=False,
                )[0]  # fmt: skip
                out.square().mean().backward()
                for variable in variables.values():
                    variable.grad = None
            _wait(latents)
            return (time.perf_counter() - began) / chunk

        def fit(number: int) -> float:
            began = time.perf_counter()
            work.optimise(
                f"round {number}", variables,
                lambda step: denoising_loss(
                    model, latents, condition, Noising.draw(model, latents, batch_size, 0, number, step)
                ),
                steps=chunk, learning_rate=1e-9,
            )  # fmt: skip
            _wait(latents)
            return (time.perf_counter() - began) / chunk

        fit(-1), bare()
        pairs = [(fit(number), bare()) for number in range(rounds)]
    ours, network = (statistics.median(values) for values in zip(*pairs, strict=True))
    return {
        "what": what, "batch_size": batch_size, "seconds": round(ours, 4), "bare_seconds": round(network, 4),
        "ratio": round(statistics.median(a / b for a, b in pairs), 2),
    }  # fmt: skip


def _wait(latents) -> None:
    if latents.is_cuda:
        torch.cuda.synchronize()


def whole_fit(editor, picture, name: str) -> dict:
    """One whole edit with the recommended settings."""
    began = time.perf_counter()
    result = editor.edit(picture, source=SOURCE, target=TARGET, method=name)
    seconds = time.perf_counter() - began
    steps = result.recipe.get("fit", {}).get("steps", {})
    return {"method": name, "seconds": round(seconds, 1), "evaluations": result.evaluations, "steps": steps}


def kept_bytes(model, latents, gateways: int, steps: int) -> int:
    """The bytes that one iteration of E4C saves for its backward pass, every storage once, weights left out."""
    method = E4C(mode="non-rigid", gateways=gateways, num_inference_steps=steps)
    job = Job(model, latents, TARGET, SOURCE, torch.Generator().manual_seed(0), lambda n: None)
    trajectory = method.inverted(job)
    with copied_weights(model.unet, method.guided_weights(job)):
        own = {parameter.untyped_storage().data_ptr() for parameter in model.unet.parameters()}
        seen: dict[int, int] = {}

        def pack(tensor):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                seen[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            out = method.denoised(job, trajectory, gateways=method.drawn(0, 0)).target
        del out
    return sum(seen.values())


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="diorama")
    parser.add_argument("--device", default=None)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/fitting.json"))
    options = parser.parse_args()
    editor = Editor.from_pretrained(options.model, device=options.device)
    model, picture = editor.model, paint(scene_for(SOURCE, 3))[0].resize((editor.model.native_side,) * 2)
    latents = model.encode(torch.from_numpy(to_array(picture))[None])
    figures: dict = {
        "date": str(date.today()), "model": options.model, "processor": platform.processor() or platform.machine(),
        "device": str(model.device), "threads": torch.get_num_threads(), "torch": torch.__version__,
    }  # fmt: skip
    figures["steps"] = [
        step_seconds(model, latents, what, options.batch_size, options.rounds)
        for what in ("embedding", "network", "adapters 8")
    ]
    figures["memory"] = [
        {"gateways": gateways, "steps": steps, "bytes": kept_bytes(model, latents, gateways, steps)}
        for gateways in (1, 2, 4) for steps in (10, 20, 50)
    ]  # fmt: skip
    figures["fits"] = [whole_fit(editor, picture, name) for name in ("imagic", "layer-diffusion", "e4c")]
    for table in ("steps", "memory", "fits"):
        for row in figures[table]:
            print("  ".join(f"{key} {value}" for key, value in row.items()))
    options.output.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
