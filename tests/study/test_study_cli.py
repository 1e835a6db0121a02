"""The command line of studies: results, plots, and one sentence for bad input."""

import json
import re

import pytest
from matplotlib.figure import Figure
from PIL import Image

from retouch.study.plot import _draw_preferences, drawn
from retouch.study.results import Preference, verdict
from retouch.study.serve import listening
from retouch.study.store import Study
from tests.runs.painted import METHODS, small_run
from tests.study.common import SENTENCE, answer_all, plain_cases, rightly, token_of
from tests.test_cli import retouch


def test_results_count_every_rater_and_show_what_the_flagged_ones_change(run, tmp_path):
    with Study.opened(run, {"questions": "both", "compare": "prox-npi", "per_rater": 20}) as study:
        for rater in range(3):
            answer_all(study, rater, rightly)
        answer_all(study, 3, lambda one: "second" if one.kind == "preference" else 3)
        study.join(token_of(study, 4))
        assert study.answer(token_of(study, 4), 1, "left")
        study.join(token_of(study, 5))  # looked, and left
        found = verdict(study)
    assert (found.raters, found.finished, [one.rater for one in found.flagged]) == (5, 4, [4])
    assert found.said.answers == 81 and found.without_flagged.answers == 61
    assert found.without_flagged.preferences[0].rate > 0.9 > found.said.preferences[0].rate
    assert {one.mean for one in found.without_flagged.ratings if one.n} == {4}
    done = retouch("study", run.folder, "--results", "--plot", tmp_path / "plot.png")
    assert done.returncode == 0, done.stderr
    assert re.search(r"flagged by the checks, and counted: rater 4 \([45] of 5 wrong\)\n", done.stdout)
    everyone, others = done.stdout.split("without the flagged raters:")
    assert re.search(r"prox-npi +sdedit +7\d\.\d% +\d+\.\d% to \d+\.\d% +2\d", everyone)
    assert re.search(r"prox-npi +sdedit +(100.0|9\d\.\d)% +\d+\.\d% to \d+\.\d% +1\d", others)
    assert Image.open(tmp_path / "plot.png").size == drawn(found).size
    figures = json.loads(retouch("study", run.folder, "--results", "--json").stdout)
    assert figures == json.loads(json.dumps(found.figures())) and figures["without_flagged"]["answers"] == 61
    turned = json.loads(retouch("study", run.folder, "--results", "--json", "--compare", "sdedit").stdout)
    (pair,) = turned["without_flagged"]["preferences"]
    assert (pair["method"], pair["other"]) == ("sdedit", "prox-npi") and pair["rate"] < 0.1


def test_one_slip_changes_no_result(run):
    with Study.opened(run) as study:
        slips = iter([True])
        answer_all(study, 1, lambda one: "second" if one.check and next(slips, False) else "first")
        found = verdict(study)
    assert found.flagged == [] and found.without_flagged is None and found.said.answers == 18
    assert "flagged" not in retouch("study", run.folder, "--results").stdout


def test_the_plots_rates_are_beside_the_bars_where_no_interval_crosses_them():
    axes = Figure().subplots()
    _draw_preferences(axes, [Preference("ours", "theirs", wins, 8) for wins in (0, 2, 8)])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ours  0 %", "ours  25 %", "ours  100 %"]
    assert not axes.texts


def test_the_plot_of_no_answers_is_refused_and_a_table_is_not(run, tmp_path):
    done = retouch("study", run.folder, "--results")
    assert done.returncode == 2 and "has no study yet" in done.stderr
    with Study.opened(run):
        pass
    assert retouch("study", run.folder, "--results").stdout.startswith("raters: 0")
    done = retouch("study", run.folder, "--results", "--plot", tmp_path / "plot.png")
    assert done.returncode == 2 and "nothing to draw" in done.stderr and not (tmp_path / "plot.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--compare", "nobody"),
            "--compare is 'nobody', and the run has no edits by it; it has: prox-npi, masactrl, sde",
        ),
        (("--questions", "taste"), "--questions is 'taste', expected one of: preference, rating, both"),
        (("--per-rater", 0), "--per-rater is 0, expected a whole number in 1..1000"),
        (("--checks", -1), "--checks is -1"),
        (("--seed", -1), "--seed is -1"),
        (("--compare", "sdedit", "--questions", "rating"), "--compare is for preference questions"),
        (("--plot", "x.png"), "--plot goes with --results"),
        (("--json",), "--json goes with --results"),
        (("--port", 70000), "--port is 70000"),
        (("--host", "nowhere.invalid"), "--host is 'nowhere.invalid'"),
    ],
)
def test_bad_options_are_one_sentence(run, options, said):
    done = retouch("study", run.folder, *options)
    assert done.returncode == 2 and said in done.stderr and SENTENCE.match(done.stderr)
    assert not (run.folder / "study.sqlite").exists()


def test_runs_that_cannot_be_judged_are_one_sentence(tmp_path):
    def refusal(folder, *options):
        done = retouch("study", folder, "--port", 0, *options)
        assert done.returncode == 2 and SENTENCE.match(done.stderr) and not list(folder.glob("study.sqlite*"))
        return done.stderr

    assert "holds no run" in refusal(tmp_path)
    cases = plain_cases(2)
    every = [(case.entry.id, METHODS[0], 0) for case in cases]
    empty = small_run(tmp_path / "empty", METHODS[:1], cases=cases, lacking=every, measured=False)
    assert "has no edits to judge" in refusal(empty.folder)
    alone = small_run(tmp_path / "alone", METHODS[:1], cases=cases, measured=False)
    assert "edits by prox-npi alone, and a preference needs two methods" in refusal(alone.folder)
    apart = small_run(
        tmp_path / "apart", METHODS[:2], cases=cases, measured=False,
        lacking=[("case 0", METHODS[0], 0), ("case 1", METHODS[1], 0)],
    )  # fmt: skip
    assert "no case of" in refusal(apart.folder)
    with Study.opened(alone, {"questions": "rating"}) as study:
        assert len(study.questions) > 4
    alone.edit_path(alone.records()[0]).unlink()
    done = retouch("study", alone.folder, "--port", 0)
    assert done.returncode == 2 and "which is not there" in done.stderr and SENTENCE.match(done.stderr)


def test_a_port_in_use_is_one_sentence(run):
    with listening("127.0.0.1", 0) as taken:
        done = retouch("study", run.folder, "--port", taken.getsockname()[1])
    assert done.returncode == 2 and SENTENCE.match(done.stderr) and "is taken: name another with --port" in done.stderr
