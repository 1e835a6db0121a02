"""What an edit changes, word by word, and sliders that write weights."""

import pytest

from retouch.app.panels import difference
from retouch.app.words import Piece, pieces, said, weighed
from retouch.errors import BadPrompt
from retouch.weights import read_weights


def test_a_word_in_anothers_place_is_swapped():
    assert Piece("swapped", "red", "blue") in pieces("a red cat", "a blue cat")
    assert said("a red cat", "a blue cat") == "red becomes blue"


def test_words_are_added_and_left_out():
    assert said("a cat on a beach", "a cat with a hat on a beach") == "with is added; a is added; hat is added"
    assert said("a red cat", "a cat") == "red is left out" and said("a cat", "a cat") == "nothing changes"


def test_a_weight_is_seen_and_a_slider_writes_it_as_the_prompt_is_read():
    heavier = weighed("a blue cat", "blue", 1.3)
    assert heavier == "a (blue:1.3) cat" and read_weights(heavier).weights == {"blue": 1.3}
    assert said("a red cat", heavier) == "red becomes blue (weighs 1.3)"
    assert weighed(heavier, "blue", 1.0) == "a blue cat"
    assert weighed(heavier, "cat", 0.5) == "a (blue:1.3) (cat:0.5)"


def test_brackets_of_ones_own_are_left_alone():
    with pytest.raises(BadPrompt, match="yourself"):
        weighed("a ((blue)) cat", "cat", 2)
    with pytest.raises(BadPrompt, match="no word"):
        weighed("a blue cat", "dog", 2)


def test_the_panel_shows_words_as_text_whatever_they_hold():
    shown = difference("a <script>alert(1)</script> cat", 'a "blue" <b> cat')
    assert "<script" not in shown and "<b>" not in shown and "data-weigh" in shown


def test_choices_are_shown_without_sliders_which_could_not_write_into_them():
    assert "data-weigh" not in difference("a red cat", "a {blue|green} cat")


def test_marks_that_are_not_understood_are_a_sentence_in_the_panel():
    assert "s-bad" in difference("a cat", "a [red:blue:3] cat")


@pytest.mark.parametrize("text", ["🐈 قطة زرقاء", "a" * 2000, "   ", "((((", "猫"])
def test_odd_prompts_are_shown(text):
    assert difference("a cat", text)
