"""A run's folder: what goes on with it and what is refused, and the edits of others beside ours."""

import resource
import signal
from dataclasses import replace

import pytest

from retouch.diorama.suite import DioramaSuite
from retouch.errors import BadParameter, RetouchError
from retouch.measures.registry import measures_for
from retouch.report import gather
from retouch.runs.bench import begin, bench
from retouch.runs.edits import local
from retouch.runs.files import BadRun, slug
from retouch.runs.measuring import measure
from retouch.runs.outputs import find_outputs, read_outputs, take_outputs
from retouch.runs.run import Run
from retouch.runs.variants import read_variants
from tests.runs.quick import FAST, SUITE, Counting, manifest


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"suite": {"suite": "diorama", "kinds": ["pose"]}},
            r"of other edits than this suite's \(kinds colour,pose, and this is pose; start 1000, and this is none\)",
        ),
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
    with pytest.raises(BadRun, match="holds no run: name a folder that"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [(text, r"run\.json' is damaged") for text in ("", "[]", "{}", '{"format": 1')]
    + [('{"format": 99, "retouch": "9.0"}', r"was made by another version of retouch \(9\.0\)")],
)
def test_a_run_that_cannot_be_read_is_not_called_none(tmp_path, text, says):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(BadRun, match=says):
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
    (mixed,) = read_variants([], ["mix=masactrl:guidance=cfg++,start_step=2"]).values()
    assert mixed.kind.parts["guidance"] == "cfg-plus-plus" and mixed.settings == {"start_step": 2}
    assert mixed.stored()["parts"] == {"guidance": "cfg++"} and "parts" not in found["weak"].stored()
    for methods, variants, says in [
        ([], ["ddim:guidance=none,guidance_scale=3"], "guidance_scale"),
        ([], ["imagic:guidance=none"], "cannot be exchanged"),
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
    assert list(found) == [entry.id for entry in SUITE.entries[:3]] == list(find_outputs(SUITE, tmp_path))
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
        find_outputs(SUITE, run.folder / "records")
    name = SUITE.entries[0].id
    (tmp_path / "capitals").mkdir()
    SUITE.case(SUITE.entries[0]).picture.save(tmp_path / "capitals" / f"{name}.PNG")
    assert list(find_outputs(SUITE, tmp_path / "capitals")) == [name]
    (tmp_path / "capitals" / f"{name}.PNG").rename(tmp_path / "capitals" / f"{name.upper()}.png")
    with pytest.raises(BadParameter, match=rf"\(there is '{name.upper()}\.png': names agree in upper"):
        find_outputs(SUITE, tmp_path / "capitals")
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
