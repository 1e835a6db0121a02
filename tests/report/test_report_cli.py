"""The command line of reports: pages, tables for papers, and one line for bad input."""

import io
import sys
from pathlib import Path

import pandas
import pytest

from retouch.errors import OutputExists
from retouch.report import as_text, gather, page, write_text
from retouch.report.columns import Column
from retouch.report.tables import Cell, Leaderboard, Row
from retouch.runs.files import BadRun
from retouch.runs.results import MissingExtra
from tests.runs.painted import small_run
from tests.test_cli import retouch


def test_tables_for_papers_escape_their_words_and_mark_the_best():
    columns = [
        Column("psnr", "PSNR", "dB", "higher", "measure", 2),
        Column("both", "both", "%", "higher", "measure", 1),
        Column("spill", "spill", "cosine × 100", "zero", "set", 1),
    ]
    cells = {"psnr": Cell(27.216, 26.9, 27.5, 9, "best"), "both": Cell(0.5, 0.4, 0.6, 9), "spill": Cell(-2.0)}
    board = Leaderboard(columns, [Row("a_b & c|d", 9, 0, cells)])
    assert as_text(board, "latex") == (
        "\\begin{table}\n\\caption{Means $\\pm$ half the width of their 95 \\% bootstrap intervals over cases. Bold: "
        "the best; what is not equal is worse beyond chance (5 \\%, all pairs).}\n\\centering\n"
        "\\begin{tabular}{lrrr}\n\\toprule\nmethod & PSNR (dB) $\\uparrow$ & both (\\%) $\\uparrow$ & "
        "spill (cosine $\\times$ 100) $\\rightarrow$ 0 \\\\\n\\midrule\n"
        "a\\_b \\& c|d & \\textbf{27.22 $\\pm$ 0.30} & 50.0 $\\pm$ 10.0 & -2.0 \\\\\n\\bottomrule\n\\end{tabular}\n"
        "\\end{table}\n"
    )
    assert as_text(board, "markdown") == (
        "| method | PSNR (dB) ↑ | both (%) ↑ | spill (cosine × 100) → 0 |\n| --- | ---: | ---: | ---: |\n"
        "| a\\_b & c\\|d | **27.22 ± 0.30** | 50.0 ± 10.0 | -2.0 |\n\n"
        "Means ± half the width of their 95 % bootstrap intervals over cases. Bold: the best; what is not "
        "equal is worse beyond chance (5 %, all pairs).\n"
    )


def test_nothing_is_bold_where_another_may_be_as_good():
    columns = [Column("psnr", "PSNR", "dB", "higher", "measure", 2)]
    rows = [
        Row("a", 9, 0, {"psnr": Cell(27.2, 26.9, 27.5, 9, "best")}),
        Row("b", 9, 0, {"psnr": Cell(27.1, 26.8, 27.4, 9, "close")}),
    ]
    for form in ("latex", "markdown"):
        text = as_text(Leaderboard(columns, rows, "psnr"), form)
        assert "**" not in text and "textbf" not in text and "Bold" not in text and "Sorted by PSNR." in text


def test_the_command_writes_the_page_into_the_run(run):
    done = retouch("report", run.folder, "--gallery", 1)
    assert (done.returncode, done.stdout) == (0, "") and "report.html: 36 of 36 edits" in done.stderr
    assert (run.folder / "report.html").read_text().startswith("<!DOCTYPE html>")
    again = retouch("report", run.folder)
    assert again.returncode == 2 and "exists already: give another name, or --force" in again.stderr
    forced = retouch("report", run.folder, "--force", "--quiet", "--gallery", 1)
    assert (forced.returncode, forced.stderr) == (0, "")
    assert list(run.folder.glob("*.tmp")) == list(run.folder.glob(".*.tmp")) == []


def test_the_command_prints_tables_and_writes_them(run, tmp_path):
    done = retouch("report", run.folder, "--format", "csv", "--measures", "psnr, both")
    assert done.returncode == 0
    assert list(pandas.read_csv(io.StringIO(done.stdout)).columns) == [
        "method", "edits", "failures", "psnr", "psnr.low", "psnr.high", "psnr.count", "psnr.identical",
        "both", "both.low", "both.high",
        "both.count", "seconds", "evaluations", "memory_mib",
    ]  # fmt: skip
    done = retouch("report", run.folder, "--format", "latex", "-o", tmp_path / "table.tex")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "table.tex").read_text().startswith("\\begin{table}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--format", "pdf"], "--format is 'pdf', expected one of html, csv, latex, markdown."),
        (["-o", "table.tex"], "name a .html file, or give --format."),
        (["--format", "csv", "-o", "page.html"], "name another file, or leave --format out."),
        (["-o", "nowhere/page.html"], "does not exist: make it first."),
        (["-o", f"{'long' * 64}.html"], "cannot be written (File name too long): give another name."),
        (["--best-of-seeds", "beauty", "--format", "csv"], "there is no measure 'beauty' here"),
    ],
)
def test_bad_input_is_one_line(run, arguments, sentence):
    done = retouch("report", run.folder, *arguments)
    assert (done.returncode, done.stdout) == (2, "") and sentence in done.stderr and done.stderr.count("\n") == 1


def test_a_folder_without_a_run_is_one_line(tmp_path):
    done = retouch("report", tmp_path)
    assert done.returncode == 2 and "holds no run" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["pandas", "jinja2", "plotly"])
def test_a_library_that_is_not_there_is_one_sentence(run, monkeypatch, name):
    for loaded in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
        monkeypatch.setitem(sys.modules, loaded, None)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=rf"{name} is not installed: get it with pip install 'retouch\[bench\]'"):
        page(gather([run]), 0)


def test_nothing_is_left_where_writing_fails(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BadRun, match="No space left on device"):
        write_text("text", tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    (tmp_path / "report.html").write_text("kept")
    with pytest.raises(OutputExists):
        write_text("text", tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "kept"


def test_a_table_of_a_run_that_is_not_finished_says_so_on_stderr(tmp_path):
    run = small_run(tmp_path / "run", ["prox-npi", "sdedit"], lacking={("colour-1001", "sdedit", 0)})
    done = retouch("report", run.folder, "--format", "markdown", "--measures", "psnr", "--by", "both")
    assert done.returncode == 0 and "not complete: 11 of 12 edits" in done.stderr
    heading = done.stdout.splitlines()[0]
    assert heading.index("asked change there") < heading.index("PSNR")
