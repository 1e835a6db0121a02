"""The runner: what is finished is never lost or done again, whatever happens; failures are recorded; figures add up."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from retouch.backbone.load import EMBEDDED_FOLDER
from retouch.diorama.suite import DioramaSuite
from retouch.editor import Editor
from retouch.errors import BadParameter, RetouchError
from retouch.measures.measure import Measure
from retouch.measures.models import Models
from retouch.measures.registry import measures_for
from retouch.report import gather
from retouch.runs.bench import begin, bench
from retouch.runs.edits import Made, Work, local
from retouch.runs.environment import environment
from retouch.runs.files import BadRun, slug
from retouch.runs.manifest import Manifest, Record
from retouch.runs.measuring import measure
from retouch.runs.outputs import find_outputs, read_outputs, take_outputs
from retouch.runs.results import about_measures, outdated_sets, results, set_measures, write_results
from retouch.runs.run import Run
from retouch.runs.sets import measure_sets
from retouch.runs.variants import read_variants
from retouch.runs.writer import Writer
from retouch.suites.suite import Case, Entry
from retouch.suites.table import Table

FAST = ["ddim:num_inference_steps=2", "sdedit:num_inference_steps=2"]
SUITE = DioramaSuite(["colour", "pose"], count=2)


@pytest.fixture(scope="module")
def editor():
    return Editor.from_pretrained("diorama")


def manifest(editor, variants=FAST, seeds=(0,), suite=SUITE):
    methods = {
        label: {"method": one.method, "settings": dict(one.settings)}
        for label, one in read_variants([], variants).items()
    }
    model = {"name": editor.model.name, "fingerprint": editor.model.fingerprint}
    return Manifest(suite.identity, model, methods, list(seeds), environment(editor.model.device))


class Counting:
    """The local executor, which remembers what it was asked for and can break off."""

    def __init__(self, editor, stop_after=None):
        self.execute, self.asked, self.stop_after = local(editor), [], stop_after

    def __call__(self, works):
        for made in self.execute(works):
            if self.stop_after is not None and len(self.asked) == self.stop_after:
                raise RuntimeError("the machine fails")
            self.asked.append(made.record.key)
            yield made


@pytest.fixture(scope="module")
def finished(editor, tmp_path_factory):
    run = Run.create(tmp_path_factory.mktemp("bench") / "run", manifest(editor, seeds=(0, 1)))
    bench(run, SUITE, local(editor))
    measure(run, measures_for("diorama")[0], suite=SUITE)
    return run


def test_every_case_method_and_seed_has_its_edit(editor, finished):
    records = finished.records()
    assert len(records) == len({record.key for record in records}) == 4 * 2 * 2
    assert not any(record.error for record in records)
    entry = SUITE.entries[0]
    alone = editor.edit(
        SUITE.case(entry).picture, source=entry.source, target=entry.target, method="sdedit", seed=1,
        num_inference_steps=2,
    )  # fmt: skip
    mine = next(r for r in records if r.key == (entry.id, "sdedit:num_inference_steps=2", 1))
    assert finished.edit(mine).tobytes() == alone.image.tobytes()
    assert mine.evaluations == alone.evaluations and mine.seconds > 0


def test_a_shared_inversion_is_counted_in_full(editor, tmp_path):
    run = Run.create(tmp_path, manifest(editor, ["ddim:num_inference_steps=2", "prox-npi:num_inference_steps=2"]))
    bench(run, SUITE, local(editor))
    first, second = run.records()[:2]
    alone = editor.method_for("prox-npi", "a", "b", {"num_inference_steps": 2}).evaluations()
    assert (first.method, second.method) == ("ddim:num_inference_steps=2", "prox-npi:num_inference_steps=2")
    assert second.evaluations == alone


@pytest.mark.parametrize("stop_after", [0, 1, 3, 6])
def test_a_run_that_broke_off_goes_on(editor, tmp_path, stop_after):
    first, second = Counting(editor, stop_after), Counting(editor)
    with pytest.raises(RuntimeError):
        bench(Run.create(tmp_path, manifest(editor)), SUITE, first)
    done = bench(Run.create(tmp_path, manifest(editor)), SUITE, second)
    assert (done.now, done.there, done.total) == (8 - stop_after, 8, 8)
    assert not set(first.asked) & set(second.asked)


def test_a_picture_whose_line_was_lost_is_taken_up(editor, tmp_path):
    run = Run.create(tmp_path, manifest(editor))
    bench(run, SUITE, local(editor))
    before, path = run.records(), tmp_path / "records" / "0-of-1.jsonl"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(lines[:3]) + b"\n" + lines[3][:20])  # the disk got half a line
    again = Counting(editor)
    bench(Run.create(tmp_path, manifest(editor)), SUITE, again)
    assert again.asked == [] and Run.open(tmp_path).records() == before


def test_methods_and_seeds_may_be_added(editor, tmp_path):
    bench(Run.create(tmp_path, manifest(editor, FAST[:1])), SUITE, local(editor))
    counting = Counting(editor)
    run = Run.create(tmp_path, manifest(editor, FAST[1:], seeds=(5,)))
    bench(run, SUITE, counting)
    assert run.manifest.seeds == [0, 5] and list(run.manifest.methods) == FAST
    assert {key[1:] for key in counting.asked} == {(FAST[1], 5)} and len(run.records()) == 4 * 2
    run = Run.create(tmp_path, manifest(editor, FAST[:1], seeds=(5,)))
    bench(run, SUITE, counting)
    assert [run.manifest.seeds_of(label) for label in FAST] == [[0, 5], [5]] and len(run.records()) == 4 * 3
    assert gather([run]).wanted == 4 * 3


def test_only_what_is_asked_for_is_made(editor, tmp_path):
    run = Run.create(tmp_path, manifest(editor, seeds=(0, 1)))
    counting = Counting(editor)
    done = bench(run, SUITE, counting, methods=FAST[1:], seeds=[1])
    assert {key[1:] for key in counting.asked} == {(FAST[1], 1)} and (done.now, done.there, done.total) == (4, 4, 4)


def test_an_edit_whose_picture_is_gone_is_made_again(editor, finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    gone, empty = (run.edit_path(record) for record in run.records()[:2])
    before = gone.read_bytes()
    gone.unlink()
    empty.write_bytes(b"")
    counting = Counting(editor)
    done = bench(run, SUITE, counting)
    assert len(counting.asked) == 2 and (done.there, done.total) == (16, 16)
    assert len(run.records()) == 16 and len(before) - 99 < gone.stat().st_size  # seconds may have fewer digits
    assert run.edit(run.records()[0]).tobytes() == finished.edit(finished.records()[0]).tobytes()


def test_an_edit_that_is_made_again_and_fails_is_a_failure(editor, finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    record = run.records()[0]
    run.edit_path(record).unlink()

    def failing(works):
        for work in works:
            for label, seed in work.wanted:
                yield Made(Record(work.case.entry.id, "", label, seed, 0, 0, error="no luck"))

    done = bench(run, SUITE, failing)
    assert (done.now, done.there, done.failed, done.reason) == (1, 15, 1, "no luck")
    assert bench(run, SUITE, failing).now == 0
    assert bench(run, SUITE, local(editor), retry_failed=True).there == 16


def test_a_case_whose_picture_changed_is_refused(editor, tmp_path):
    run = Run.create(tmp_path, manifest(editor, FAST[:1]))
    bench(run, SUITE, local(editor))
    path = run.folder / "cases" / SUITE.entries[2].id / "input.png"
    Image.new("RGB", (128, 128)).save(path)
    assert bench(run, SUITE, local(editor)).now == 0
    with pytest.raises(BadRun, match=f"picture or mask of '{SUITE.entries[2].id}' is another"):
        bench(Run.create(tmp_path, manifest(editor)), SUITE, local(editor))


def test_shards_that_begin_together_make_one_run(editor, tmp_path):
    """Real processes, each with a method of its own; what a kill left of a manifest is in nobody's way."""
    (tmp_path / ".retouch-0123.tmp").touch()
    script = (
        "import sys\nfrom retouch.runs.manifest import Manifest\nfrom retouch.runs.run import Run\n"
        "for i in range(20):\n    m = {f'{sys.argv[2]}.{i}': {'method': 'ddim', 'settings': {}}}\n"
        "    Run.create(sys.argv[1], Manifest({'suite': 's'}, {'name': 'm', 'fingerprint': ''}, m, [0]))"
    )
    work = [subprocess.Popen([sys.executable, "-c", script, tmp_path, str(number)]) for number in range(4)]
    assert [one.wait(120) for one in work] == [0] * 4
    assert len(Run.open(tmp_path).manifest.methods) == 80


def test_the_environment_of_a_run_is_the_one_it_was_begun_in(editor, tmp_path):
    first = manifest(editor)
    threads = first.environment["threads"]
    for count in (threads, threads + 1, threads + 1, threads):
        run = Run.create(tmp_path, replace(first, environment={**first.environment, "threads": count, "date": "x"}))
    assert run.manifest.environment["threads"] == threads
    assert [one["threads"] for one in run.manifest.environment["later"]] == [threads + 1]


def test_shards_make_one_run(editor, tmp_path):
    for share in (1, 0, 2):
        bench(Run.create(tmp_path, manifest(editor)), SUITE, local(editor), shard=(share, 3))
    run = Run.open(tmp_path)
    assert len(run.records()) == 8 and len(list((tmp_path / "records").iterdir())) == 3
    assert [record.case for record in run.records()] == sorted(record.case for record in run.records())


def test_two_processes_cannot_work_on_one_shard(editor, tmp_path):
    run = Run.create(tmp_path, manifest(editor))
    with Writer.opened(run), pytest.raises(BadRun, match="another process"), Writer.opened(run):
        raise AssertionError
    with Writer.opened(run):
        pass


def test_a_failure_is_recorded_and_the_others_go_on(editor, tmp_path):
    def faulty(works):
        for work in works:
            broken = replace(work, variants={**work.variants, FAST[0]: replace(work.variants[FAST[0]], method="null")})
            yield from local(editor)([broken])

    run = Run.create(tmp_path, manifest(editor))
    done = bench(run, SUITE, faulty)
    assert (done.failed, done.there) == (4, 4) and "no method 'null'" in done.reason
    assert {record.error[:21] for record in run.records() if record.error} == {"there is no method 'n"}
    again = Counting(editor)
    assert bench(run, SUITE, again).now == 0 and not again.asked
    done = bench(run, SUITE, again, retry_failed=True)
    assert (done.failed, done.now) == (0, 4) and not any(record.error for record in run.records())


def test_the_samples_of_one_fit_share_it(editor, tmp_path):
    label = "imagic:embedding_steps=2,network_steps=2,num_inference_steps=2,batch_size=1"
    run = Run.create(tmp_path, manifest(editor, [label], seeds=(3, 4)))
    one = DioramaSuite(["colour"], count=1)
    run = replace(run, manifest=replace(run.manifest, suite=one.identity))
    bench(run, one, local(editor))
    first, second = run.records()
    case = one.case(one.entries[0])
    fit = editor.fit(
        case.picture, target=case.entry.target, method="imagic", seed=0, embedding_steps=2, network_steps=2,
        batch_size=1,
    )  # fmt: skip
    expected = editor.variations(case.picture, fit, seeds=(3, 4), num_inference_steps=2)
    assert [run.edit(r).tobytes() for r in (first, second)] == [r.image.tobytes() for r in expected]
    assert first.evaluations == second.evaluations == 2 * 2 + 2 * 2
    assert (tmp_path / "fits").is_dir() and not list((tmp_path / "fits").iterdir())  # the checkpoint came and went


def test_the_suite_s_settings_reach_the_methods_that_have_them(editor, tmp_path):
    suite = DioramaSuite(["colour"], count=1)
    suite.entries = [replace(entry, settings={"strength": 0.5, "quantile": 0.9}) for entry in suite.entries]
    label, case = "sdedit:num_inference_steps=4", suite.case(suite.entries[0])
    for suited, strength in ((True, {"strength": 0.5}), (False, {})):
        run = Run.create(tmp_path / str(suited), manifest(editor, [label], suite=suite))
        bench(run, suite, local(editor), suited=suited)
        expected = editor.edit(
            case.picture, source=case.entry.source, target=case.entry.target, method="sdedit", num_inference_steps=4,
            **strength,
        )  # fmt: skip
        assert run.edit(run.records()[0]).tobytes() == expected.image.tobytes()


def test_captions_are_made_once(editor, tmp_path):
    case = SUITE.case(SUITE.entries[0])
    case.picture.save(tmp_path / "a.png")
    (tmp_path / "edits.csv").write_text(f"picture,target\na.png,{case.entry.target.replace(',', '')}\n")
    suite, asked = Table(tmp_path / "edits.csv"), []

    def caption(image):
        asked.append(image.size)
        return case.entry.source

    for seeds in ((0,), (0, 1)):
        run = Run.create(tmp_path / "run", manifest(editor, seeds=seeds, suite=suite))
        bench(run, suite, local(editor), captioner=caption)
    assert len(asked) == 1 and run.case(suite.entries[0].id).entry.source == case.entry.source
    assert len(run.records()) == 4 and not any(record.error for record in run.records())


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


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"suite": {"suite": "diorama", "kinds": ["pose"]}}, "of other edits"),
        ({"model": {"name": "diorama", "fingerprint": "else"}}, "made with the model"),
        ({"retouch": "0.0.1"}, r"made by retouch .* and this is 0\.0\.1"),
        ({"methods": {FAST[0]: {"method": "ddim", "settings": {"num_inference_steps": 3}}}}, "with other settings"),
    ],
)
def test_a_run_is_not_continued_by_other_work(editor, finished, change, says):
    before = (finished.folder / "run.json").read_bytes()
    with pytest.raises(BadRun, match=says):
        Run.create(finished.folder, replace(manifest(editor), **change))
    assert (finished.folder / "run.json").read_bytes() == before


def test_a_run_goes_on_with_more_scenes(editor, tmp_path):
    def grown(count):
        suite = DioramaSuite(["colour"], count)
        return Run.create(tmp_path / "run", manifest(editor, FAST[:1], suite=suite)), suite

    asked = []
    for count in (1, 3, 2):  # the last has nothing left to do, and takes nothing away
        run, suite = grown(count)
        counting = Counting(editor)
        bench(run, suite, counting)
        asked.append([case for case, _, _ in counting.asked])
    assert asked == [["colour-1000"], ["colour-1001", "colour-1002"], []]
    assert Run.open(run.folder).manifest.suite["count"] == 3 and len(run.records()) == 3


def test_a_folder_that_is_no_run_is_left_alone(editor, tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(BadRun, match="is not empty"):
        Run.create(tmp_path, manifest(editor))
    for text in ("", "[]", '{"format": 99, "retouch": "9.0"}'):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(BadRun, match=r"holds no run|another version"):
            Run.open(tmp_path)


def test_a_full_disk_stops_cleanly_and_the_run_goes_on(editor, tmp_path):
    run, limits = Run.create(tmp_path, manifest(editor)), resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def filling(works):
        for number, made in enumerate(local(editor)(works)):
            if number == 2:
                resource.setrlimit(resource.RLIMIT_FSIZE, (600, limits[1]))
            yield made

    try:
        with pytest.raises(RetouchError, match="could not be written"):
            bench(run, SUITE, filling)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert len(run.records()) == 2 and not [p for p in tmp_path.rglob("*") if p.name.endswith(".tmp")]
    assert bench(run, SUITE, local(editor)).now == 6


def test_variants_are_labelled():
    found = read_variants(["ddim"], ["sdedit:strength=0.5", "weak=sdedit:strength=0.3,num_inference_steps=5"])
    assert list(found) == ["ddim", "sdedit:strength=0.5", "weak"]
    assert found["weak"].settings == {"strength": 0.3, "num_inference_steps": 5}
    for methods, variants, says in [
        (["ddim"], ["ddim=sdedit:strength=0.5"], "two methods are called 'ddim'"),
        ([], ["ddim:strength=0.5"], "strength"),
        ([], ["nothing:a=1"], "no method 'nothing'"),
        ([], ["=ddim"], "expected METHOD"),
    ]:
        with pytest.raises(BadParameter, match=says):
            read_variants(methods, variants)


def test_outputs_of_others_stand_beside_ours(editor, tmp_path):
    (tmp_path / "theirs").mkdir()
    for entry in SUITE.entries[:3]:
        SUITE.case(entry).truth.resize((64, 64)).save(tmp_path / "theirs" / f"{entry.id}.png")
    run = Run.create(tmp_path / "run", manifest(editor, FAST[:1], seeds=(2, 3)))
    methods = {**run.manifest.methods, "theirs": {"method": "", "settings": {}}}
    run = Run.create(run.folder, replace(run.manifest, methods=methods))
    found = find_outputs(SUITE, tmp_path / "theirs")
    assert list(found) == [entry.id for entry in SUITE.entries[:3]]
    for share in (1, 0, 0):
        take_outputs(run, SUITE, "theirs", found, shard=(share, 2), skip=[SUITE.entries[2].id] if share else [])
        assert len(run.records()) == (2 if share == 0 else 0)
    take_outputs(run, SUITE, "theirs", found)
    assert bench(run, SUITE, local(editor)).now == 8
    measure(run, measures_for(None, ["psnr"])[0])
    gathered = gather([run])  # one output of theirs stands for all seeds
    assert (gathered.made, gathered.wanted, gathered.lacking) == (11, 12, {SUITE.entries[3].id: ["theirs"]})
    records = [record for record in run.records() if record.method == "theirs"]
    assert len(records) == 3 and {run.edit(record).size for record in records} == {(128, 128)}
    run.edit_path(records[0]).unlink()  # nor where its picture is gone: its measures are kept
    SUITE.case(SUITE.entries[0]).picture.save(found[SUITE.entries[0].id])
    with pytest.raises(BadRun, match=r"another picture than 'theirs' has .* a label of its own"):
        take_outputs(run, SUITE, "theirs", found)
    with pytest.raises(BadParameter, match="holds no output of this suite"):
        find_outputs(SUITE, tmp_path)
    with pytest.raises(BadParameter, match="expected LABEL=FOLDER"):
        read_outputs(["x"])
    with pytest.raises(BadParameter, match="two --outputs are called 'a'"):
        read_outputs([f"a={tmp_path}", f"a={tmp_path}"])
    with pytest.raises(BadParameter, match="a method and --outputs are both called"):
        begin(tmp_path / "other", SUITE, editor, read_variants([], FAST), others=FAST[:1])


def test_names_become_files_that_do_not_clash():
    names = ["a b", "a_b", "a/b", "../a", ".hidden", "x" * 200, "x" * 201, "plain-1.png", "übung", "漢" * 90]
    files = [slug(name) for name in names]
    assert len(set(files)) == len(names) and not any("/" in name or name.startswith(".") for name in files)
    assert slug("plain-1.png") == "plain-1.png" and max(len(name.encode()) for name in files) < 100


SCRIPT = """
import sys
import torch
torch.set_num_threads(1)
from retouch.cli import main
sys.argv = ["retouch", "bench", "diorama", "-o", sys.argv[1], "--methods", "none", "--variant",
    "a=ddim:num_inference_steps=2", "--variant", "b=sdedit:num_inference_steps=2", "--kinds", "colour,pose",
    "--count", "6", "--quiet"]
main()
"""


def test_killed_at_random_moments_nothing_is_lost_or_repeated(tmp_path):
    """Real SIGKILLs while the command line works; edits seen on the disk before a kill keep their very bytes."""
    folder, random, seen = tmp_path / "run", np.random.default_rng(0), {}
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], stderr=subprocess.PIPE) as process:
            begun = len(list(folder.glob("edits/*/*.png")))
            while process.poll() is None and len(list(folder.glob("edits/*/*.png"))) < begun + 2:
                time.sleep(0.05)
            time.sleep(random.uniform(0, 1))
            process.kill()
        for path in folder.glob("edits/*/*.png"):
            key = str(path.relative_to(folder))
            assert seen.setdefault(key, path.read_bytes()) == path.read_bytes()
    assert len(seen) >= 6
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run = Run.open(folder)
    assert len(run.records()) == 24 == len(results(run).dropna(subset=["psnr"]))
    lines = [json.loads(line) for line in (folder / "records" / "0-of-1.jsonl").read_text().splitlines()]
    assert len(lines) == 24 and all((folder / key).read_bytes() == before for key, before in seen.items())
    left = list(folder.rglob(".retouch-*"))
    assert (folder / "results.parquet").exists() and len(left) <= 3  # what a kill left is cleared when it is old
    for path in left:
        os.utime(path, (0, 0))
    Run.create(folder, run.manifest)
    assert not list(folder.rglob(".retouch-*"))


def test_memory_does_not_grow_with_the_cases(editor, tmp_path):
    """Cases come one by one: when one is asked for, the edits of all before it are on the disk already."""
    run, open_cases = Run.create(tmp_path, manifest(editor)), []

    def watching(works):
        for number, work in enumerate(works):
            assert isinstance(work, Work)
            open_cases.append(len(run.records()) == 2 * number)
            for label, seed in work.wanted:
                entry = work.case.entry
                yield Made(Record(entry.id, entry.kind, label, seed, 0.1, 1), Image.new("RGB", (8, 8)))

    bench(run, SUITE, watching)
    assert open_cases == [True] * 4
    assert asdict(run.records()[0])["seconds"] == 0.1
