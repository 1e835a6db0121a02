"""The report as one HTML page that needs nothing else: no server, no network, no second file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retouch.report.gallery import gallery
from retouch.report.gathered import Gathered
from retouch.report.statistics import FEWEST, RESAMPLES
from retouch.report.tables import Cell, Column, Leaderboard, Row, breakdown, leaderboard
from retouch.runs.results import library
from retouch.runs.run import Run

KEPT = ("psnr.outside", "psnr", "structure_distance", "lpips", "ssim", "mse", "kept")
"""What the plane shows across, the first there is: how much of the picture was kept."""
CHANGED = ("clip_score.inside", "clip_score", "both", "asked", "directional_similarity")
"""What it shows up, the first there is: how much of what was asked was done."""

_COLOURS = (
    "#3b82d6", "#e0792b", "#2f9e62", "#d1477a", "#8a6ad6", "#a8870f", "#1c9bb0", "#cf4a43", "#6f9420", "#8a8f98",
)  # fmt: skip
"""For the methods; each can be told from a white and from a black background."""
_SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "star", "hexagon", "x")
_MACHINE = ("gpu", "cpu", "machine", "system", "device", "threads")
_HELP = {"masks": "the suite's masks", "settings": "the suite's settings"}
_SPOKEN = ("gpu", "cpu", "machine", "system")  # what needs no name before it
_WHEN = ("date", "started", "time")
_MOST_SAID = 4
_FEW_CASES = 10  # percentile intervals of fewer hold the truth clearly less often than they say
_PRICE = ("seconds", "evaluations")
_GROUPS = {"cost": "cost of an edit", "measure": "measures", "set": "of all edits"}


def page(gathered: Gathered, most_cases: int = 60) -> str:
    """The whole page.

    Args:
        most_cases: how many cases the gallery holds at most; they make up most of the page's size.

    Raises:
        MissingExtra: without jinja2 or plotly.
        BadRun, BadPicture: when a case of the gallery is damaged.
    """
    jinja, offline = library("jinja2"), library("plotly.offline")
    here = Path(__file__).parent
    environment = jinja.Environment(
        loader=jinja.FileSystemLoader(here), autoescape=True, trim_blocks=False, undefined=jinja.StrictUndefined
    )
    board = leaderboard(gathered)
    board = Leaderboard(sorted(board.columns, key=lambda column: list(_GROUPS).index(column.role)), board.rows)
    data = _data(gathered, board, most_cases)
    rows = [_row(gathered, board, row, look) for row, look in zip(board.rows, data["methods"], strict=True)]
    shown = len(data["gallery"])

    def inlined(text: str) -> Any:
        return library("markupsafe").Markup(text.replace("</script", "<\\/script"))

    return str(
        environment.get_template("page.html").render(
            title=_title(gathered),
            facts=_facts(gathered),
            warnings=_warnings(gathered),
            verdict=_verdict(board, data["methods"]),
            groups=_groups(board.columns),
            columns=board.columns,
            rows=rows,
            intervals=any(cell["interval"] for row in rows for cell in row["cells"]),
            marked=any(cell["mark"] for row in rows for cell in row["cells"]),
            close=any(cell["mark"] == "close" for row in rows for cell in row["cells"]),
            resamples=f"{RESAMPLES:,}",
            notes=_notes(gathered, board),
            gallery_note=f"{shown} of {len(gathered.entries)} cases. Click an edit to lay it over the input.",
            failures=gathered.failures.to_dict("records"),
            lacking=gathered.lacking,
            looked=_looked(board.columns),
            settings=_settings(gathered),
            data=data,
            style=inlined((here / "page.css").read_text(encoding="utf-8")),
            script=inlined((here / "page.js").read_text(encoding="utf-8")),
            plotly=inlined(offline.get_plotlyjs()) if data["points"] else "",
        )
    )


def _data(gathered: Gathered, board: Leaderboard, most_cases: int) -> dict[str, Any]:
    """What the page's script reads: numbers for places, and every text ready made."""
    by_kind = breakdown(gathered, board.columns)
    counts = {kind: sum(entry.kind == kind for entry in gathered.entries.values()) for kind in by_kind}
    axes = _axes(board.columns)
    seeds = {one.label: list(gathered.runs[one.run].manifest.seeds_of(one.name)) for one in gathered.methods}
    whole = {column.name: [row.cells[column.name] for row in board.rows] for column in board.columns}
    parts = [("all kinds", len(gathered.entries), whole)]  # by place: a kind may have any name
    parts += [(kind, counts[kind], cells) for kind, cells in by_kind.items()]
    shown = [column for column in board.columns if column.name in next(iter(by_kind.values()))]
    kinds = [
        {
            "name": name, "cases": count,
            "cells": {column.name: [_cell(column, cell) for cell in cells[column.name]] for column in shown},
        }
        for name, count, cells in parts
    ]  # fmt: skip
    return {
        "methods": [
            {
                "label": row.label, "colour": _COLOURS[i % len(_COLOURS)], "symbol": _SYMBOLS[i % len(_SYMBOLS)],
                "seeds": seeds[row.label],
            }
            for i, row in enumerate(board.rows)
        ],
        "columns": [
            {"name": column.name, "heading": column.heading, "arrow": column.arrow, "better": column.better}
            for column in board.columns
        ],
        "points": axes and {
            column.name: [_point(column, row.cells[column.name]) for row in board.rows] for column in board.columns
        },
        "axes": axes,
        "kinds": kinds if len(counts) > 1 and shown else [],
        "gallery": gallery(gathered, board.columns, most_cases) if most_cases else [],
        "seeds": gathered.seeds,
        "bestOf": gathered.best_of,
    }  # fmt: skip


def _axes(columns: Sequence[Column]) -> dict[str, str] | None:
    """What the plane begins with; None where there is nothing to set against anything."""
    names = [column.name for column in columns]
    measures = [column.name for column in columns if column.role != "cost"]
    if not measures or len(names) < 2:
        return None
    up = _first(CHANGED, measures) or next((name for name in measures if name != _first(KEPT, measures)), measures[0])
    across = _first(KEPT, [name for name in measures if name != up])
    return {"x": across or next(name for name in [*measures, *names] if name != up), "y": up}


def _first(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    """The first of ``names`` that is one of ``wanted``, or one of its kinds, as "lpips.alex" is of "lpips"."""
    return next((name for want in wanted for name in names if name == want or name.startswith(f"{want}.")), None)


def _interval(column: Column, cell: Cell, between: str = " – ") -> str:
    return "" if math.isnan(cell.low) else f"{column.shown(cell.low)}{between}{column.shown(cell.high)}"


def _cell(column: Column, cell: Cell) -> list[Any]:
    """Value, text, interval and mark."""
    return [_finite(cell.mean), column.shown(cell.mean), _interval(column, cell), cell.mark]


def _point(column: Column, cell: Cell) -> list[Any]:
    """Value and interval's ends as they are drawn, then as text."""
    scale = 100 if column.percent else 1
    ends = [_finite(value * scale) for value in (cell.mean, cell.low, cell.high)]
    return [*ends, column.shown(cell.mean), _interval(column, cell, " to ")]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _row(gathered: Gathered, board: Leaderboard, row: Row, look: Mapping[str, str]) -> dict[str, Any]:
    method = next(method for method in gathered.methods if method.label == row.label)
    cells = []
    for column in board.columns:
        cell = row.cells[column.name]
        rated = column.role == "measure"
        cells.append(
            {
                "name": column.name, "value": _finite(cell.mean), "shown": column.shown(cell.mean), "mark": cell.mark,
                "interval": _interval(column, cell) if rated else "",
                "strip": _strip(cell, [one.cells[column.name] for one in board.rows]) if rated else None,
                "count": cell.count if rated and cell.count != row.edits else 0,
            }
        )  # fmt: skip
    ours = gathered.runs[method.run].manifest.methods[method.name]["method"]
    model = gathered.models[method.run] if ours and len(set(gathered.models) - {""}) > 1 else ""
    return {
        "label": row.label, "colour": look["colour"], "model": model, "cells": cells, "edits": row.edits,
        "failures": row.failures,
    }  # fmt: skip


def _strip(cell: Cell, column: Sequence[Cell]) -> list[float] | None:
    """Where the interval begins and ends and where the mean is, per cent of the column's width."""
    ends = [end for one in column for end in (one.low, one.high) if math.isfinite(end)]
    if math.isnan(cell.low) or len(column) < 2 or max(ends) == min(ends):
        return None
    scale = 100 / (max(ends) - min(ends))
    return [round((value - min(ends)) * scale, 1) for value in (cell.low, cell.high, cell.mean)]


def _groups(columns: Sequence[Column]) -> list[dict[str, Any]]:
    spans = {role: sum(column.role == role for column in columns) for role in _GROUPS}
    return [{"title": title, "span": spans[role]} for role, title in _GROUPS.items() if spans[role]]


def _title(gathered: Gathered) -> str:
    suite = gathered.runs[0].manifest.suite.get("suite", "edits")
    return f"{suite}: {_counted(len(gathered.methods), 'method')} on {_counted(len(gathered.entries), 'case')}"


def _facts(gathered: Gathered) -> list[tuple[str, str]]:
    """Suite, model, cases, seeds, date, versions and machine; what differs between runs is told of each."""
    runs = gathered.runs
    cases = len(gathered.entries)
    seeds = ", ".join(map(str, gathered.seeds))
    chosen = f" (the best of each case by {gathered.best_of})" if gathered.best_of else ""
    rest = [
        (
            "model",
            [
                f"{name} ({run.manifest.model.get('fingerprint', '?')})" if name else ""
                for name, run in zip(gathered.models, runs, strict=True)
            ],
        ),
        ("date", [_date(run) for run in runs]),
        ("versions", [f"retouch {run.manifest.retouch}, {_environment(run, False)}".rstrip(", ") for run in runs]),
        ("machine", [_environment(run, True) for run in runs]),
        ("gone on with", [_later(run) for run in runs]),
    ]
    return [
        ("suite", str(runs[0].manifest.suite.get("suite", "unnamed"))),
        ("cases", f"{cases} of {cases + gathered.not_begun}" if gathered.not_begun else str(cases)),
        ("seeds", f"{seeds}{chosen}"),
        *((name, _of_each(runs, values)) for name, values in rest if any(values)),
    ]


def _of_each(runs: Sequence[Run], values: Sequence[str]) -> str:
    if len(set(values)) == 1:
        return values[0]
    return "; ".join(
        f"{value} in {run.folder.resolve().name}" for run, value in zip(runs, values, strict=True) if value
    )


def _date(run: Run) -> str:
    """When the run was made, as its manifest says; where it does not, when its manifest was last written."""
    said = next((str(run.manifest.environment[key]) for key in _WHEN if key in run.manifest.environment), "")
    try:
        when = datetime.fromisoformat(said)
    except ValueError:
        if said:
            return said
        when = datetime.fromtimestamp((run.folder / "run.json").stat().st_mtime, UTC)
    return f"{when:%Y-%m-%d %H:%M}"


def _later(run: Run) -> str:
    """Where the run went on, in which its first environment was another."""
    first = run.manifest.environment
    return ", then ".join(
        ", ".join(_spoken(key, value) for key, value in one.items() if key not in _WHEN and value != first.get(key))
        for one in first.get("later", ())
    )


def _environment(run: Run, machine: bool) -> str:
    """The parts of the manifest's environment that are of the machine, or the others."""
    words = []
    for key, value in run.manifest.environment.items():
        if key in (*_WHEN, "later") or (key in _MACHINE) is not machine or value in (None, ""):
            continue
        if isinstance(value, Mapping):
            words += [f"{name} {part}" for name, part in value.items()]
        else:
            words.append(_spoken(key, value))
    return ", ".join(words)


def _spoken(key: str, value: object) -> str:
    return str(value) if key in _SPOKEN else f"{key} {value}"


def _warnings(gathered: Gathered) -> list[str]:
    found = []
    if gathered.made < gathered.wanted:
        begun = f", and {_counted(gathered.not_begun, 'case')} not begun" if gathered.not_begun else ""
        one = "This run is" if len(gathered.runs) == 1 else "These runs are"
        found.append(f"{one} not complete: {gathered.made} of {gathered.wanted} edits are done{begun}.")
        if gathered.lacking:
            found.append("The methods' figures are of different edits until all are done.")
    counts = [run.manifest.suite.get("count") for run in gathered.runs]
    if len(set(counts)) > 1:
        each = ", ".join(
            f"{count} of each kind in {run.folder.resolve().name}"
            for count, run in zip(counts, gathered.runs, strict=True)
        )
        found.append(f"The runs are of different numbers of cases: {each}; each method's figures are of its own.")
    if len(gathered.failures):
        found.append(f"{_counted(len(gathered.failures), 'edit')} failed; the figures are of the others.")
    if gathered.unmeasured == len(gathered.edits):
        found.append("No edit is measured yet: only costs are shown.")
    elif gathered.unmeasured:
        found.append(f"{_counted(gathered.unmeasured, 'edit')} not measured yet.")
    return found


def _verdict(board: Leaderboard, looks: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """For each method that is the best at something: at what, and what an edit costs.

    What sets a method apart surely comes first; the rest carries the sign of what may be chance.
    """
    if len(board.rows) < 2:
        return []
    rivals = {
        column.name: [row.cells[column.name].mark for row in board.rows]
        for column in board.columns
        if column.role != "cost"
    }
    found = []
    for row, look in zip(board.rows, looks, strict=True):
        best = [name for name in rivals if row.cells[name].mark == "best"]
        best.sort(key=lambda name: "close" in rivals[name])
        words = [
            f"{board.column(name).title} ({_with_unit(board.column(name), row.cells[name])})"
            + (" ≈" if "close" in rivals[name] else "")
            for name in best[:_MOST_SAID]
        ]
        if len(best) > _MOST_SAID:
            words.append(f"and {len(best) - _MOST_SAID} more")
        fastest = "seconds" in row.cells and row.cells["seconds"].mark == "best"
        if words or fastest:
            price = " and ".join(
                _with_unit(board.column(name), row.cells[name]) for name in _PRICE if name in row.cells
            )
            chance = " ≈" if fastest and any(other.cells["seconds"].mark == "close" for other in board.rows) else ""
            said = [*([f"the fastest{chance}"] if fastest else []), *(["best in " + ", ".join(words)] if words else [])]
            found.append(
                {"label": row.label, "colour": look["colour"], "words": f"{price} an edit: {'; '.join(said)}."}
            )
    return found


def _with_unit(column: Column, cell: Cell) -> str:
    unit = "evaluations" if column.name == "evaluations" else column.short_unit
    return f"{column.shown(cell.mean)} {unit}".strip()


def _notes(gathered: Gathered, board: Leaderboard) -> list[str]:
    notes = []
    if gathered.best_of:
        notes.append(
            f"Of the seeds of a case only the one that is best by {gathered.best_of} counts. Costs are of one edit: "
            "choosing among several costs them all."
        )
    cases = gathered.edits["case"].nunique()
    if 1 < cases < _FEW_CASES:
        too_few = f", and of fewer than {FEWEST} no method is told apart" if cases < FEWEST else ""
        notes.append(f"Of {cases} cases the intervals come out too narrow{too_few}: take more before you decide.")
    elif cases == 1 and len(board.rows) > 1:
        notes.append(f"Of one case no method is told apart: take at least {FEWEST}.")
    if any(column.name == "memory_mib" for column in board.columns):
        notes.append("Time and evaluations are means; peak memory is the median of the edits' peaks.")
    return notes


def _settings(gathered: Gathered) -> list[dict[str, str]]:
    return [
        {
            "label": method.label,
            "run": str(gathered.runs[method.run].folder.resolve().name),
            "given": _given(gathered.runs[method.run], method.name),
        }
        for method in gathered.methods
    ]


def _given(run: Run, label: str) -> str:
    method = run.manifest.methods[label]
    if not method.get("method"):
        return "outputs that others made"
    settings = [f"{name}={value}" for name, value in method.get("settings", {}).items()]
    helped = " and ".join(words for key, words in _HELP.items() if run.manifest.suite.get(key))
    return f"{method.get('method', '')} {', '.join(settings) or '(its defaults)'}{helped and f', with {helped}'}"


def _looked(columns: Sequence[Column]) -> list[str]:
    """Of each model that took measures, which."""
    by_model: dict[str, list[str]] = {}
    for column in columns:
        if column.model:
            by_model.setdefault(column.model, []).append(column.title)
    return [f"Measured by {model}: {', '.join(titles)}." for model, titles in by_model.items()]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
