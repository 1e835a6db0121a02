"""Batches: tables and folders read, checked as a whole, made, gone on with after kills and changes, and summed up."""

import csv
import json
import subprocess
import sys
import time
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from retouch.batch.read import Defaults, read_batch
from retouch.batch.run import Batch
from retouch.batch.summary import write_summary
from retouch.editor import Editor
from retouch.errors import RetouchError
from retouch.picture import read_recipe, write_picture
from retouch.runs.edits import Made, local
from retouch.runs.manifest import Record
from tests.test_cli import retouch

SOURCE, TARGET = "a red cat sitting on a beach", "a blue cat sitting on a beach"
QUICK = "num_inference_steps=2"


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate(("cat", "dog", "owl")):
        Image.linear_gradient("L").rotate(90 * number).resize((48, 40)).convert("RGB").save(folder / f"{name}.png")
    return folder


def table(folder, *rows):
    path = folder / "edits.csv"
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def instead(works, fail=()):
    """An executor that paints every picture in the colour that its target names."""
    for work in works:
        [(label, seed)] = work.wanted
        entry = work.case.entry
        error = "no luck" if entry.target in fail else ""
        image = None if error else Image.new("RGB", work.case.picture.size, entry.target)
        record = Record(entry.id, entry.kind, label, seed, 1.5, 3, error=error)
        yield Made(record, image, {"method": label, "source": entry.source, "untouched": 0.25})


def made(path, out, executor=instead, **defaults):
    """The batch of a table, run; its summary and what was made now."""
    read = read_batch(path, Defaults({"settings": {}, **defaults}))
    assert not read.problems.sentences()
    rows = [(row, row.digest("a model")) for row in read.rows]
    out.mkdir(exist_ok=True)
    batch = Batch(out, rows)
    batch.find_finished()
    batch.run(executor)
    return write_summary(batch, rows, f"Batch of {path.name}"), batch


def problems(path, out, captioned=True, **defaults):
    from retouch.batch.check import check_batch

    with pytest.raises(RetouchError) as told:
        check_batch(read_batch(path, Defaults({"settings": {}, **defaults})), out, captioned)
    return str(told.value).splitlines()[1:]


def test_rows_of_csv_and_jsonl_ask_for_the_same_edits(pictures):
    given = {"picture": "cat.png", "source": "a cat", "target": "a dog", "method": "prox-npi", "seed": 3,
             "strength": 0.5, "negative_prompt": "rain"}  # fmt: skip
    of_csv = {**given, "settings": "quantile=0.6;num_inference_steps=5", "region": "1,2,30,31"}
    of_json = {**given, "settings": {"quantile": 0.6, "num_inference_steps": 5}, "region": [1, 2, 30, 31]}
    (pictures / "edits.jsonl").write_text(json.dumps(of_json))
    ours = [read_batch(path, Defaults({"settings": {}})).rows[0] for path in
            (table(pictures, of_csv), pictures / "edits.jsonl")]  # fmt: skip
    assert ours[0].variant == ours[1].variant
    assert ours[0].variant.asked == {"negative_prompt": "rain", "strength": 0.5, "region": (1, 2, 30, 31)}
    assert {row.seed for row in ours} == {3} and len({row.digest("") for row in ours}) == 1


def test_a_table_may_come_as_text(pictures, monkeypatch):
    from retouch.batch.read import read_stream

    monkeypatch.chdir(pictures)
    for text in ("\ufeffpicture,target\ncat.png,red\n", '{"picture": "cat.png", "target": "red"}\n'):
        [row] = read_stream(text, Defaults({"settings": {}})).rows
        assert (row.where.split()[0], row.picture.resolve(), row.target) == ("line", pictures / "cat.png", "red")


def test_columns_may_be_called_from_and_to_and_a_row_goes_over_the_defaults(pictures):
    path = table(pictures, {"picture": "cat.png", "from": "a cat", "to": "", "settings": "quantile=0.6"})
    defaults = {"target": "a dog", "method": "prox-npi", "settings": {"quantile": "0.1", "dilation": "2"}}
    [row] = read_batch(path, Defaults(defaults)).rows
    assert (row.source, row.target) == ("a cat", "a dog")
    assert row.variant.settings == {"quantile": 0.6, "dilation": 2}


def test_outputs_are_called_after_the_pictures_and_never_twice(pictures):
    rows = [{"picture": name, "target": "x", "output": out} for name, out in
            (("cat.png", ""), ("cat.png", ""), ("dog.png", "cat-2"), ("owl.png", "own.webp"),
             ("cat.png", ""))]  # fmt: skip
    names = [row.output for row in read_batch(table(pictures, *rows), Defaults({"settings": {}})).rows]
    assert names == ["cat.png", "cat-3.png", "cat-2.png", "own.webp", "cat-4.png"]


def test_every_problem_is_named_with_its_row_in_order(pictures, tmp_path):
    (pictures / "text.png").write_text("no picture")
    path = table(
        pictures,
        {"picture": "cat.png", "target": "", "method": "prox-npi", "settings": "quantil=1", "output": "a.png"},
        {"picture": "nope.png", "target": "x", "seed": "first", "mask": "nomask.png"},
        {"picture": "text.png", "target": "x", "method": "proxnpi"},
        {"picture": "", "target": "x"},
        {"picture": "dog.png", "target": "x", "strength": "2", "keep": "all"},
        {"picture": "dog.png", "target": "x", "output": "same.png"},
        {"picture": "owl.png", "target": "x", "output": "SAME.png"},
        {"picture": "owl.png", "target": "x", "output": "../up.png"},
        {"picture": "owl.png", "target": "x", "settings": "quantile=7"},
    )
    found = problems(path, tmp_path / "out")
    for line, words in (
        (2, "did you mean quantile"), (2, "no target"), (3, "'first'"), (3, "nope.png"), (3, "nomask.png"),
        (4, "did you mean prox-npi"), (4, "not a picture"), (5, "no picture"), (6, "strength is 2"),
        (6, "keep is 'all'"),
        (8, "is that of line 7"), (9, "no plain name"), (10, "quantile is 7"),
    ):  # fmt: skip
        assert any(one.startswith(f"line {line}:") and words in one for one in found), (line, words, found)
    lines = [int(one.removeprefix("line ").partition(":")[0]) for one in found]
    assert lines == sorted(lines) and not (tmp_path / "out").exists()


def test_a_column_that_is_nearly_one_is_refused_and_another_is_left_alone(pictures, tmp_path):
    path = table(pictures, {"picture": "cat.png", "target": "red", "photographer": "me"})
    assert read_batch(path, Defaults({"settings": {}})).unread == ["photographer"]
    assert "did you mean negative" in problems(
        table(pictures, {"picture": "cat.png", "target": "red", "negativ": "x"}), tmp_path / "out"
    )[0]  # fmt: skip
    path = table(pictures, {"Picture": "cat.png", "To": "red", "target_id": 3})
    [row] = (read := read_batch(path, Defaults({"settings": {}}))).rows
    assert row.target == "red" and read.unread == ["target_id"] and not read.problems.sentences()


def test_a_source_that_nobody_can_propose_is_a_problem(pictures, tmp_path):
    path = table(
        pictures, {"picture": "cat.png", "target": "x"}, {"picture": "cat.png", "target": "x", "method": "sdedit"}
    )
    [sentence] = problems(path, tmp_path / "out", captioned=False)
    assert sentence.startswith("line 2: ") and "--captioner" in sentence


def test_a_picture_too_large_for_its_format_is_found_before_the_work(pictures, tmp_path):
    Image.new("L", (16_400, 2)).save(pictures / "wide.png")
    path = table(pictures, {"picture": "wide.png", "target": "x", "output": "wide.webp"})
    [sentence] = problems(path, tmp_path / "out")
    assert "16383" in sentence and "16400 x 2" in sentence


def test_a_file_that_no_batch_made_is_never_replaced(pictures, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    write_picture(Image.new("RGB", (8, 8)), out / "cat.png", recipe={"method": "ddim"})
    assert "was not made by a batch" in problems(table(pictures, {"picture": "cat.png", "target": "x"}), out)[0]


def test_a_folder_is_an_edit_of_every_picture_in_it(pictures):
    (pictures / "notes.txt").write_text("not a picture")
    rows = read_batch(pictures, Defaults({"target": "x", "settings": {}})).rows
    assert [(row.shown, row.output, row.target) for row in rows] == [
        (f"{name}.png", f"{name}.png", "x") for name in ("cat", "dog", "owl")
    ]


def test_what_is_finished_is_not_made_again_and_what_changed_is(pictures, tmp_path):
    out, rows = tmp_path / "out", [{"picture": "cat.png", "target": "red"}, {"picture": "dog.png", "target": "blue"}]
    summary, batch = made(table(pictures, *rows), out)
    assert (summary.there, batch.made) == (2, 2)
    first = (out / "cat.png").read_bytes()
    rows[1]["target"] = "green"
    summary, batch = made(table(pictures, *rows), out)
    assert (summary.there, batch.made) == (2, 1) and (out / "cat.png").read_bytes() == first
    assert Image.open(out / "dog.png").getpixel((0, 0)) == (0, 128, 0)
    Image.new("RGB", (48, 40), "white").save(pictures / "cat.png")  # another picture under the old name
    assert made(table(pictures, *rows), out)[1].made == 1
    assert made(table(pictures, *rows), out, seed=7)[1].made == 2


def test_a_row_that_fails_is_told_and_tried_again_and_the_others_are_made(pictures, tmp_path):
    out, path = tmp_path / "out", table(
        pictures, {"picture": "cat.png", "target": "red"}, {"picture": "dog.png", "target": "blue"},
        {"picture": "owl.png", "target": "lime"},
    )  # fmt: skip
    (pictures / "owl.png").write_bytes((pictures / "owl.png").read_bytes()[:-40])  # cut off: found as it is decoded
    summary, batch = made(path, out, lambda works: instead(works, fail=("blue",)))
    assert (summary.there, summary.failed, batch.made) == (1, 2, 1)
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [one["status"] for one in lines] == ["made", "failed", "failed"]
    assert lines[1]["error"] == "no luck" and "damaged" in lines[2]["error"]
    assert sorted(path.name for path in out.iterdir()) == ["cat.png", "index.html", "results.jsonl"]
    Image.new("RGB", (8, 8)).save(pictures / "owl.png")
    assert made(path, out)[1].made == 2


@pytest.mark.slow
def test_a_full_disk_is_a_sentence_and_what_is_finished_stays(painted, monkeypatch):
    from retouch.batch import run
    from retouch.errors import BadPicture

    written = []

    def full(image, path, **given):
        if written:
            raise BadPicture(f"{path} could not be written (No space left on device): check the disk.")
        written.append(path)
        write_picture(image, path, **given)

    monkeypatch.setattr(run, "write_picture", full)
    row = {"picture": "cat.png", "target": TARGET, "method": "sdedit", "settings": QUICK}
    path = table(painted, row, {**row, "seed": 1}, {**row, "seed": 2})
    done = retouch("batch", path, "-o", painted / "out", "--quiet")
    assert done.returncode == 2 and "No space left" in done.stderr and "Traceback" not in done.stderr
    lines = [json.loads(line)["status"] for line in (painted / "out" / "results.jsonl").read_text().splitlines()]
    assert lines == ["made", "left", "left"] and (painted / "out" / "cat.png").exists()


class _Texts(HTMLParser):
    """The tags of a page, and its texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def test_the_summary_shows_everything_in_one_file_and_no_text_becomes_markup(pictures, tmp_path):
    evil = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    path = pictures / "edits.jsonl"
    rows = [{"picture": "cat.png", "target": "red", "source": evil}, {"picture": "dog.png", "target": evil}]
    path.write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "out"
    made(path, out, lambda works: instead(works, fail=(evil,)))
    text = (out / "index.html").read_text()
    page = _Texts(text)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe")]
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == 2 and all(set(one) == {"src", "alt", "loading"} for one in images)
    assert all(one["src"].startswith("data:image/") for one in images)
    told = " ".join(page.texts)
    assert evil in told and told.index("1 failed") < told.index("Before and after") and "25% of the pixels" in told


def test_two_batches_do_not_work_in_one_folder_and_shards_do(tmp_path):
    from retouch.batch.run import opened

    with opened(tmp_path / "out"), pytest.raises(RetouchError, match="another batch works"), opened(tmp_path / "out"):
        pass
    with opened(tmp_path / "out", 2), opened(tmp_path / "out", 2):
        pass


def test_a_shard_makes_its_own_rows_and_keeps_what_another_noted(pictures, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    path = table(pictures, *({"picture": f"{name}.png", "target": colour} for name, colour in
                             (("cat", "red"), ("dog", "blue"), ("owl", "lime"))))  # fmt: skip
    rows = [(row, row.digest("")) for row in read_batch(path, Defaults({"settings": {}})).rows]
    for share, there in ((1, (0, 1, 2)), (0, (2, 1, 0))):
        batch = Batch(out, rows[share::2])
        batch.find_finished()
        batch.run(lambda works: instead(works, fail=("blue",)))
        summary = write_summary(batch, rows, "x")
        assert (summary.there, summary.failed, summary.left) == there


@pytest.fixture(scope="module")
def editor():
    return Editor.from_pretrained("diorama")


@pytest.fixture
def painted(tmp_path):
    for name, seed in (("cat", 3), ("cub", 5)):
        done = retouch("diorama", "paint", SOURCE, "--seed", seed, "-o", tmp_path / f"{name}.png")
        assert done.returncode == 0
    return tmp_path


@pytest.mark.slow
def test_edits_of_a_batch_are_those_of_the_editor_fits_included(editor, painted):
    common = {"picture": "cat.png", "source": SOURCE, "target": TARGET}
    fit = "embedding_steps=1;network_steps=1;num_inference_steps=2"
    path = table(painted, {**common, "method": "prox-npi", "settings": QUICK, "negative_prompt": "rain"},
                 {**common, "method": "imagic", "settings": fit, "seed": 4})  # fmt: skip
    made(path, painted / "out", local(editor))
    steps = {"num_inference_steps": 2}
    alone = [
        editor.edit(painted / "cat.png", source=SOURCE, target=TARGET, method="prox-npi", negative_prompt="rain",
                    **steps),
        editor.edit(painted / "cat.png", source=SOURCE, target=TARGET, method="imagic", seed=4, embedding_steps=1,
                    network_steps=1, **steps),
    ]  # fmt: skip
    for name, result in zip(("cat.png", "cat-2.png"), alone, strict=True):
        assert np.array_equal(np.asarray(Image.open(painted / "out" / name)), np.asarray(result.image))
        recipe = read_recipe(painted / "out" / name)
        assert len(recipe.pop("batch")["digest"]) == 24 and recipe == json.loads(json.dumps(result.recipe))
    assert not (painted / "out" / ".fits").exists()


@pytest.mark.slow
def test_the_command_makes_a_table_tells_json_and_proposes_captions(painted):
    path = table(painted, {"picture": "cat.png", "to": TARGET, "method": "prox-npi", "settings": QUICK},
                 {"picture": "cub.png", "to": "a cat", "method": "masactrl", "settings": QUICK})  # fmt: skip
    done = retouch("batch", path, "-o", painted / "out", "--json", "--batch", "2", "--quiet")
    assert done.returncode == 1, done.stderr
    told = {one["output"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert told["cat.png"]["captioned"] and "cat" in told["cat.png"]["source"] and told["cat.png"]["seconds"] > 0
    assert "start_step" in told["cub.png"]["error"] and "1 of 2 edits failed" in done.stderr
    assert read_recipe(painted / "out" / "cat.png")["source"] == told["cat.png"]["source"]


@pytest.mark.slow
def test_a_table_with_faults_ends_with_code_2_before_anything_is_written(painted):
    done = retouch("batch", table(painted, {"picture": "nope.png", "to": ""}), "-o", painted / "out")
    assert done.returncode == 2 and "line 2: there is no target" in done.stderr and "nope.png" in done.stderr
    assert not (painted / "out").exists() and "Traceback" not in done.stderr


COMMAND = "import sys, torch; torch.set_num_threads(1); from retouch.cli import main; main()"


@pytest.mark.slow
def test_killed_and_interrupted_nothing_is_lost_or_made_again(painted):
    """A real SIGKILL and a real Ctrl-C while the command works: what was on the disk keeps its very bytes."""
    import signal

    rows = [{"picture": "cat.png", "source": SOURCE, "target": TARGET, "method": "sdedit", "seed": seed,
             "settings": "num_inference_steps=4"} for seed in range(8)]  # fmt: skip
    path, out, seen = table(painted, *rows), painted / "out", {}
    command = [sys.executable, "-c", COMMAND, "batch", str(path), "-o", str(out), "--quiet"]
    for how in (signal.SIGKILL, signal.SIGINT):
        begun = len(list(out.glob("*.png")))
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            while process.poll() is None and len(list(out.glob("*.png"))) < begun + 1:
                time.sleep(0.02)
            process.send_signal(how)
            said = process.stderr.read()
        assert process.returncode in ((130,) if how == signal.SIGINT else (-9,)), said
        for one in out.glob("*.png"):
            assert seen.setdefault(one.name, one.read_bytes()) == one.read_bytes()
    assert "interrupted" in said and "the same command goes on" in said and "Traceback" not in said
    assert (out / "index.html").exists() and len((out / "results.jsonl").read_text().splitlines()) == 8
    assert 2 <= len(seen) < 8
    assert retouch(*command[3:]).returncode == 0
    assert len(list(out.glob("*.png"))) == 8 and all((out / name).read_bytes() == was for name, was in seen.items())
