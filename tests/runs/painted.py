"""A small run on the disk, as a bench would leave it, made of painted pictures in place of a model's work."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
from PIL import Image, ImageFilter

from retouch.diorama.suite import DioramaSuite
from retouch.runs.manifest import Manifest, Record
from retouch.runs.run import Run
from retouch.runs.writer import Writer
from retouch.suites.suite import Case

METHODS = ("prox-npi", "masactrl", "sdedit")
KINDS = ("colour", "place", "accessory")

ABOUT = {
    "clip_score.inside": {"title": "CLIP score, inside", "unit": "", "better": "higher"},
    "psnr": {"title": "PSNR", "unit": "dB", "better": "higher"},
    "psnr.outside": {"title": "PSNR, outside", "unit": "dB", "better": "higher"},
    "mse": {"title": "MSE", "unit": "", "better": "lower"},
    **{one.name: one.about() for one in DioramaSuite.verdicts},
}

_HANDS = {
    "prox-npi": (0.85, 4, 0.3, 6.0, 100),
    "masactrl": (0.6, 3, 0.6, 9.5, 150),
    "sdedit": (0.9, 20, 1.2, 2.2, 50),
    "null-text": (0.75, 2, 0.2, 60.0, 550),
    "plug-and-play": (0.8, 8, 0.4, 12.0, 200),
}  # of each method: how much of the right answer, noise, blur, seconds and network evaluations


def small_run(
    folder: str | Path,
    methods: Sequence[str] = METHODS,
    count: int = 2,
    seeds: Sequence[int] = (0,),
    *,
    kinds: Sequence[str] = KINDS,
    cases: Sequence[Case] | None = None,
    failing: Collection[tuple[str, str, int]] = (),
    lacking: Collection[tuple[str, str, int]] = (),
    measured: bool = True,
    model: str = "diorama",
    suite: Mapping[str, object] | None = None,
    helped: Mapping[str, bool] | None = None,
    others: Collection[str] = (),
    clip: str = "",
) -> Run:
    """Writes a run of ``methods`` × cases × ``seeds`` and opens it.

    Args:
        count: painted cases of each of ``kinds``, which are Diorama's.
        cases: these in place of painted ones.
        failing, lacking: (case, method, seed) of edits that failed, and of edits that were not made.
        measured: whether ``measures/`` is written too.
        suite: the identity in place of the painted suite's.
        helped: what is said beside the identity, as ``{"masks": True}``.
        others: those of ``methods`` that are outputs of others, which cost nothing and are there once.
        clip: the model that took the CLIP scores; "" for none said.
    """
    painted = DioramaSuite(kinds, count=count)
    identity = dict(suite or painted.identity)
    if cases is None:
        cases = [painted.case(entry) for entry in painted.entries]
    elif suite is None:
        identity = {"suite": "table", "edits": {case.entry.id: case.entry.target for case in cases}}
    identity |= helped or {}
    labels = {name: {"method": "" if name in others else name, "settings": {}} for name in methods}
    environment = {
        "date": "2026-11-20T10:00:00+00:00",
        "python": "3.11.2",
        "torch": "2.13.0",
        "machine": "cpu, 2 cores",
    }
    run = Run.create(folder, Manifest(identity, {"name": model, "fingerprint": "0" * 16}, labels, seeds, environment))
    lines = []
    with Writer.opened(run) as writer:
        for case in cases:
            run.store(case)
            for method in methods:
                for seed in run.manifest.seeds_of(method):
                    key = (case.entry.id, method, seed)
                    if key in lacking:
                        continue
                    strength, noise, blur, seconds, evaluations = _hand(method)
                    rng = np.random.default_rng(crc32("/".join(map(str, key)).encode()))
                    cost = (round(seconds * rng.uniform(0.9, 1.1), 3), evaluations, round(900 + 10 * noise, 1))
                    if method in others:
                        cost = (None, None, None)
                    if key in failing:
                        writer.finish(
                            Record(case.entry.id, case.entry.kind, method, seed, *cost, "out of memory"), None
                        )
                        continue
                    share = float(np.clip(rng.normal(strength, 0.2), 0, 1))
                    edit = _edited(case, share, noise, blur, rng)
                    writer.finish(Record(case.entry.id, case.entry.kind, method, seed, *cost), edit)
                    lines.append({"case": key[0], "method": method, "seed": seed, "values": _values(case, edit, share)})
    if measured:
        measures = run.folder / "measures"
        measures.mkdir(exist_ok=True)
        (measures / "0-of-1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        about = {**ABOUT, "fid": {"title": "FID", "unit": "", "better": "lower"}}
        (measures / "about.json").write_text(
            json.dumps({name: {**one, "model": clip if "clip" in name else ""} for name, one in about.items()})
        )
        made = Counter(line["method"] for line in lines)
        frechet = {
            method: {"fid": {"value": round(20 + 3 * _hand(method)[1], 2), "edits": made[method], "cases": len(cases)}}
            for method in methods
        }
        (measures / "sets.json").write_text(json.dumps(frechet))
    return run


def _hand(method: str) -> tuple[float, float, float, float, int]:
    mark = crc32(method.encode())
    return _HANDS.get(method, (0.4 + mark % 50 / 100, mark % 15, 0.5, 1.0 + mark % 20, 20 * (1 + mark % 9)))


def _edited(case: Case, share: float, noise: float, blur: float, rng: np.random.Generator) -> Image.Image:
    """The picture moved ``share`` of the way to the right answer, then blurred and made noisy."""
    right = case.truth if case.truth is not None else case.picture
    smooth = Image.blend(case.picture, right, share).filter(ImageFilter.GaussianBlur(blur))
    values = np.asarray(smooth, float) + rng.normal(0, noise, (smooth.height, smooth.width, 3))
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))


def _values(case: Case, edit: Image.Image, share: float) -> dict[str, float | None]:
    """Like those a bench takes; no value outside the mask where there is no mask or no outside."""
    error = ((np.asarray(case.picture, float) - np.asarray(edit, float)) / 255) ** 2
    outside = error[np.asarray(case.mask) < 128] if case.mask is not None else error[:0]
    values: dict[str, float | None] = {
        "clip_score.inside": 18 + 8 * share,
        "psnr": _decibels(error),
        "psnr.outside": _decibels(outside) if outside.size else None,
        "mse": float(error.mean()),
    }
    asked, kept = float(share > 0.6), round(float(np.clip(1.3 - 10 * error.mean() ** 0.5, 0, 1)) * 4) / 4
    return {**values, "asked": asked, "kept": kept, "both": float(asked == kept == 1)}


def _decibels(error: np.ndarray) -> float:
    return float(min(100.0, -10 * np.log10(max(error.mean(), 1e-10))))
