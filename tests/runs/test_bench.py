"""The runner: every edit is made once, costs what it costs alone, and fails for itself."""

import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from PIL import Image

from retouch.diorama.suite import DioramaSuite
from retouch.report import gather
from retouch.runs.bench import bench
from retouch.runs.edits import Made, local
from retouch.runs.files import BadRun
from retouch.runs.manifest import Record
from retouch.runs.run import Run
from retouch.runs.writer import Writer
from retouch.suites.table import Table
from tests.runs.quick import FAST, SUITE, Counting, manifest

pytestmark = pytest.mark.slow


def test_every_case_method_and_seed_has_its_edit(editor, finished):
    records = finished.records()
    assert len(records) == len({record.key for record in records}) == 4 * 2 * 2
    assert not any(record.error for record in records)
    entry = SUITE.entries[0]
    alone = editor.edit(
        SUITE.case(entry).picture, source=entry.source, target=entry.target, method="sdedit", seed=1,
        keep="off", num_inference_steps=2,
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
    expected = editor.variations(case.picture, fit, seeds=(3, 4), keep="off", num_inference_steps=2)
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
            keep="off", **strength,
        )  # fmt: skip
        assert run.edit(run.records()[0]).tobytes() == expected.image.tobytes()


def test_what_an_editor_raises_in_lines_is_kept_in_one(editor, tmp_path):
    class Faulty:
        """Fails as a foreign library does."""

        model = editor.model

        def edit(self, picture, **given):
            raise ValueError("expected 3 channels\n  but got 4")

    suite = DioramaSuite(["colour"], count=1)
    run = Run.create(tmp_path, manifest(editor, FAST[:1], suite=suite))
    assert bench(run, suite, local(Faulty())).reason == "ValueError: expected 3 channels but got 4"


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
