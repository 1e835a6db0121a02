"""The measures of a run's edits, taken in batches and kept, so that each is taken once."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import torch
from PIL import Image

from retouch.backbone.clip import Clip
from retouch.errors import BadModel, BadPicture
from retouch.measures.batch import Batch, mask_tensor, picture_tensor
from retouch.measures.clip import image_features
from retouch.measures.regions import cut_around, outside_of
from retouch.measures.registry import Measure, called
from retouch.measures.sets import Inception, frechet_distance
from retouch.runs.results import about_measures, measured_lines, stored_sets
from retouch.runs.run import BadRun, Record, Run, alone, append, put_text
from retouch.suites.suite import Case

_BATCH = 16
_PIXELS = 2**20  # of a batch: SSIM takes some hundred bytes for each
_WAITING = 8 * _PIXELS  # of pictures of many sizes that are kept until a batch of one size is full

SETS = {
    f"{name}.{region}".rstrip("."): (title + where, network, region)
    for name, title, network in (("fid", "FID", "Inception"), ("frechet.clip", "Fréchet distance, CLIP", "CLIP"))
    for region, where in (("", ""), ("inside", " around the mask"), ("outside", " outside the mask"))
}
"""Measures of all edits of a method together, against the inputs: title, what looks at the pictures, at what region."""

Verdicts = Callable[[Sequence[Image.Image], Sequence[Mapping[str, Any]]], Mapping[str, Sequence[float]]]
"""A suite's own measures by name, of pictures and their entries' ``about``."""


def measure(
    run: Run,
    measures: Sequence[Measure],
    *,
    cases: Iterable[str] | None = None,
    verdicts: Verdicts | None = None,
    about_verdicts: Mapping[str, Mapping[str, str]] | None = None,
    shard: str = "0/1",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Takes what measures are missing of the finished edits, pictures of one size together.

    Args:
        cases: the ids to be measured; None for all.
        verdicts, about_verdicts: the suite's own measures, and their ``title``, ``unit`` and ``better``.
        progress: called with (edits measured, edits to measure).

    Raises:
        BadRun: when the disk does not take it, another process measures the same shard, or as :func:`check_models`.
    """
    check_models(run, {one.name: one.model for one in measures})
    about = {name: dict(value) for name, value in (about_verdicts or {}).items()}  # first: these know the truth
    about |= {one.name: _about(one.title, one.unit, one.better, one.model) for one in measures}
    with alone(run.folder):
        put_text(run.folder / "measures" / "about.json", json.dumps({**about_measures(run), **about}, indent=1))
    known = {(row["case"], row["method"], row["seed"]): set(row["values"]) for row in measured_lines(run)}
    chosen = None if cases is None else set(cases)
    left = [
        record
        for record in run.finished().values()
        if not record.error
        and (chosen is None or record.case in chosen)
        and about.keys() - known.get(record.key, set())
    ]
    done = 0
    with run.appending("measures", shard) as file:
        for group in _groups(run, left):
            values = _values(group, measures, verdicts)
            for number, (record, _, _) in enumerate(group):
                own = {name: _number(column[number]) for name, column in values.items()}
                append(file, {"case": record.case, "method": record.method, "seed": record.seed, "values": own})
            done += len(group)
            if progress:
                progress(done, len(left))


def measure_sets(run: Run, names: Sequence[str], clip: str | None, device: torch.device | None = None) -> list[str]:
    """The measures of :data:`SETS` for every method of a run: Fréchet distances between its edits and the inputs.

    ``.inside`` compares the squares around the masks, ``.outside`` the inputs and the edits with the input pasted in
    inside; cases without a mask do not count there.

    Returns:
        a sentence for each that cannot be taken here.

    Raises:
        BadRun: when the disk does not take it, or as :func:`check_models`.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    about, unable, cases = dict[str, dict[str, str]](), list[str](), len(run.cases())
    edits: dict[str, list[Record]] = {label: [] for label in run.manifest.methods}
    for record in run.finished().values():
        if not record.error and record.method in edits:
            edits[record.method].append(record)
    for network in dict.fromkeys(SETS[name][1] for name in names):
        mine = [name for name in names if SETS[name][1] == network]
        try:
            features, model = _features(network, clip, device)
        except BadModel as error:
            unable += [f"{name} is left out: {error}" for name in mine]
            continue
        check_models(run, dict.fromkeys(mine, model))
        for name in mine:
            title, _, region = SETS[name]
            inputs = _seen(features, (_part(case, case.picture, region) for case in _cases(run)))
            if not len(inputs):
                unable.append(f"{name} is left out: no case of this run has a mask.")
                continue
            about[name] = _about(title, "", "lower", model)
            for label, own in edits.items():
                value = frechet_distance(inputs, _seen(features, _parts(run, own, region)))
                found.setdefault(label, {})[name] = {"value": _number(value), "edits": len(own), "cases": cases}
    with alone(run.folder):  # other shards write these too
        put_text(run.folder / "measures" / "about.json", json.dumps({**about_measures(run), **about}, indent=1))
        stored = stored_sets(run)
        whole = {label: {**stored.get(label, {}), **found.get(label, {})} for label in {**stored, **found}}
        put_text(run.folder / "measures" / "sets.json", json.dumps(whole, indent=1))
    return unable


def models_of(names: Iterable[str], clip: str | None) -> dict[str, str]:
    """What would look at the pictures for measures of :data:`SETS`, as :func:`check_models` wants it."""
    by_clip = [name for name in names if SETS[name][1] == "CLIP"]
    try:
        return dict.fromkeys(by_clip, called(Clip(clip))) if by_clip and clip else {}
    except BadModel:  # said when they are to be taken
        return {}


def check_models(run: Run, models: Mapping[str, str]) -> None:
    """Refuses to measure with another model than what is measured already.

    Args:
        models: by measure, as :attr:`retouch.measures.registry.Measure.model`.

    Raises:
        BadRun: where the values would not compare.
    """
    known = about_measures(run)
    for name, model in models.items():
        before = known.get(name, {}).get("model", "")
        if model and before and model.rpartition(" ")[2] != before.rpartition(" ")[2]:  # whatever it is called
            raise BadRun(
                f"the run {str(run.folder)!r} has {name} by {before}, and this is {model}: measure with that one "
                "(--clip, --dino), or name another folder."
            )


def _about(title: str, unit: str, better: str, model: str) -> dict[str, str]:
    return {"title": title, "unit": unit, "better": better, "model": model}


_Group = Sequence[tuple[Record, Case, Image.Image]]


def _groups(run: Run, records: Sequence[Record]) -> Iterator[_Group]:
    """Records with their cases and pictures, in groups that fit one batch; few pictures are open at a time."""
    waiting: dict[Any, list[tuple[Record, Case, Image.Image]]] = defaultdict(list)
    pixels, name, case = 0, "", None
    for record in records:
        if record.case != name:
            name, case = record.case, run.case(record.case)
        if case is None:
            continue
        group, size = waiting[case.picture.size, case.mask is None], case.picture.width * case.picture.height
        group.append((record, case, run.edit(record)))
        pixels += size
        if pixels > _WAITING:
            group = max(waiting.values(), key=lambda one: sum(image.width * image.height for *_, image in one))
        if pixels > _WAITING or len(group) >= max(1, min(_BATCH, _PIXELS // size)):
            pixels -= sum(image.width * image.height for *_, image in group)
            yield group
            group.clear()
    yield from (group for group in waiting.values() if group)


def _values(group: _Group, measures: Sequence[Measure], verdicts: Verdicts | None) -> dict[str, Sequence[float]]:
    batch = Batch.from_images(
        [case.picture for _, case, _ in group], [image for *_, image in group],
        [case.entry.target for _, case, _ in group], [case.entry.source for _, case, _ in group],
        [case.mask for _, case, _ in group],
    )  # fmt: skip
    values: dict[str, Sequence[float]] = {one.name: one.compute(batch).tolist() for one in measures}
    if verdicts is not None:
        values |= verdicts([image for *_, image in group], [case.entry.about for _, case, _ in group])
    return values


_Features = Callable[[torch.Tensor], torch.Tensor]


def _features(network: str, clip: str | None, device: torch.device | None) -> tuple[_Features, str]:
    """Features [B, D] of pictures [B, 3, H, W], and what model gives them.

    Raises:
        BadModel: where the network cannot be had.
    """
    if network == "Inception":
        inception = Inception(device)
        inception.load()
        return inception.features, ""
    if clip is None:
        raise BadModel("no CLIP model was given.")
    looks = Clip(clip, device)
    return lambda pictures: image_features(looks, pictures), called(looks)


def _parts(run: Run, records: Iterable[Record], region: str) -> Iterator[torch.Tensor | None]:
    for record in records:
        if not region:
            yield picture_tensor(run.edit(record))
        elif case := run.case(record.case):
            yield _part(case, run.edit(record), region)


def _part(case: Case, shown: Image.Image, region: str) -> torch.Tensor | None:
    """The part of a picture that a measure of sets looks at; None where the case has no such part."""
    picture = picture_tensor(shown)
    if not region:
        return picture
    if case.mask is None:
        return None
    mask = mask_tensor(case.mask)
    if region == "inside":
        return cut_around(picture, mask)
    return None if mask.all() else outside_of(picture_tensor(case.picture), picture, mask)


def _seen(features: _Features, pictures: Iterable[torch.Tensor | None]) -> torch.Tensor:
    left = (picture for picture in pictures if picture is not None)
    parts = list[torch.Tensor]()
    while some := list(islice(left, _BATCH)):
        by_size: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
        for picture in some:
            by_size[picture.shape].append(picture)
        parts += [features(torch.stack(same)).cpu() for same in by_size.values()]
    return torch.cat(parts) if parts else torch.zeros(0, 1)


def _cases(run: Run) -> Iterator[Case]:
    for entry in run.cases():
        case = run.case(entry.id)
        if case is None:
            raise BadPicture(f"the pictures of {entry.id!r} are not in the run any more: begin it anew.")
        yield case


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value
