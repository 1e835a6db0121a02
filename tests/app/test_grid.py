"""Grids: choices in a prompt, strengths, seeds and methods in every combination."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouch.app.grid import MOST, grid, numbers, prompts, seeds
from retouch.app.tasks import Edit
from retouch.errors import BadParameter, BadPrompt, RetouchError

EDIT = Edit(b"", "a cat", "a {red|blue|green} cat", method="plain", settings={"scale": 3.0})


def test_a_choice_stands_for_a_prompt_each_in_order():
    assert prompts("a {red|blue|green} cat") == ["a red cat", "a blue cat", "a green cat"]
    assert prompts("{a|the} {big|} cat") == ["a big cat", "a cat", "the big cat", "the cat"]
    assert prompts("a cat") == ["a cat"] and prompts("a {red|red} cat") == ["a red cat"]


@pytest.mark.parametrize("wrong", ["a {red cat", "a red} cat", "a {} cat", "a { | } cat", "{{a|b}|c}"])
def test_a_choice_that_is_none_is_refused(wrong):
    with pytest.raises(BadPrompt, match=r"\{red\|blue\}"):
        prompts(wrong)


def test_every_combination_is_made_and_says_what_sets_it_apart():
    made = grid(EDIT, strengths=[0.5, 1], others=[1, 2], methods=["plain", "free"])
    assert len(made) == 3 * 2 * 2 * 2 and len({label for label, _ in made}) == 24
    label, last = made[-1]
    assert label == "a green cat, free, strength 1, seed 2"
    assert (last.target, last.method, last.strength, last.seed) == ("a green cat", "free", 1, 2)
    assert last.settings == {} and made[0][1].settings == {"scale": 3.0}  # settings are their method's own


def test_axes_that_are_left_out_keep_the_edits_own_values():
    ((label, one),) = grid(Edit(b"", "a cat", "a dog", seed=7, strength=0.4))
    assert label == "a dog" and one.seed == 7 and one.strength == 0.4


def test_too_many_edits_are_refused_before_any_is_made():
    with pytest.raises(BadParameter, match=f"at most {MOST}"):
        grid(EDIT, others=list(range(13)))
    with pytest.raises(BadPrompt, match="1000000"):
        prompts("{a|b|c|d|e|f|g|h|i|j}" * 6)


def test_numbers_and_seeds_are_read_as_people_write_them():
    assert numbers("0.2, 0.5 1;1", "strengths", 0, 1) == [0.2, 0.5, 1] and numbers(" ", "strengths", 0, 1) == []
    assert seeds("1, 2, 5-8") == [1, 2, 5, 6, 7, 8] and seeds("") == []


@pytest.mark.parametrize("wrong", ["x", "2", "-1", "nan", "inf"])
def test_a_strength_that_is_none_is_named(wrong):
    with pytest.raises(BadParameter, match="strengths"):
        numbers(f"0.5, {wrong}", "strengths", 0, 1)


@pytest.mark.parametrize("wrong", ["-3", "5-2", "1.5", "1-99999", "²", "9" * 30])
def test_a_seed_that_is_none_is_named(wrong):
    with pytest.raises(BadParameter, match="seeds"):
        seeds(wrong)


@given(st.text(max_size=60))
def test_whatever_is_written_is_read_or_refused_in_a_sentence(text):
    for read in (prompts, seeds, lambda words: numbers(words, "strengths", 0, 1)):
        with suppress(RetouchError):
            assert len(read(text)) <= MOST
