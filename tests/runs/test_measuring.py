"""The measures of a run: those of the pictures, taken once, by one model, few pictures at a time."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from retouch.backbone.load import EMBEDDED_FOLDER
from retouch.diorama.suite import DioramaSuite
from retouch.measures.measure import Measure
from retouch.measures.models import Models
from retouch.measures.registry import measures_for
from retouch.runs.bench import bench
from retouch.runs.edits import local
from retouch.runs.files import BadRun
from retouch.runs.manifest import Record
from retouch.runs.measuring import looked_at, measure
from retouch.runs.parquet import write_results
from retouch.runs.results import about_measures, outdated_sets, results, set_measures
from retouch.runs.run import Run
from retouch.runs.sets import measure_sets
from retouch.runs.writer import Writer
from retouch.suites.suite import Case, Entry
from tests.runs.quick import FAST, SUITE, manifest


def test_figures_are_those_of_the_pictures(editor, finished):
    table = results(finished)
    assert len(table) == 16 and list(table.columns[:6]) == ["case", "kind", "source", "target", "method", "seed"]
    for _, row in table.iterrows():
        record = Record(row.case, row.kind, row.method, row.seed, 0, 0)
        case, edit = finished.case(row.case), finished.edit(record)
        error = (np.asarray(case.picture, float) - np.asarray(edit, float)) ** 2
        assert row.psnr == pytest.approx(10 * np.log10(255**2 / error.mean()), abs=1e-3)
        outside = error[np.asarray(case.mask) == 0].mean()
        assert row["psnr.outside"] == pytest.approx(10 * np.log10(255**2 / outside), abs=1e-3)
        said = SUITE.judge([case], [edit])
        assert (row.asked, row.kept, row.both) == (said["asked"][0], said["kept"][0], said["both"][0])
    assert about_measures(finished)["asked"] == SUITE.verdicts[0].about()
    import pandas

    stored = pandas.read_parquet(write_results(finished))
    assert stored.shape == table.shape and (stored.psnr == table.psnr).all()


def test_measures_are_taken_once_and_can_be_added(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    taken, before = [], (tmp_path / "run" / "measures" / "0-of-1.jsonl").read_bytes()
    able, _ = measures_for("diorama", ["psnr"])
    measure(run, able, progress=lambda done, total: taken.append(total))
    assert taken == [] and (tmp_path / "run" / "measures" / "0-of-1.jsonl").read_bytes() == before
    measure(run, measures_for("diorama", ["ssim.inside"])[0], progress=lambda done, total: taken.append(total))
    assert taken[-1] == 16 and {"ssim.inside", "psnr"} <= set(results(run).columns)
    unable = measure_sets(run, ["frechet.clip", "fid"], Models("diorama"))
    assert len(unable) == 1 and "torch-fidelity" in unable[0]
    assert set(set_measures(run)) == set(FAST) and all(v["frechet.clip"] > 0 for v in set_measures(run).values())
    assert about_measures(run)["frechet.clip"]["better"] == "lower" and "fid" not in about_measures(run)


def test_distances_of_fewer_edits_than_there_are_do_not_count(editor, tmp_path):
    run = Run.create(tmp_path, manifest(editor, FAST[:1]))
    bench(run, SUITE, local(editor), shard=(0, 2))
    measure_sets(run, ["frechet.clip"], Models("diorama"))
    assert "frechet.clip" in set_measures(run)[FAST[0]] and outdated_sets(run) == []
    bench(run, SUITE, local(editor))
    assert set_measures(run) == {FAST[0]: {}} and outdated_sets(run) == ["frechet.clip"]
    measure_sets(run, ["frechet.clip"], Models("diorama"))
    assert "frechet.clip" in set_measures(run)[FAST[0]] and outdated_sets(run) == []
    run = Run.create(tmp_path, manifest(editor, FAST, suite=DioramaSuite(["colour", "pose"], 3)))
    bench(run, DioramaSuite(["colour", "pose"], 3), local(editor), methods=FAST[1:])
    assert outdated_sets(run) == ["frechet.clip"]  # the inputs it was compared with are others now
    (tmp_path / "measures" / "sets.json").write_text(json.dumps({FAST[0]: {"fid": 1.0}}))
    assert set_measures(run) == {FAST[0]: {}} and outdated_sets(run) == []


def test_another_clip_model_is_refused_and_the_same_one_elsewhere_is_not(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "run")
    shutil.copytree(EMBEDDED_FOLDER / "clip", tmp_path / "diorama")
    run, weights = Run.open(tmp_path / "run"), tmp_path / "diorama" / "model.safetensors"
    shutil.copytree(tmp_path / "diorama", tmp_path / "elsewhere")
    measure(run, measures_for(str(tmp_path / "elsewhere"), ["clip_score"])[0])
    tensors = load_file(weights)
    tensors["visual_projection.weight"] = -tensors["visual_projection.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(BadRun, match=r"has clip_score by elsewhere [0-9a-f]{16}, and this is diorama [0-9a-f]{16}"):
        measure(run, measures_for(str(tmp_path / "diorama"), ["clip_score"])[0])
    measure_sets(run, ["frechet.clip"], Models("diorama"))
    with pytest.raises(BadRun, match=r"has frechet\.clip by"):
        measure_sets(run, ["frechet.clip"], Models(str(tmp_path / "diorama")))


def test_large_pictures_are_measured_few_at_a_time(editor, tmp_path):
    """Of many sizes, few wait for others of their size."""
    run = Run.create(tmp_path / "run", manifest(editor, {}))
    run = Run.create(run.folder, replace(run.manifest, methods={"theirs": {"method": "", "settings": {}}}))
    sizes = [(1024, 1024)] * 3 + [(1536, 1024)] * 2 + [(600 + 8 * i, 600) for i in range(40)] + [(64, 64)] * 40
    with Writer.opened(run) as writer:
        for number, size in enumerate(sizes):
            entry = Entry(f"{number:03}", "", "a cat")
            run.store(Case(entry, Image.new("RGB", size)))
            writer.finish(Record(entry.id, "", "theirs", 0, None, None), Image.new("RGB", size, "red"))
    batches, waiting = [], []

    def compute(batch):
        batches.append(tuple(batch.inputs.shape))
        waiting.append(sum(map(len, opened)))
        return torch.zeros(len(batch))

    opened, edit = [], Run.edit
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Run, "edit", lambda self, record: opened.append([record]) or edit(self, record))
        measure(run, [Measure("m", "m", compute=compute)])
    assert sum(shape[0] for shape in batches) == len(sizes)
    assert max(shape[0] * shape[2] * shape[3] for shape in batches) <= 1536 * 1024
    assert {shape[0] for shape in batches if shape[2] == 64} == {16, 8}
    assert waiting[5] < 40  # not all of the forty sizes were open before one was measured


@pytest.mark.parametrize("threads", [2, 3])
def test_groups_side_by_side_give_the_same_in_the_same_order(finished, threads):
    def groups():
        for record in finished.records():
            yield [(record, finished.case(record.case), finished.edit(record))]

    able = measures_for(None, ["keeping", "psnr", "ssim"])[0]
    alone = list(looked_at(groups(), able))
    try:
        torch.set_num_threads(threads)
        together = list(looked_at(groups(), able))
        assert torch.get_num_threads() == threads
        first = next(looked_at(groups(), able))  # whoever wants no more
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(1)
    assert [group[0][0] for group, _ in together] == [group[0][0] for group, _ in alone]
    for (_, one), (_, other) in zip(alone, together, strict=True):
        assert one.keys() == other.keys()
        assert all(one[name] == pytest.approx(other[name], rel=1e-5, nan_ok=True) for name in one)
    assert first[0][0][0] == alone[0][0][0][0]


def test_sets_are_compared_inside_and_outside_the_masks(editor, tmp_path):
    """The truth differs from the inputs inside the masks and nowhere else; a picture turned around, everywhere."""
    run = Run.create(tmp_path / "run", manifest(editor, {}))
    hands = {name: {"method": "", "settings": {}} for name in ("truth", "turned")}
    run = Run.create(run.folder, replace(run.manifest, methods=hands))
    with Writer.opened(run) as writer:
        for entry in SUITE.entries:
            case = SUITE.case(entry)
            run.store(case)
            for name, image in (("truth", case.truth), ("turned", case.picture.rotate(180))):
                writer.finish(Record(entry.id, entry.kind, name, 0, None, None), image)
    names = ["frechet.clip", "frechet.clip.inside", "frechet.clip.outside"]
    assert measure_sets(run, names, Models("diorama")) == []
    whole, inside, outside = ([set_measures(run)[hand][name] for hand in hands] for name in names)
    assert whole[0] > 0.001 and inside[0] > whole[0] and outside[0] == pytest.approx(0, abs=1e-5)
    assert min(whole[1], inside[1], outside[1]) > 0.01
    for mask in (run.folder / "cases").glob("*/mask.png"):
        mask.unlink()
    assert measure_sets(run, names[1:], Models("diorama")) == [
        f"{name} is left out: no case of this run has a mask." for name in names[1:]
    ]
