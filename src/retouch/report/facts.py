"""What a report says of its runs: what they are of, what is amiss with them, and how they were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from retouch.report.columns import Column
from retouch.report.gathered import Gathered
from retouch.runs.run import Run

_MACHINE = ("gpu", "cpu", "machine", "system", "device", "threads")
_HELP = {"masks": "the suite's masks", "settings": "the suite's settings"}
_SPOKEN = ("gpu", "cpu", "machine", "system")  # what needs no name before it
_WHEN = ("date", "started", "time")


def title(gathered: Gathered) -> str:
    """The suite, and how many methods on how many cases."""
    suite = gathered.runs[0].manifest.suite.get("suite", "edits")
    return f"{suite}: {counted(len(gathered.methods), 'method')} on {counted(len(gathered.entries), 'case')}"


def facts(gathered: Gathered) -> list[tuple[str, str]]:
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


def warnings(gathered: Gathered) -> list[str]:
    """What is not complete, or failed, a sentence each."""
    found = []
    if gathered.made < gathered.wanted:
        begun = f", and {counted(gathered.not_begun, 'case')} not begun" if gathered.not_begun else ""
        one = "This run is" if len(gathered.runs) == 1 else "These runs are"
        found.append(f"{one} not complete: {gathered.made} of {gathered.wanted} edits are done{begun}.")
        if gathered.lacking:
            found.append(
                "The methods' figures are of different edits until all are done; none is called worth its cost."
            )
    counts = [run.manifest.suite.get("count") for run in gathered.runs]
    if len(set(counts)) > 1:
        each = ", ".join(
            f"{count} of each kind in {run.folder.resolve().name}"
            for count, run in zip(counts, gathered.runs, strict=True)
        )
        found.append(f"The runs are of different numbers of cases: {each}; each method's figures are of its own.")
    if len(gathered.failures):
        found.append(f"{counted(len(gathered.failures), 'edit')} failed; the figures are of the others.")
    if gathered.unmeasured == len(gathered.edits):
        found.append("No edit is measured yet: only costs are shown.")
    elif gathered.unmeasured:
        found.append(f"{counted(gathered.unmeasured, 'edit')} not measured yet.")
    return found


def chosen(gathered: Gathered) -> list[str]:
    """Where only the best of a case's seeds counts, that it does: of how many, and at what cost."""
    if not gathered.best_of:
        return []
    own = {one.label: len(gathered.runs[one.run].manifest.seeds_of(one.name)) for one in gathered.methods}
    numbers = sorted({*own.values()})
    of = str(numbers[0])
    if len(numbers) > 1:
        of = f"{numbers[0]} to {numbers[-1]} ({', '.join(f'{label} {number}' for label, number in own.items())})"
    return [
        f"Of the seeds of a case, {of}, only the one that is best by {gathered.best_of} counts; time and evaluations "
        "are those of all of them, each as if it was made alone."
    ]


def settings(gathered: Gathered) -> list[dict[str, str]]:
    """Of each method its ``label``, its ``run``, and what it was ``given``."""
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
    given = {**method.get("parts", {}), **method.get("settings", {})}
    settings = [f"{name}={value}" for name, value in given.items()] or ["(its defaults)"]
    if method.get("keep"):
        settings.append(f"keep={method['keep']}")
    if method.get("size"):
        settings.append(f"size={method['size']}")
    helped = " and ".join(words for key, words in _HELP.items() if run.manifest.suite.get(key))
    return f"{method.get('method', '')} {', '.join(settings)}{helped and f', with {helped}'}"


def looked(columns: Sequence[Column]) -> list[str]:
    """Of each model that took measures, which."""
    by_model: dict[str, list[str]] = {}
    for column in columns:
        if column.model:
            by_model.setdefault(column.model, []).append(column.title)
    return [f"Measured by {model}: {', '.join(titles)}." for model, titles in by_model.items()]


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is not one."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
