"""The command line's manners: help that fits and is quick, examples that work, exit codes, colours, completion."""

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from retouch.cli.app import commands
from retouch.cli.catalogue import COMMANDS, WITHIN
from tests.test_cli import process, retouch

DOCS = Path(__file__).parent.parent / "docs"
EXAMPLES = [(name, line) for name, one in COMMANDS.items() for line in one.examples]
EXAMPLES += [(name.split()[0], line) for name, lines in WITHIN.items() for line in lines]


def walked(group, path=()):
    """Every command that does something, by its words."""
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from walked(one, (*path, name))
        else:
            yield (*path, name), one


@pytest.fixture(scope="module")
def root():
    return get_command(commands("bench"))


@pytest.fixture(scope="module")
def timing():
    return get_command(commands("bench", "speed"))


def words_of(line):
    """The words after "retouch" of an example, as the shell would give them."""
    inside = re.search(r"\$\((.*)\)", line)
    return shlex.split(inside[1] if inside else line.partition(" < ")[0])[1:]


def test_every_command_has_a_line_in_the_help_and_an_example(root):
    assert set(root.commands) == set(COMMANDS)
    assert all(one.short and len(one.short) <= 24 and one.examples for one in COMMANDS.values())
    assert all(len(line) <= 76 and words_of(line)[0] == name for name, line in EXAMPLES)


@pytest.mark.parametrize("line", [line for _, line in EXAMPLES])
def test_every_example_is_a_command_that_there_is(root, timing, line):
    words = words_of(line)
    command = timing if words[:2] == ["bench", "speed"] else root
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    context = command.make_context("retouch", words)  # raises for an option that there is not
    assert context.params


@pytest.mark.parametrize("name", [*(name for name in COMMANDS if name != "recipe"), *WITHIN])
def test_the_help_of_a_command_shows_its_examples_in_full(monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    shown = retouch(*name.split(), "--help").stdout
    examples = WITHIN[name] if name in WITHIN else COMMANDS[name].examples
    assert all(any(line.strip() == one for line in shown.splitlines()) for one in examples)


def test_every_command_within_another_shows_an_example(root, timing):
    inside = {" ".join(words) for words, _ in (*walked(root), *walked(timing)) if len(words) > 1}
    assert inside == set(WITHIN)


def test_the_help_fits_a_screen(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = retouch("--help").stdout.splitlines()
    assert len(lines) <= 23 and max(map(len, lines)) <= 80
    assert all(f" {name} " in "\n".join(lines) for name in COMMANDS if name != "recipe")
    monkeypatch.setenv("COLUMNS", "50")
    assert max(map(len, retouch("--help").stdout.splitlines())) <= 50


def test_nothing_that_has_to_be_typed_is_cut_off_in_80_columns(monkeypatch, root):
    monkeypatch.setenv("COLUMNS", "80")
    for path, command in walked(root):
        shown = retouch(*path, "--help").stdout
        for option in (name for one in command.params for name in one.opts if name.startswith("-")):
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", shown), (path, option)
        assert not re.search(r"\w…", shown), path
    for words in (("methods",), ("methods", "prox-npi"), ("methods", "--parts"), ("measures",), ("suites", "diorama")):
        shown = retouch(*words).stdout
        assert "…" not in shown
    names = retouch("methods").stdout
    assert all(f"\n{name} " in f"\n{names}" for name in ("prox-masactrl", "guide-and-rescale", "layer-diffusion"))


@pytest.mark.parametrize(
    "words", [("methods",), ("methods", "ddim"), ("methods", "--parts"), ("measures",), ("suites",)]
)
def test_what_is_listed_is_there_for_machines_too(words):
    assert json.loads(retouch(*words, "--json").stdout)


def test_help_imports_nothing_heavy():
    code = """
import sys
sys.argv = ["retouch", "--help"]
from retouch.cli import main
try:
    main()
except SystemExit:
    heavy = {"torch", "numpy", "PIL", "diffusers", "transformers", "gradio", "pandas", "matplotlib", "cv2", "ray"}
    sys.exit(f"imported {sorted(heavy & set(sys.modules))}" if heavy & set(sys.modules) else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "retouch", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and re.fullmatch(r"\d+\.\d+.*\n", done.stdout)


def in_a_terminal(*words, **environment):
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    variables = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    variables |= {"TERM": "xterm-256color", "COLUMNS": "80", **environment}
    with subprocess.Popen(
        [sys.executable, "-m", "retouch", *words], stdout=theirs, stderr=theirs, env=variables
    ) as process:
        os.close(theirs)
        found = b""
        try:
            while piece := os.read(ours, 65536):
                found += piece
        except OSError:  # how Linux says that the other end is closed
            pass
        process.wait()
    os.close(ours)
    return found.decode()


@pytest.mark.parametrize("words", [("--help",), ("completion", "--help")])
def test_colours_are_for_terminals_and_no_color_is_respected(words):
    colour = r"\x1b\[[\d;]*(?:3\d|9\d|38;)[\d;]*m"
    assert re.search(colour, in_a_terminal(*words))
    assert not re.search(colour, in_a_terminal(*words, NO_COLOR="1"))
    assert "\x1b" not in process(*words).stdout


def test_the_shell_completes_commands_and_options():
    def completed(text):
        asked = {**os.environ, "_RETOUCH_COMPLETE": "complete_bash", "COMP_WORDS": text,
                 "COMP_CWORD": str(len(text.split(" ")) - 1)}  # fmt: skip
        done = subprocess.run([sys.executable, "-m", "retouch"], env=asked, capture_output=True, text=True)
        return done.stdout.split()

    assert completed("retouch ed") == ["edit"] and completed("retouch edit --neg") == ["--negative"]


def test_completion_prints_what_bash_reads():
    script = retouch("completion", "bash").stdout
    done = subprocess.run(["bash", "-c", f"{script}\ncomplete -p retouch"], capture_output=True, text=True)
    assert done.returncode == 0 and "_retouch_completion" in done.stdout, done.stderr
    assert "expected one of bash, zsh" in retouch("completion", "csh").stderr


def test_the_exit_codes_are_the_documented_ones(tmp_path):
    """0, 1 and 130 of long work are tested where that is; here what every command has in common."""
    codes = re.findall(r"^\| (\d+) \|", (DOCS / "command-line.md").read_text(), re.MULTILINE)
    assert codes == ["0", "1", "2", "130"]
    assert retouch("methods").returncode == 0
    for words in (
        ("edit",),
        ("edit", "--nothing"),
        ("nothing",),
        ("show", tmp_path / "no.png"),
        ("methods", "nothing"),
    ):
        done = retouch(*words)
        assert done.returncode == 2 and done.stderr and "Traceback" not in done.stderr, words


@pytest.mark.slow
def test_examples_with_the_embedded_model_really_run(tmp_path, monkeypatch):
    """In an order in which each finds what it needs; those that serve a page or fit for minutes apart."""
    monkeypatch.chdir(tmp_path)
    quick = {"edit": ("--method", "sdedit", "--set", "num_inference_steps=3"),
             "compare": ("--set", "num_inference_steps=5"),
             "bench": ("--variant", "a=sdedit:num_inference_steps=2", "--methods", "none", "--measures", "psnr"),
             "batch": ("--method", "sdedit", "--set", "num_inference_steps=2")}  # fmt: skip
    Path("edits.csv").write_text("picture,target\ncat.png,a blue cat\n")
    Path("photos").mkdir()
    order = ("diorama", "mask", "edit", "keep", "show", "redo", "recipe", "compare", "batch", "judge-edits", "bench",
             "report",
             "methods", "suites", "measures", "models", "completion")  # fmt: skip
    assert set(COMMANDS) - set(order) == {"fit", "sweep", "app", "study", "doctor"}
    for name in order:
        for line in COMMANDS[name].examples:
            if " < " in line:
                continue  # what comes from standard input is tested with batches
            done = retouch(*words_of(line), *quick.get(name, ()))
            assert done.returncode == 0, (line, done.stdout, done.stderr)
            if name == "diorama":
                assert retouch("diorama", "judge", "cat.png").stdout.startswith("cat.png: subject cat, colour red")
                Path("photos", "cat.png").write_bytes(Path("cat.png").read_bytes())
        if name == "batch":
            assert sorted(path.name for path in Path("results").iterdir()) == ["cat.png", "index.html", "results.jsonl"]
