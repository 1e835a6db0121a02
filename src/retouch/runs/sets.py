"""The measures of all edits of a method together, such as Fréchet distances, taken of a run and kept."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from retouch.errors import BadModel, BadPicture
from retouch.measures.batch import mask_tensor, picture_tensor
from retouch.measures.measure import Region, SetMeasure
from retouch.measures.models import Models, called
from retouch.measures.regions import cut_around, outside_of
from retouch.measures.registry import chosen
from retouch.runs.files import alone, put_text
from retouch.runs.manifest import Record
from retouch.runs.measuring import BATCH, check_models, number
from retouch.runs.results import about_measures, stored_sets
from retouch.runs.run import Run
from retouch.suites.suite import Case

_Features = Callable[[Tensor], Tensor]


def measure_sets(run: Run, names: Sequence[str], models: Models) -> list[str]:
    """The measures of sets for every method of a run: between its edits and the inputs.

    ``.inside`` compares the squares around the masks, ``.outside`` the inputs and the edits with the input pasted in
    inside; cases without a mask do not count there.

    Returns:
        a sentence for each that cannot be taken here.

    Raises:
        BadParameter: for a name of no such measure.
        BadRun: when the disk does not take it, or as :func:`retouch.runs.measuring.check_models`.
    """
    edits: dict[str, list[Record]] = {label: [] for label in run.manifest.methods}
    for record in run.finished().values():
        if not record.error and record.method in edits:
            edits[record.method].append(record)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    about, unable, cases = dict[str, dict[str, str]](), list[str](), len(run.cases())
    for one in chosen(names)[1]:
        try:
            model = models.get(one.needs)
        except BadModel as error:
            unable.append(f"{one.name} is left out: {error}")
            continue
        check_models(run, {one.name: called(model)})
        values = _distances(run, one, model, edits)
        if values is None:
            unable.append(f"{one.name} is left out: no case of this run has a mask.")
            continue
        about[one.name] = one.about(called(model))
        for label, value in values.items():
            row = {"value": number(value), "edits": len(edits[label]), "cases": cases}
            found.setdefault(label, {})[one.name] = row
    _keep(run, about, found)
    return unable


def _distances(run: Run, one: SetMeasure, model: Any, edits: dict[str, list[Record]]) -> dict[str, float] | None:
    """By method; None where no input has such a region."""

    def features(pictures: Tensor) -> Tensor:
        return one.features(pictures, model)

    inputs = _seen(features, (_part(case, case.picture, one.region) for case in _cases(run)))
    if not len(inputs):
        return None
    return {label: one.distance(inputs, _seen(features, _parts(run, own, one.region))) for label, own in edits.items()}


def _keep(run: Run, about: dict[str, dict[str, str]], found: dict[str, dict[str, dict[str, Any]]]) -> None:
    with alone(run.folder):  # other shards write these too
        put_text(run.folder / "measures" / "about.json", json.dumps({**about_measures(run), **about}, indent=1))
        stored = stored_sets(run)
        whole = {label: {**stored.get(label, {}), **found.get(label, {})} for label in {**stored, **found}}
        put_text(run.folder / "measures" / "sets.json", json.dumps(whole, indent=1))


def _parts(run: Run, records: Iterable[Record], region: Region) -> Iterator[torch.Tensor | None]:
    for record in records:
        if not region:
            yield picture_tensor(run.edit(record))
        elif case := run.case(record.case):
            yield _part(case, run.edit(record), region)


def _part(case: Case, shown: Image.Image, region: Region) -> torch.Tensor | None:
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
    while some := list(islice(left, BATCH)):
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
