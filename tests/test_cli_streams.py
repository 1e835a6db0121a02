"""What commands print and read: names whole, no control characters, a picture through - and nothing beside it."""

import io
import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from retouch.cli.messages import note, tell_json, tell_table
from retouch.explore.sweep import names_of, read_etas
from retouch.methods.imagic import Imagic
from retouch.methods.registry import methods
from retouch.parameters import parameters_of
from retouch.picture import png_bytes, recipe_from_bytes
from tests.test_cli import SOURCE, TARGET, retouch

pytestmark = pytest.mark.slow

FEW = ("--set", "num_inference_steps=2")


def piped(data, *arguments):
    """The command line as a process, with bytes for standard input: (exit code, bytes, text of stderr)."""
    command = [sys.executable, "-c", "from retouch.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(command, input=data, capture_output=True)
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.fixture(scope="module")
def cat(tmp_path_factory):
    path = tmp_path_factory.mktemp("painted") / "cat.png"
    assert retouch("diorama", "paint", SOURCE, "--seed", 3, "-o", path).returncode == 0
    return path


@pytest.mark.parametrize("columns", [20, 80])
@pytest.mark.parametrize("name", [None, *methods()])
def test_no_name_is_cut_however_narrow_the_terminal(monkeypatch, columns, name):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = retouch("methods", *filter(None, [name])).stdout
    words = set(shown.replace(",", " ").split())
    expected = [p.name for p in parameters_of(methods()[name])] if name else list(methods())
    assert set(expected) <= words and "…" not in shown
    if name:
        choices = {choice for p in parameters_of(methods()[name]) for choice in p.choices}
        assert choices <= words


def test_tables_are_as_wide_as_the_terminal_and_no_wider(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    tell_table(("name", "meaning"), [("a-rather-long-name", "several words that go on and on and on and on")])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= 40 and lines[1].startswith("a-rather-long-name  several words")
    assert " ".join(" ".join(lines[1:]).split()) == "a-rather-long-name several words that go on and on and on and on"


def test_what_users_name_is_shown_as_it_is_but_for_control_characters(capsys):
    tell_table(("name",), [("[red]\x1b[31m",)])
    note("wrote a\x1b[31m\n\u202eb.png")
    tell_json({"a\x9b": "λ\x7f"})
    out, err = capsys.readouterr()
    assert "[red]\\x1b[31m" in out and err == "wrote a\\x1b[31m\\n\\u202eb.png\n"
    assert json.loads(out.splitlines()[-1]) == {"a\x9b": "λ\x7f"} and "λ\\u007f" in out and "\x9b" not in out


def test_a_name_with_control_characters_is_escaped_wherever_it_is_said(cat, tmp_path):
    strange, out = tmp_path / "a\x1b[31m.png", tmp_path / "o\x1b]0;x\x07.png"
    strange.write_bytes(cat.read_bytes())
    done = [
        retouch("edit", strange, "--to", TARGET, "--method", "sdedit", *FEW, "-o", out),
        retouch("edit", strange, "--to", TARGET, "--method", "sdedit", *FEW, "-o", out),
        retouch("diorama", "judge", strange),
        retouch("mask", strange, "--truth", "-o", tmp_path / "m\x1b.png"),
        retouch("recipe", strange.with_name("no\x1b.png")),
    ]
    assert [one.returncode for one in done] == [0, 2, 0, 0, 2]
    said = "".join(one.stdout + one.stderr for one in done)
    assert "a\\x1b[31m.png" in said and "o\\x1b]0;x\\x07.png" in said
    assert not any(ord(c) < 32 and c != "\n" for c in said)


def test_a_picture_goes_in_and_out_through_a_pipe_and_nothing_else(cat):
    code, picture, said = piped(
        cat.read_bytes(), "edit", "-", "--to", TARGET, "--method", "sdedit", *FEW, "-o", "-", "--seed", 4
    )
    assert code == 0 and "standard output: " in said
    assert Image.open(io.BytesIO(picture)).format == "PNG" and picture.endswith(b"IEND\xaeB`\x82")
    recipe = recipe_from_bytes(picture, "it")
    assert (recipe["method"], recipe["target"], recipe["seed"]) == ("sdedit", TARGET, 4)
    code, shown, _ = piped(picture, "recipe", "-")
    assert code == 0 and json.loads(shown) == recipe


def test_a_mask_and_a_painting_go_through_a_pipe_too(cat):
    code, painted, _ = piped(b"", "diorama", "paint", SOURCE, "--seed", 3, "-o", "-")
    assert code == 0 and painted == cat.read_bytes()
    code, mask, said = piped(painted, "mask", "-", "--word", "zebra", "--segmenter", "none", "-o", "-")
    assert code == 0 and Image.open(io.BytesIO(mask)).mode == "L"
    assert "Diorama does not know the word 'zebra'" in said


def test_a_mask_comes_through_a_pipe(cat, tmp_path, monkeypatch):
    mask = Image.new("L", (128, 128))
    mask.paste(255, (0, 0, 64, 128))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(png_bytes(mask))))
    words = ("--from", SOURCE, "--to", TARGET, "--method", "ddim", *FEW)
    done = retouch("edit", cat, "--mask", "-", *words, "-o", tmp_path / "o.png")
    assert done.returncode == 0, done.stderr
    mask.save(tmp_path / "mask.png")
    retouch("edit", cat, "--mask", tmp_path / "mask.png", *words, "-o", tmp_path / "p.png")
    assert (tmp_path / "o.png").read_bytes() == (tmp_path / "p.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("edit", "-", "--to", TARGET, "-o", "o.png"), "standard input is empty, expected a picture"),
        (("edit", "-", "--mask", "-", "--to", TARGET, "-o", "o.png"), "- stands for two inputs"),
        (("edit", "cat.png", "--to", TARGET, "-o", "-", "--strip", "-"), "--strip is -"),
        (("edit", "cat.png", "--fit", "-", "-o", "o.png"), "--fit is -"),
        (("fit", "cat.png", "--to", TARGET, "-o", "-"), "the output - stands for standard output"),
        (("compare", "cat.png", "--to", TARGET, "-o", "-"), "the output - stands for standard output"),
        (("compare", "cat.png", "--to", TARGET, "-o", "s.png", "--each", "-"), "--each is -"),
        (("sweep", "cat.png", "--fit", "-", "-o", "s.png"), "--fit is -"),
        (("mask", "cat.png", "--truth", "-o", "-", "--overlay", "-"), "--overlay is -"),
        (("diorama", "paint", SOURCE, "-o", "-", "--mask", "-"), "--mask is -"),
        (("bench", "diorama", "-o", "-"), "--output is -"),
        (("report", "run", "-o", "-"), "--output is -"),
    ],
)
def test_a_stream_where_none_can_be_is_one_clear_line(cat, tmp_path, monkeypatch, arguments, says):
    (tmp_path / "cat.png").write_bytes(cat.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    done = retouch(*arguments)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1
    assert [one.name for one in tmp_path.iterdir()] == ["cat.png"]


def test_a_terminal_is_no_picture(cat, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    done = retouch("edit", "-", "--to", TARGET, "-o", "o.png")
    assert done.returncode == 2 and "standard input is a terminal" in done.stderr


def test_what_is_no_picture_in_a_pipe_is_called_by_its_name():
    code, out, said = piped(b"not a picture", "edit", "-", "--to", TARGET, "-o", "-")
    assert code == 2 and out == b"" and said.startswith("retouch: standard input is not a picture")


def test_different_values_have_different_names():
    assert names_of([0.701, 0.7], [0, 1]) == [f"eta {eta} seed {seed}" for eta in ("0.701", "0.700") for seed in (0, 1)]
    close = [0.5, 0.5 + 2**-53]
    assert len(set(names_of(close, [0]))) == 2
    assert names_of(None, [3]) == ["seed 3"]
    for text in ("0:1:301", "0.1:0.3:3", "0.333,0.3333333,0.33333333333333"):
        etas = read_etas(text, Imagic)
        assert len(set(names_of(etas, range(2)))) == 2 * len(etas)
    assert read_etas("0.1:0.3:3", Imagic) == [0.1, 0.2, 0.3]
    assert read_etas("0.5,0.50,-0,0", Imagic) == [0.5, 0.0]


def test_a_picture_as_bytes_is_its_file(cat, tmp_path):
    image = Image.open(cat)
    (tmp_path / "a.png").write_bytes(png_bytes(image, {"a": 1}))
    assert Image.open(tmp_path / "a.png").tobytes() == image.tobytes()


QUICK = ("--from", SOURCE, "--to", TARGET, "--methods", "ddib,sdedit")


def test_every_output_of_a_command_is_checked_before_its_work(cat, tmp_path, monkeypatch):
    """Were any work begun, the model would be loaded: that is made impossible here."""
    from retouch.editor import Editor

    monkeypatch.setattr(Editor, "from_pretrained", lambda *_, **__: pytest.fail("work was begun"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat.png").write_bytes(cat.read_bytes())
    (tmp_path / "each").mkdir()
    for name in ("ddib.png", "taken.png"):
        (tmp_path / "each" / name).write_bytes(b"")
    Image.open(cat).resize((8200, 8)).save(tmp_path / "long.png")
    Image.open(cat).resize((16384, 1)).save(tmp_path / "longest.png")
    edit, mask = ("edit", "{}", "--from", SOURCE, "--to", TARGET, "-o"), ("mask", "{}", "--word", "cat", "-o")
    compare = ("compare", "cat.png", *QUICK, "-o")
    for command, picture, rest, says in (
        (edit, "cat.png", ("o.png", "--strip", "each/taken.png"), "exists already"),
        (edit, "cat.png", ("o.png", "--strip", "cat.png/sub.png"), "does not exist"),
        (edit, "longest.png", ("o.webp",), "WEBP takes at most 16383 a side"),
        (edit, "long.png", ("o.png", "--strip", "s.webp"), "would have 16408 x 8 pixels"),
        (mask, "cat.png", ("o.png", "--overlay", "each/taken.png"), "exists already"),
        (mask, "longest.png", ("o.png", "--overlay", "s.webp"), "WEBP takes at most 16383 a side"),
        (compare, "", ("s.png", "--each", "cat.png/sub"), "is a file: name a folder"),
        (compare, "", ("s.png", "--each", "each"), "each/ddib.png exists already"),
        (compare, "", ("each/sdedit.png", "--each", "each", "--force"), "is named for two outputs"),
        (compare, "", ("s" * 300 + ".png",), "File name too long"),
        (edit, "cat.png", ("ü" * 130 + ".png",), "File name too long"),
    ):
        done = retouch(*(part.format(picture) for part in (*command, *rest)))
        assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, (rest, done.stderr)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cat.png", "each", "long.png", "longest.png"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("recipe", "{}"), ("report", "{}"), ("study", "{}"), ("bench", "diorama", "-o", "{}", "--methods", "ddim"),
        ("edit", "cat.png", "--from", SOURCE, "--to", TARGET, "-o", "o.png", "--model", "{}"),
        ("edit", "cat.png", "--from", SOURCE, "--to", TARGET, "-o", "o.png", "--model", "{}.safetensors"),
        ("edit", "cat.png", "--to", TARGET, "-o", "o.png", "--mask", "{}"),
        ("edit", "cat.png", "--fit", "{}", "-o", "o.png"), ("fit", "cat.png", "--to", TARGET, "-o", "{}.safetensors"),
        ("compare", "cat.png", "--to", TARGET, "-o", "o.png", "--each", "{}"),
        ("diorama", "evaluate", "--weights", "{}"), ("diorama", "evaluate", "--card", "{}"),
        ("diorama", "train", "tokenizer", "--recipe", "tiny", "--folder", "{}"),
    ],
)  # fmt: skip
def test_a_name_that_no_disk_takes_is_one_clear_line(cat, tmp_path, monkeypatch, arguments):
    (tmp_path / "cat.png").write_bytes(cat.read_bytes())
    monkeypatch.chdir(tmp_path)
    done = retouch(*(argument.format("x" * 300) for argument in arguments))
    assert done.returncode == 2 and done.stderr.startswith("retouch: ") and done.stderr.count("\n") == 1, done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["cat.png"]


def test_a_name_as_long_as_can_be_is_an_output_of_long_work_too(cat, tmp_path):
    out, quick = tmp_path / f"{'y' * 251}.png", ("--set", "embedding_steps=1", "--set", "network_steps=1")
    done = retouch("edit", cat, "--to", TARGET, "--method", "imagic", *quick, *FEW, "-o", out)
    assert done.returncode == 0, done.stderr
    fit = tmp_path / f"{'z' * 243}.safetensors"
    done = retouch("fit", cat, "--to", TARGET, *quick, "-o", fit)
    assert done.returncode == 0, done.stderr
    assert {one.name for one in tmp_path.iterdir()} == {out.name, fit.name}
    fit.write_bytes(fit.read_bytes().replace(b'\\"rank\\": 0', b'\\"rank\\": 7'))
    for command in (("edit", cat, "--fit", fit, "-o", tmp_path / "o.png"), ("sweep", cat, "--fit", fit, "-o", out)):
        done = retouch(*command, "--force", "--quiet")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "is damaged (its rank is 7" in done.stderr


def test_samples_that_are_close_have_files_of_their_own(cat, tmp_path):
    fit, quick = tmp_path / "f.safetensors", ("--set", "embedding_steps=1", "--set", "network_steps=0")
    assert retouch("fit", cat, "--to", TARGET, *quick, "-o", fit).returncode == 0
    sweep = ("sweep", cat, "--fit", fit, "-o", tmp_path / "s.png", "--each", tmp_path / "each", "--seeds", 1, *FEW)
    done = retouch(*sweep, "--etas", "0.701,0.702,0.7,0.701")
    assert done.returncode == 0, done.stderr
    names = sorted(one.name for one in (tmp_path / "each").iterdir())
    assert names == [f"eta {eta} seed 0.png" for eta in ("0.700", "0.701", "0.702")]
    again = retouch(*sweep[:-4], "--seeds", 1, "--etas", "0.702,0.701", "-o", tmp_path / "t.png", *FEW)
    assert again.returncode == 2 and "eta 0.702 seed 0.png exists already" in again.stderr
    assert not (tmp_path / "t.png").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no device that is always full")
@pytest.mark.parametrize("words", [("suites",), ("measures", "--json"), ("--help",), ("recipe", "{cat}")])
def test_a_full_standard_output_is_a_sentence(cat, words):
    command = [sys.executable, "-m", "retouch", *(word.format(cat=cat) for word in words)]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("retouch: standard output cannot be written to (No space left")
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
