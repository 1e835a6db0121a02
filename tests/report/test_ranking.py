"""The order of methods: by the suite's main measure, in groups that cannot be told apart, with the front of cost."""

import itertools
import re

import numpy as np
import pytest

from retouch.errors import BadParameter
from retouch.report import gather, leaderboard, page
from retouch.report.columns import Column
from retouch.report.data import _COLOURS, _SYMBOLS
from retouch.report.ranking import front, ranking
from retouch.report.tables import Cell, Leaderboard, Row
from retouch.suites.registry import suites
from tests.report.common import read
from tests.runs.painted import METHODS, small_run

QUALITY, PRICE = Column("q", "quality", "%", "higher", "measure"), Column("seconds", "time", "s", "lower", "cost")


def row(label, quality, seconds):
    return Row(label, 9, 0, {"q": Cell(quality), "seconds": Cell(seconds)})


def test_the_front_is_what_no_other_beats_in_both():
    rows = [
        row("a", 0.9, 10),
        row("b", 0.8, 5),
        row("c", 0.8, 6),
        row("d", 0.5, 1),
        row("e", 0.4, 2),
        row("f", 0.9, 10),
    ]
    rows.append(row("g", float("nan"), 0.1))
    assert [one.label for one in front(rows, QUALITY, PRICE)] == ["d", "b", "a", "f"]


def test_groups_are_of_methods_that_are_not_told_apart_from_the_first_of_them():
    rows = [row(label, quality, 1) for label, quality in (("a", 0.9), ("b", 0.85), ("c", 0.7), ("d", 0.6), ("e", 0.2))]
    apart = frozenset(map(frozenset, [("a", "c"), ("a", "d"), ("a", "e"), ("c", "e"), ("d", "e"), ("b", "e")]))
    found = ranking(Leaderboard([QUALITY, PRICE], rows, "q", apart))
    assert [[one.label for one in group] for group in found.groups] == [["a", "b"], ["c", "d"], ["e"]]
    assert [found.group_of(one) for one in rows] == [1, 1, 2, 2, 3]


def test_rows_are_in_the_order_of_the_suites_measure_or_of_a_chosen_one(run, tmp_path):
    for by, name, sign in (("", "both", -1), ("mse", "mse", 1)):
        board = leaderboard(gather([run], by=by))
        values = [sign * one.cells[name].mean for one in board.rows]
        assert board.main == name and values == sorted(values)
        assert board.columns[0].name == name
    with pytest.raises(BadParameter, match="there is no measure 'beauty' here"):
        gather([run], by="beauty")


def test_every_suite_says_what_ranks_its_methods():
    assert all(suite.main for suite in suites().values())


def test_sixteen_methods_have_colours_and_shapes_of_their_own():
    """As far apart in OKLab as that neighbours on a page are told apart, and seen on white and on black."""
    assert len(set(_COLOURS)) == len(set(_SYMBOLS)) >= 15
    rgb = np.array([[int(one[i : i + 2], 16) / 255 for i in (1, 3, 5)] for one in _COLOURS])
    light = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(light @ np.array([[0.4122, 0.2119, 0.0883], [0.5363, 0.6807, 0.2817], [0.0514, 0.1074, 0.63]]))
    lab = cones @ np.array([[0.2105, 1.978, 0.0259], [0.7936, -2.4286, 0.7828], [-0.0041, 0.4506, -0.8087]])
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2)) > 0.13
    bright = light @ [0.2126, 0.7152, 0.0722]
    assert (1.05 / (bright + 0.05)).min() > 2.4 and ((bright + 0.05) / 0.065).min() > 2.4


def test_the_page_marks_the_front_and_the_groups(run):
    gathered = gather([run], by="psnr")
    text, found = page(gathered, 0), ranking(leaderboard(gathered))
    on_front = re.findall(r'</span>([\w-]+) <span class="front"', text)
    assert sorted(on_front) == sorted(one.label for one in found.front) and read(text)["front"] == ["seconds", "psnr"]
    assert text.count('<tr class="next">') == len(found.groups) - 1


def test_a_run_of_one_method_is_not_ranked(tmp_path):
    board = leaderboard(gather([small_run(tmp_path / "run", METHODS[:1])]))
    assert ranking(board) is None
