"""What two prompts say differently: the changes one by one, their kind, and sentences that say something else."""

import pytest

from retouch.auto.texts import changes, kind_of, swapped
from retouch.auto.verify import others

ALTERNATIVES = [
    ["red", "blue"],
    ["on a beach", "in a city", "in a city at night"],
    ["wearing a hat", "wearing a scarf", ""],
]


@pytest.mark.parametrize(
    ("source", "target", "found"),
    [
        ("a red cat", "a blue cat", [("red", "blue", "a red cat")]),
        ("a red cat", "a blue dog", [("red", "blue", "a red dog"), ("cat", "dog", "a blue cat")]),
        ("a cat", "a cat, wearing a hat", [("", "wearing a hat", "a cat")]),
        ("a cat, wearing a hat", "a cat", [("wearing a hat", "", "a cat, wearing a hat")]),
        ("a cat on a beach", "a cat in a city at night", [("on a beach", "in a city at night", "a cat on a beach")]),
        (
            "a red cat on a beach", "a blue cat in the snow",
            [("red", "blue", "a red cat in the snow"), ("on a beach", "in the snow", "a blue cat on a beach")],
        ),
        (
            "red cat on a beach", "blue dog in the snow",
            [
                ("red", "blue", "red dog in the snow"), ("cat", "dog", "blue cat in the snow"),
                ("on a beach", "in the snow", "blue dog on a beach"),
            ],
        ),
        ("a cat", "a cat", []),
        ("a cat", "A Cat!", []),
    ],
)  # fmt: skip
def test_changes_are_told_apart_and_each_can_be_undone_alone(source, target, found):
    assert [(one.old, one.new, one.undone) for one in changes(source, target)] == found


@pytest.mark.parametrize(
    ("source", "target", "kind"),
    [
        ("a red cat", "a blue cat", "swapped"),
        ("a photo of a cat", "a photo of a dog", "swapped"),
        ("a cat", "a cat wearing a hat", "added"),
        ("a cat with a hat", "a cat", "removed"),
        ("a cat in the grass", "a cat in the snow", "place"),
        ("a cat on a beach", "a dog in a forest", "place"),
        ("a cat sitting on a beach", "a cat jumping on a beach", "pose"),
        ("a photo of a cat", "a watercolor painting of a cat", "style"),
        ("a cat in the snow", "a sketch of a cat on a beach", "style"),
    ],
)
def test_the_kind_of_a_change(source, target, kind):
    assert kind_of(source, target) == kind


def test_a_phrase_is_swapped_as_whole_words():
    assert swapped("a cat, on a  beach", "on a beach", ["in a city", ""]) == ["a cat, in a city", "a cat,"]
    assert swapped("a category", "cat", ["dog"]) == []


def test_other_sentences_are_about_what_is_asked_or_about_what_stays():
    asked, stays, before = others("a red cat on a beach", "a red cat in a city at night", ALTERNATIVES)
    assert asked == ["a red cat on a beach", "a red cat in a city"]
    assert stays == [
        "a blue cat in a city at night", "a red cat in a city at night, wearing a hat",
        "a red cat in a city at night, wearing a scarf",
    ]  # fmt: skip
    assert before == [
        "a blue cat on a beach",
        "a red cat on a beach, wearing a hat",
        "a red cat on a beach, wearing a scarf",
    ]


def test_what_the_prompts_do_not_speak_of_is_not_asked_about():
    assert others("a dog", "a wolf", ALTERNATIVES[:2]) == ([], [], [])
