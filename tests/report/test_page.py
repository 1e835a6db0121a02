"""The report's page: its numbers, its words, its pictures, and that it needs nothing else."""

import io
import json
import re
import time

import numpy as np
import pandas
import pytest
from PIL import Image

from retouch.diorama.suite import DioramaSuite
from retouch.report import as_text, gather, leaderboard, page
from retouch.report.gallery import chosen_cases, data_uri
from retouch.runs.results import results
from retouch.runs.run import Run
from retouch.suites.suite import Case, Entry
from tests.report.common import read, tiny_cases
from tests.runs.painted import KINDS, METHODS, small_run


def test_the_pages_numbers_are_those_of_the_csv(run):
    gathered = gather([run])
    board = leaderboard(gathered)
    table = pandas.read_csv(io.StringIO(as_text(board, "csv"))).set_index("method")
    text = page(gathered, 0)
    rows = re.findall(r"<tr[^>]*>\s*<th scope=\"row\"><span class=\"name\">.*?</tr>", text, re.S)
    assert len(rows) == len(METHODS)
    for method, row in zip(table.index, rows, strict=True):
        cells = dict(re.findall(r'data-column="([^"]+)" data-value="([^"]+)"', row))
        assert set(cells) == {column.name for column in board.columns}
        for name, value in cells.items():
            assert float(value) == table.loc[method, name]
            shown = re.search(rf'data-column="{name}".*?<span class="figure">(.*?)</span>', row, re.S)[1]
            assert shown == board.column(name).shown(table.loc[method, name])
        psnr = board.column("psnr")
        ends = (psnr.shown(table.loc[method, f"psnr.{end}"]) for end in ("low", "high"))
        assert '<span class="interval">{} – {}</span>'.format(*ends) in row
    whole = read(text)["kinds"][0]["cells"]
    assert [cell[0] for cell in whole["psnr"]] == list(table["psnr"])


def test_a_kind_that_is_called_all_is_a_kind(tmp_path):
    picture = Image.new("RGB", (8, 8), "teal")
    cases = [Case(Entry(f"{kind}-{i}", kind, "a cat"), picture) for kind in ("all", "pose") for i in range(2)]
    gathered = gather([small_run(tmp_path / "run", cases=cases)])
    kinds = read(page(gathered, 0))["kinds"]
    first = [method.label for method in gathered.methods].index(METHODS[0])
    assert [(kind["name"], kind["cases"]) for kind in kinds] == [("all kinds", 4), ("all", 2), ("pose", 2)]
    means = [kind["cells"]["psnr"][first][0] for kind in kinds]
    table = results(gathered.runs[0])
    own = table[table["method"] == METHODS[0]].groupby("kind")["psnr"].mean()
    assert means[1:] == pytest.approx([own["all"], own["pose"]]) and means[0] == pytest.approx(
        (means[1] + means[2]) / 2
    )


def test_kinds_are_not_shown_where_there_is_one(tmp_path):
    picture = Image.new("RGB", (8, 8), "teal")
    cases = [Case(Entry(f"{i}", "all", "a cat"), picture) for i in range(2)]
    text = page(gather([small_run(tmp_path / "run", cases=cases)]), 0)
    assert read(text)["kinds"] == [] and 'id="kinds"' not in text


def test_a_column_whose_values_read_the_same_has_no_strips(tmp_path):
    """Though their sums differ in the last digit of a float, which the page does not show."""
    run = small_run(tmp_path / "run", cases=tiny_cases(6))
    lines = run.folder / "measures" / "0-of-1.jsonl"
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    for i, row in enumerate(rows):
        row["values"] = {"psnr": 20.0 + i % 5, "mse": 0.3 if i % 2 else 0.1 + 0.2}
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = page(gather([run]), 0)
    strips = {
        name: 'class="strip"' in cell for name, cell in re.findall(r'data-column="([^"]+)"(.*?)</td>', text, re.S)
    }
    assert strips["psnr"] and not strips["mse"]


def test_what_others_were_asked_is_shown_where_nothing_says_the_target(tmp_path):
    entry = Entry("cat", "all", "", None, {"instruction": "make it blue"})
    run = small_run(tmp_path / "run", cases=[Case(entry, Image.new("RGB", (8, 8), "teal"))])
    shown = read(page(gather([run])))["gallery"][0]
    assert (shown["target"], shown["instruction"]) == ("", "make it blue")


def test_the_page_needs_nothing_else_and_is_the_same_again(run):
    text = page(gather([run]), 3)
    assert text == page(gather([Run.open(run.folder)]), 3)
    markup = re.sub(r"<script>.*?</script>|<style>.*?</style>", "", text, flags=re.S)
    assert not re.search(r"(?:src|href|action|url)\s*=?[\"'(]*\s*(?:https?:)?//", markup)
    assert text.count("</script") == text.count("<script>") + 1  # ours, and the data's


def test_words_of_users_stay_words(tmp_path):
    evil = "</script><script>alert(1)</script> & <b>\"'"
    case = Case(Entry(evil, evil, evil, evil), Image.new("RGB", (8, 8)))
    run = small_run(tmp_path / "run", [evil, "sdedit"], cases=[case], failing={(evil, "sdedit", 0)})
    text = page(gather([run]))
    assert "alert(1)</script>" not in text
    assert read(text)["gallery"][0]["target"] == evil


def test_the_first_words_say_who_is_best_and_at_what_cost(run):
    text = page(gather([run], by="psnr"), 0)
    lines = re.findall(r'<span class="about">(.*?)</span> (.*?)</li>', text)
    said = {about: re.sub("<.*?>", " ", words).split() for about, words in lines}
    cells = leaderboard(gather([run], by="psnr")).rows[0].cells
    assert (
        said["keeps most by PSNR"][:5]
        == f"masactrl ({cells['psnr'].mean:.2f} dB, {cells['seconds'].mean:.2f} s)".split()
    )
    assert " ".join(said["keeps most by PSNR"]).endswith(
        "not told apart by 6 cases, which is no proof that they are equal"
    )
    assert [word for word in said["worth its cost"] if word in METHODS] == ["sdedit", "prox-npi", "masactrl"]
    assert next(iter(said)) == "keeps most by PSNR" and "keeps most by MSE" in said
    assert "Of 6 cases the intervals come out too narrow" in page(gather([run]), 0)


def test_of_different_edits_nothing_is_called_worth_its_cost(tmp_path):
    left_out = {(entry.id, "sdedit", 0) for entry in DioramaSuite(KINDS, 2).entries[:2]}
    gathered = gather([small_run(tmp_path / "run", lacking=left_out)])
    text = page(gathered, 0)
    said = re.findall(r'<span class="about">(.*?)</span>', text)
    assert said[0].startswith("best so far by ") and "worth its cost" not in said
    assert "none is called worth its cost" in text and "◆" not in text
    for form in ("markdown", "latex"):
        told = as_text(leaderboard(gathered), form)
        assert "not complete: 16 of 18 edits are done" in told and "of different edits until all are done" in told
    rows = [line.split(" | ")[:2] for line in as_text(leaderboard(gathered), "markdown").splitlines()]
    assert rows[0] == ["| method", "edits"] and ["| sdedit", "4"] in rows and ["| masactrl", "6"] in rows


def test_where_only_keeping_is_measured_the_page_says_that_a_copy_would_lead(run):
    told = "a copy of the input would lead"
    assert told in page(gather([run], measures=["psnr.outside"]), 0) and told not in page(gather([run]), 0)


@pytest.mark.parametrize(
    ("measures", "axes"),
    [
        ([], {"x": "psnr.outside", "y": "clip_score.inside"}),
        (["both", "mse"], {"x": "mse", "y": "both"}),
        (["psnr"], {"x": "seconds", "y": "psnr"}),
        (["asked", "both"], {"x": "both", "y": "asked"}),
    ],
)
def test_the_plane_sets_what_is_kept_against_what_is_changed(run, measures, axes):
    assert read(page(gather([run], measures=measures), 0))["axes"] == axes


def test_the_gallery_spreads_over_kinds_and_cases(tmp_path):
    gathered = gather([small_run(tmp_path / "run", ["sdedit"], cases=tiny_cases(40))])
    chosen = chosen_cases(gathered, 8)
    kinds = [gathered.entries[name].kind for name in chosen]
    assert kinds == [f"kind {i}" for i in range(4) for _ in range(2)]
    assert chosen[:2] == ["case-000", "case-020"]
    assert len(chosen_cases(gathered, 1000)) == 40 and chosen_cases(gathered, 0) == []


def test_pictures_in_the_page_are_small():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 900, 3), dtype=np.uint8))
    uri = data_uri(noise.resize((90, 60)).resize((900, 600)), 384)
    assert uri.startswith("data:image/webp;base64,") and len(uri) < 40_000
    assert data_uri(Image.new("L", (300, 300)), 384).startswith("data:image/png;base64,")


def test_a_run_of_2000_edits_is_reported_in_seconds(tmp_path):
    methods = [f"method {i}" for i in range(10)]
    run = small_run(tmp_path / "run", methods, cases=tiny_cases(200))
    began = time.monotonic()
    text = page(gather([run]), 60)
    assert time.monotonic() - began < 30  # on a busy machine; 3 s on an idle one
    assert len(read(text)["gallery"]) == 60
