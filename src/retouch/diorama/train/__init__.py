"""Training Diorama from nothing but the painter, stage by stage: what runs when, and from which recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from retouch.errors import BadParameter

STAGES = (
    "tokenizer",
    "pool",
    "vae",
    "decoder",
    "clip",
    "vision",
    "latents",
    "captions",
    "judge",
    "segmenter",
    "unet",
    "assemble",
    "pieces",
    "t5",
    "base",
    "super_resolution",
    "cascade",
)
"""In the order of a whole training. "decoder" and "vision" are extras for any time after "vae" and "clip": they improve
what decodes and what sees, and leave the latents and the text embeddings, on which the U-Net rests, as they are.
Those from "pieces" on make the pixel cascade, which shares the pool and nothing else."""

NEEDS: dict[str, tuple[str, ...]] = {
    "tokenizer": (),
    "pool": (),
    "vae": ("pool",),
    "decoder": ("pool", "vae"),
    "clip": ("pool", "tokenizer"),
    "vision": ("pool", "tokenizer", "clip"),
    "latents": ("pool", "vae"),
    "captions": ("pool", "tokenizer", "clip"),
    "judge": ("pool",),
    "segmenter": ("pool",),
    "unet": ("pool", "tokenizer", "vae", "clip", "latents", "captions"),
    "assemble": ("tokenizer", "vae", "clip", "judge", "segmenter", "unet"),
    "pieces": (),
    "t5": ("pieces",),
    "base": ("pool", "t5"),
    "super_resolution": ("pool", "t5"),
    "cascade": ("pieces", "t5", "base", "super_resolution"),
}
"""What a stage reads of other stages: each leaves its work in a folder of its own name."""


def run(
    stage: str,
    recipe: str = "cpu",
    folder: Path = Path("runs/diorama"),
    steps: int | None = None,
    threads: int | None = None,
    report: Callable[[str], None] | None = None,
) -> Path:
    """Runs one stage, after whatever it needs that is missing, and returns the folder it made.

    A stage that was interrupted goes on from its last checkpoint and ends with the weights an undisturbed run gives.

    Args:
        stage: one of :data:`STAGES`, or "all" for all that "assemble" needs; "cascade" makes the pixel cascade.
        recipe: a table of ``recipes.toml``: "cpu", "gpu", or "tiny" for trying the code out.
        folder: where everything goes: the painted pictures, checkpoints, and the finished parts, one folder each.
        steps: instead of the recipe's number; may be changed between runs until the learning rate decays.
        threads: of PyTorch; None leaves its default.
        report: receives the progress lines; None prints them.

    Raises:
        BadParameter: for an unknown stage or recipe, or a checkpoint made with another recipe.
    """
    if stage == "all":
        stage = "assemble"  # which needs all others
    if stage not in STAGES:
        raise BadParameter(f"there is no stage {stage!r}, expected one of {', '.join(STAGES)}, or all.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _arithmetic(threads):
        return _made(stage, recipe, folder, steps, report or _print)


def _made(stage: str, recipe: str, folder: Path, steps: int | None, tell: Callable[[str], None]) -> Path:
    from retouch.diorama.train import assemble, clip, judge, latents, pool, segmenter, tokenizer, unet, vae
    from retouch.diorama.train.pixels import assemble as cascade
    from retouch.diorama.train.pixels import base, super_resolution, t5

    for needed in NEEDS[stage]:
        if not (folder / needed).exists():
            tell(f"{stage} needs {needed}")
            _made(needed, recipe, folder, None, tell)
    match stage:
        case "tokenizer":
            return tokenizer.make(recipe, folder, tell)
        case "pool":
            return pool.make(recipe, folder, tell)
        case "vae":
            return vae.train(recipe, folder, steps, tell)
        case "decoder":
            return vae.train(recipe, folder, steps, tell, decoder_only=True)
        case "clip":
            return clip.train(recipe, folder, steps, tell)
        case "vision":
            return clip.train(recipe, folder, steps, tell, vision_only=True)
        case "latents":
            return latents.make(recipe, folder, tell)
        case "captions":
            return latents.make_captions(folder, tell)
        case "judge":
            return judge.train(recipe, folder, steps, tell)
        case "segmenter":
            return segmenter.train(recipe, folder, steps, tell)
        case "unet":
            return unet.train(recipe, folder, steps, tell)
        case "pieces":
            return t5.make_tokenizer(folder, tell)
        case "t5":
            return t5.train(recipe, folder, steps, tell)
        case "base":
            return base.train(recipe, folder, steps, tell)
        case "super_resolution":
            return super_resolution.train(recipe, folder, steps, tell)
        case "cascade":
            return cascade.make(folder, tell)
        case _:
            return assemble.make(folder, tell)


@contextmanager
def _arithmetic(threads: int | None) -> Iterator[None]:
    """Small numbers flushed to zero, and PyTorch's threads, for as long as a stage runs: both belong to the process."""
    import torch

    threads_before, flushed_before = torch.get_num_threads(), float(torch.tensor(1e-310, dtype=torch.float64) / 2) == 0
    if threads is not None:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # the vanishing gradients of a young network would otherwise cost seconds
    try:
        yield
    finally:
        torch.set_flush_denormal(flushed_before)
        torch.set_num_threads(threads_before)


def _print(line: str) -> None:
    print(line, flush=True)
