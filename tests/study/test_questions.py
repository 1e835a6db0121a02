"""What raters are asked: balanced, the rater's own, with checks that have one right answer."""

import re
from collections import Counter

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from retouch.study.questions import Question, Settings, all_questions, passed, pictures, value_of
from retouch.study.sheets import dealt, sheet
from tests.runs.painted import METHODS, small_run
from tests.study.common import PAIRS, RATED, plain_cases, served, token_of


def test_checks_have_one_right_answer():
    for check, kind, right in (
        ("truth", "preference", {1}), ("stranger", "preference", {1}), ("told", "preference", {1}),
        ("same", "rating", {4, 5}), ("stranger", "rating", {1, 2}), ("told", "rating", {3}),
    ):  # fmt: skip
        question = Question(kind, "a", seed=2, check=check)
        values = range(1, 3) if kind == "preference" else range(1, 6)
        assert {value for value in values if passed(question, value)} == right


@given(st.integers(1, 5), st.integers(1, 9), st.data())
@settings(max_examples=40)
def test_hands_are_dealt_evenly_and_hold_no_card_twice(groups, of_each, data):
    cards = {group: [(group, i) for i in range(of_each)] for group in range(groups)}
    number = data.draw(st.integers(1, groups * of_each))
    given_out = Counter()
    for rater in range(1, 12):
        hand = dealt(cards, number, rater, "test")
        assert len(set(hand)) == len(hand) == number
        given_out.update(hand)
        counts = [given_out[card] for deck in cards.values() for card in deck]
        assert max(counts) - min(counts) <= 1


def test_a_hand_holds_about_equally_many_of_every_group():
    cards = {group: [(group, i) for i in range(40)] for group in "abcd"}
    for rater in range(1, 6):
        groups = Counter(group for group, _ in dealt(cards, 20, rater, "test"))
        assert all(3 <= groups[group] <= 7 for group in cards)


def test_sides_are_balanced_for_every_rater_and_every_pair():
    asked = [Question("preference", str(i), 0, "x", other) for i in range(20) for other in ("y", "z")]
    for rater in range(1, 9):
        items = sheet(asked, Settings(per_rater=20, checks=0), rater)
        assert sum(item.swapped for item in items) == 10
        for other in ("y", "z"):
            sides = [item.swapped for item in items if asked[item.question].second == other]
            assert abs(2 * sum(sides) - len(sides)) <= 1
    both_ways = {(item.question, item.swapped) for r in range(1, 30) for item in sheet(asked, Settings(checks=0), r)}
    assert len(both_ways) == 2 * len(asked)


def test_a_sheet_is_the_raters_own_and_follows_from_the_seed():
    asked = [Question("preference", str(i), 0, "x", "y") for i in range(30)]
    sheets = [tuple(sheet(asked, Settings(checks=0), rater)) for rater in range(1, 6)]
    assert len(set(sheets)) == 5 and {len(one) for one in sheets} == {30}
    assert sheets == [tuple(sheet(asked, Settings(checks=0), rater)) for rater in range(1, 6)]
    assert sheets[0] != tuple(sheet(asked, Settings(checks=0, seed=1), 1))
    # written down, so that a later version deals the same sheets
    assert [item.question for item in sheets[0][:5]] == [29, 2, 19, 24, 28]


def test_checks_lie_scattered_and_never_first(painted):
    chosen = Settings(questions="both", per_rater=12, checks=3)
    asked = all_questions(painted, chosen)
    places = set()
    for rater in range(1, 15):
        items = [asked[item.question] for item in sheet(asked, chosen, rater)]
        assert len(items) == 15 and [one.kind for one in items] == sorted(one.kind for one in items)
        places.add(tuple(i for i, one in enumerate(items) if one.check))
        assert Counter(one.kind for one in items if one.check) == {"preference": 2, "rating": 1}
    assert len(places) > 5 and min(map(min, places)) > 0


def test_one_method_is_compared_with_every_other_or_all_pairs_are(painted):
    asked = [one for one in all_questions(painted, Settings()) if not one.check]
    assert {(one.first, one.second) for one in asked} == {
        ("prox-npi", "masactrl"), ("prox-npi", "sdedit"), ("masactrl", "sdedit"),
    }  # fmt: skip
    assert len(asked) == 3 * 6
    asked = [one for one in all_questions(painted, Settings(compare="sdedit")) if not one.check]
    assert {(one.first, one.second) for one in asked} == {("sdedit", "prox-npi"), ("sdedit", "masactrl")}
    asked = [one for one in all_questions(painted, Settings(questions="rating")) if not one.check]
    assert len(asked) == 3 * 6 * 2 and {one.aspect for one in asked} == {"text", "rest"}


def test_edits_that_failed_or_lack_are_not_asked_about(tmp_path):
    run = small_run(
        tmp_path / "run", METHODS[:2], 1, (0, 1), kinds=("colour", "place"), measured=False,
        failing=[("colour-1000", "prox-npi", 0)], lacking=[("place-1000", "masactrl", 1)],
    )  # fmt: skip
    run.edit_path(run.records()[-1]).unlink()
    asked = {(one.case, one.seed) for one in all_questions(run, Settings(checks=0))}
    assert asked == {("colour-1000", 1)}


def test_the_right_answer_checks_where_it_is_known(painted):
    checks = [one for one in all_questions(painted, Settings()) if one.check]
    assert Counter(one.check for one in checks)["truth"] >= 3
    shown = pictures(next(one for one in checks if one.check == "truth"))
    assert [one.part for one in shown] == ["input", "truth", "input"]


def test_a_strangers_picture_checks_where_no_right_answer_is_known(tmp_path):
    run = small_run(tmp_path / "run", METHODS[:2], cases=plain_cases(3), measured=False)
    for kind, sorts in (("preference", {"stranger"}), ("rating", {"same", "stranger"})):
        checks = [one for one in all_questions(run, Settings(questions=kind, checks=3)) if one.check]
        assert {one.check for one in checks} == sorts
        for one in checks:
            assert one.check == "same" or pictures(one)[-1].case == one.stranger != one.case


def test_raters_are_told_what_to_press_where_there_is_one_case_alone(tmp_path):
    run = small_run(tmp_path / "run", METHODS[:2], cases=plain_cases(1), measured=False)
    asked = all_questions(run, Settings())
    assert [one.check for one in asked] == [""] + ["told"] * 5
    assert len(sheet(asked, Settings(), 1)) == 6
    with served(run) as (study, address), httpx.Client(base_url=address, follow_redirects=True) as client:
        page = client.post("begin", data={"token": token_of(study, 1)}).text
        page = client.post(f"r/{token_of(study, 1)}", data={"position": 1, "choice": "left"}).text
        told = re.search(r"choose the (left|right) picture", page).group(1)
        client.post(f"r/{token_of(study, 1)}", data={"position": 2, "choice": told})
        assert passed(study.answers()[-1].question, study.answers()[-1].value)


def test_what_was_pressed_counts_for_what_was_on_that_side():
    pair, rated = PAIRS[0], RATED[0]
    assert [value_of(pair, swapped, side) for swapped in (False, True) for side in ("left", "right")] == [1, 2, 2, 1]
    assert [value_of(rated, False, str(value)) for value in range(1, 6)] == [1, 2, 3, 4, 5]
