"""A study's results drawn: preference rates as Imagic's figure 8, ratings as LayerDiffusion's figure 7."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from retouch.study.questions import ASPECTS, BadStudy
from retouch.study.results import Preference, Rating, Verdict

_OURS, _THEIRS, _INK = "#86b6e0", "#e3e3e3", "#1b1b1b"
_ROW = 0.42  # inches, of a bar


def drawn(verdict: Verdict) -> Image.Image:
    """Bars with 95 % intervals for the pairs that have answers, and a histogram for each method and aspect.

    Raises:
        BadStudy: when no answer counts.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pairs = [one for one in verdict.said.preferences if one.n]
    rated = [one for one in verdict.said.ratings if one.n]
    sure = verdict.without_flagged
    if not pairs and not rated:
        raise BadStudy("there is nothing to draw: no answer counts yet.")
    methods = list(dict.fromkeys(one.method for one in rated))
    heights = [
        *([0.9 + _ROW * len(pairs)] if pairs else []),
        *([0.9 + 1.25 * len(methods)] if methods else []),
    ]
    figure = Figure(figsize=(7.5, sum(heights)), dpi=140, layout="constrained")
    parts = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    if pairs:
        _draw_preferences(parts.pop(0).subplots(), pairs, sure.preferences if sure else ())
    if methods:
        _draw_ratings(parts.pop(0), methods, rated)
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)
    return Image.open(file).convert("RGB")


def _draw_preferences(axes: Any, pairs: Sequence[Preference], sure: Sequence[Preference] = ()) -> None:
    """Args: ``sure``: the same without the flagged raters, where there are any."""
    places = range(len(pairs))
    rates = [100 * (one.rate or 0.0) for one in pairs]
    ends = [(100 * one.low, 100 * one.high) for one in pairs]
    reach = [
        [rate - low for rate, (low, _) in zip(rates, ends, strict=True)],
        [high - rate for rate, (_, high) in zip(rates, ends, strict=True)],
    ]
    axes.barh(places, [100.0] * len(pairs), color=_THEIRS, height=0.7)
    axes.barh(places, rates, color=_OURS, height=0.7)
    axes.errorbar(rates, places, xerr=reach, fmt="none", ecolor=_INK, elinewidth=1.4, capsize=4)
    axes.axvline(50, color=_INK, linewidth=0.8, linestyle=":")
    others = {(one.method, one.other): one.rate for one in sure}
    beside = [(i, others.get((one.method, one.other))) for i, one in enumerate(pairs)]
    marks = [(100 * rate, i) for i, rate in beside if rate is not None]
    axes.plot(*zip(*marks, strict=True) if marks else ((), ()), "D", color=_INK, markersize=6, fillstyle="none")
    # beside the bar: inside it the interval would cross the figure
    axes.set_yticks(places, [f"{one.method}  {rate:.0f} %" for one, rate in zip(pairs, rates, strict=True)])
    axes.invert_yaxis()
    other = axes.secondary_yaxis("right")
    other.set_yticks(places, [f"{one.other}  (n = {one.n})" for one in pairs])
    for side in (axes, other):
        side.tick_params(axis="y", length=0)
        for edge in side.spines.values():
            edge.set_visible(False)
    axes.set(
        xlim=(0, 100),
        xlabel="preferred, % (95 % intervals)" + ("; diamonds: without the flagged raters" if marks else ""),
    )
    axes.set_title("Preference: the left method (blue) against the right (grey)", fontsize=11)


def _draw_ratings(figure: Any, methods: Sequence[str], rated: Sequence[Rating]) -> None:
    found = {(one.method, one.aspect): one for one in rated}
    grid = figure.subplots(len(methods), len(ASPECTS), sharex=True, squeeze=False)
    figure.suptitle("Ratings, 1 (not at all) to 5 (completely): % of the answers", fontsize=11)
    for row, method in zip(grid, methods, strict=True):
        for axes, aspect in zip(row, ASPECTS, strict=True):
            one = found.get((method, aspect), Rating(method, aspect, (0,) * 5))
            shares = [100 * count / max(1, one.n) for count in one.counts]
            axes.bar(range(1, 6), shares, color=_OURS, width=0.8)
            axes.set(xlim=(0.4, 5.6), ylim=(0, 100), xticks=range(1, 6), yticks=(0, 50, 100))
            if one.mean is not None:
                axes.axvline(one.mean, color=_INK, linestyle="--", linewidth=1.2)
                said, left = f"mean {one.mean:.2f}, n = {one.n}", one.mean > 3  # where the line is not
                place = {"x": 0.02, "ha": "left"} if left else {"x": 0.98, "ha": "right"}
                axes.text(y=0.95, s=said, transform=axes.transAxes, va="top", fontsize=8, **place)
            axes.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel(method, fontsize=10, rotation=0, ha="right", va="center")
    for axes, title in zip(grid[0], ASPECTS.values(), strict=True):
        axes.set_title(title, fontsize=10)
