"""Many samples from one fit: a contact sheet of η × seeds, and the curve of likeness against the text."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from statistics import mean
from typing import Any

from PIL import Image

from retouch import notebook
from retouch.editor import Editor, EditResult
from retouch.errors import BadParameter
from retouch.explore.clip_score import ClipScorer
from retouch.explore.preservation import ssim
from retouch.fit.fitted import Fit
from retouch.idle import refuse_twice
from retouch.picture import Picture, from_image, read_picture
from retouch.sheet import contact_sheet, labelled, sheet_size, tile_size

_ETAS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_BAND = (0.6, 0.8)  # Imagic, figure 9
_SIDE, _LINES = 160, 3  # of a tile in the sheet


@dataclass(frozen=True)
class Sample:
    """One sample, with its CLIP score (cosine × 100, None without a CLIP model) and SSIM against the input.

    Attributes:
        name: fit for a file, and no other sample's of the sweep; see :func:`names_of`.
    """

    name: str
    result: EditResult
    seed: int
    eta: float | None
    clip_score: float | None
    ssim: float

    def figures(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"eta": self.eta, "seed": self.seed, "clip_score": self.clip_score, "ssim": self.ssim}


@dataclass(frozen=True)
class Sweep:
    """All samples, row by row: a row per η, a column per seed."""

    picture: Image.Image
    target: str
    samples: Sequence[Sample]
    columns: int

    @property
    def best(self) -> Sample:
        """The sample with the highest CLIP score; the first without a CLIP model."""
        return max(self.samples, key=lambda sample: sample.clip_score or 0.0)

    def sheet(self, side: int = _SIDE) -> Image.Image:
        """The input at the head of every row, and the samples.

        Args:
            side: of a tile in pixels.
        """
        rows = []
        for first in range(0, len(self.samples), self.columns):
            row = self.samples[first : first + self.columns]
            tiles = [labelled(self.picture, f"input\n{self.target}", side, _LINES)]
            for sample in row:
                score = "" if sample.clip_score is None else f"CLIP {sample.clip_score:.1f}, "
                best = "best\n" if sample is self.best and sample.clip_score is not None else ""
                measured = f"{sample.name}\n{score}SSIM {sample.ssim:.2f}\n{best}"
                tiles.append(labelled(sample.result.image, measured, side, _LINES))
            rows.append(tiles)
        return contact_sheet(rows)

    def recipe(self) -> dict[str, Any]:
        """What the sheet's file says: every sample's recipe."""
        return {"sweep": [sample.result.recipe for sample in self.samples]}

    def _repr_html_(self) -> str:
        """For a notebook: the sheet, its table and the recipes."""
        return notebook.block(
            notebook.picture(self.sheet(), f"contact sheet of {len(self.samples)} samples", "max-width:100%;"),
            notebook.table([{"name": sample.name, **sample.figures()} for sample in self.samples]),
            notebook.folded("recipes", self.recipe()),
        )  # fmt: skip

    def _repr_png_(self) -> bytes:
        """For a notebook that shows no HTML."""
        return notebook.png(self.sheet())

    def balance(self) -> float:
        """The η at which score and likeness, each scaled to 0..1 over the sweep, add up to most."""
        etas, scores, likeness = self.by_eta()

        def scaled(values: Sequence[float]) -> list[float]:
            low, high = min(values), max(values)
            return [(value - low) / (high - low or 1.0) for value in values]

        sums = [a + b for a, b in zip(scaled(scores), scaled(likeness), strict=True)]
        return etas[sums.index(max(sums))]

    def by_eta(self) -> tuple[list[float], list[float], list[float]]:
        """The values of η, ascending, with the mean CLIP score and the mean SSIM at each."""
        etas = sorted({sample.eta for sample in self.samples if sample.eta is not None})
        groups = [[sample for sample in self.samples if sample.eta == eta] for eta in etas]
        return (
            etas,
            [mean(sample.clip_score or 0.0 for sample in group) for group in groups],
            [mean(sample.ssim for sample in group) for group in groups],
        )

    def curve(self) -> Image.Image:
        """CLIP score and SSIM against η, with the paper's band and the balance of this picture."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        etas, scores, likeness = self.by_eta()
        figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
        left = figure.subplots()
        right = left.twinx()
        left.axvspan(*_BAND, color="#e8e8e8", label="the paper's band")
        left.axvline(self.balance(), color="#888888", linestyle=":", label=f"balance, η = {self.balance():.2f}")
        left.plot(etas, scores, "o-", color="#1f77b4", label="CLIP score (the text)")
        right.plot(etas, likeness, "s--", color="#d62728", label="SSIM (the picture)")
        left.set(xlabel="η", ylabel="CLIP score", title=self.target)
        right.set_ylabel("SSIM against the input")
        lines = [*left.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
        figure.legend(handles=lines, fontsize=7, loc="outside lower center", ncols=2)
        drawn = io.BytesIO()
        FigureCanvasAgg(figure).print_png(drawn)
        return Image.open(drawn).convert("RGB")


def size_of_sheet(etas: Sequence[float] | None, seeds: Sequence[int], side: int = _SIDE) -> tuple[int, int]:
    """Of :meth:`Sweep.sheet` (width, height)."""
    return sheet_size(1 if etas is None else len(etas), len(seeds) + 1, tile_size(side, _LINES))


def names_of(etas: Sequence[float] | None, seeds: Sequence[int]) -> list[str]:
    """What the samples of a sweep are called, in their order: different values of η have different names.

    >>> names_of([0.5, 0.75], [2])
    ['eta 0.50 seed 2', 'eta 0.75 seed 2']
    >>> names_of([0.7001, 0.7], [2])
    ['eta 0.7001 seed 2', 'eta 0.7000 seed 2']
    """
    if etas is None:
        return [f"seed {seed}" for seed in seeds]
    enough = (digits for digits in range(2, 18) if len({f"{eta:.{digits}f}" for eta in etas}) == len({*etas}))
    digits = next(enough, None)
    shown = [repr(float(eta)) if digits is None else f"{eta:.{digits}f}" for eta in etas]
    return [f"eta {eta} seed {seed}" for eta in shown for seed in seeds]


def run_sweep(
    editor: Editor,
    image: str | PathLike[str] | Image.Image | Picture,
    fit: Fit,
    *,
    etas: Sequence[float] | None,
    seeds: Sequence[int],
    negative_prompt: str | None = None,
    mask: Image.Image | Picture | None = None,
    keep: str = "auto",
    strength: float | None = None,
    size: int | None = None,
    scorer: ClipScorer | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Samples every η with every seed and measures the samples; what is given twice is sampled once.

    The arguments, and the errors, are those of :meth:`Editor.variations`, and:

    Args:
        editor: holds the model.
        image, fit: the picture, and what was fitted to it.
        etas, seeds: the grid; etas are None for a method that has none.
        negative_prompt, mask, keep, strength, size, settings: as for :meth:`retouch.editor.Editor.variations`.
        progress: called with (steps done, all steps).
        scorer: the CLIP model that scores; None leaves the score out.
    """
    if not isinstance(image, Picture):
        image = from_image(image) if isinstance(image, Image.Image) else read_picture(image)
    if etas is not None:
        refuse_twice(settings or {}, "eta", "etas")
    etas, seeds = None if etas is None else list(dict.fromkeys(etas)), list(dict.fromkeys(seeds))
    results = editor.variations(
        image, fit, seeds=seeds, etas=etas, negative_prompt=negative_prompt, mask=mask, keep=keep, strength=strength,
        size=size, progress=progress, **dict(settings or {}),
    )  # fmt: skip
    target = str(fit.recipe["target"])
    samples = [
        Sample(
            name, result, result.recipe["seed"], None if etas is None else etas[number // len(seeds)],
            None if scorer is None else scorer.score(result.image, target), ssim(image.image, result.image),
        )
        for number, (name, result) in enumerate(zip(names_of(etas, seeds), results, strict=True))
    ]  # fmt: skip
    return Sweep(image.image, target, samples, len(seeds))


def read_etas(text: str, method: type[Any]) -> list[float] | None:
    """The values that ``"0.5,0.7"`` or ``"0:1:6"`` (from, to, how many) names, each once; without text a wide choice.

    Returns:
        None for a method that has no η.

    Raises:
        BadParameter: when the text is neither, a value is not in 0..1, or the method has no η.
    """
    if "eta" not in getattr(method, "sampling", ()):
        if text:
            raise BadParameter(f"--etas is {text!r}, and {method.name} has no η: leave it out.")
        return None
    if not text:
        return list(_ETAS)
    try:
        if ":" in text:
            low, high, count = text.split(":")
            number = int(count)
            span = float(high) - float(low)
            values = [round(float(low) + span * i / max(1, number - 1), 12) for i in range(number)]  # 0.3, not 0.3 + ε
        else:
            values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or not all(0 <= value <= 1 for value in values):
        raise BadParameter(f"--etas is {text!r}, expected numbers in 0..1 as 0.5,0.7,0.9 or FROM:TO:COUNT.")
    return list(dict.fromkeys(value + 0.0 for value in values))  # -0 is 0
