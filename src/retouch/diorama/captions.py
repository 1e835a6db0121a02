"""Scenes in words and back: captions in natural English from a small grammar, and the parser of that grammar."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from random import Random

from retouch.diorama.scene import (
    ACCESSORIES,
    COLOURS,
    DIRECTIONS,
    POSES,
    STYLES,
    SUBJECTS,
    VARIANTS,
    Scene,
    has,
    random_scene,
)
from retouch.errors import BadPrompt

PLACE_PHRASES = {
    "beach": "on a beach",
    "forest": "in a forest",
    "snow": "in the snow",
    "desert": "in a desert",
    "city at night": "in a city at night",
    "meadow": "in a meadow",
}
STYLE_PHRASES = {"photo": "a photo of", "pencil sketch": "a pencil sketch of", "oil painting": "an oil painting of"}

_SINGLE_WORDS = {
    **{word: ("subject", word) for word in SUBJECTS},
    **{word: ("colour", word) for word in COLOURS},
    **{word: ("pose", word) for word in POSES},
    **{word: ("accessory", word) for word in ACCESSORIES},
    **{word: ("direction", word) for word in DIRECTIONS},
    **{word: ("variant", word) for word in VARIANTS},
    **{name.split()[0]: ("place", name) for name in PLACE_PHRASES},
    **{name.split()[0]: ("style", name) for name in STYLES},
    "sketch": ("style", "pencil sketch"),
    "painting": ("style", "oil painting"),
}
_FILLERS = ("a", "an", "the", "of", "on", "in", "at", "night", "wearing", "facing", "with", "and", "its")
KNOWN_WORDS: tuple[str, ...] = tuple(dict.fromkeys((*_SINGLE_WORDS, *_FILLERS)))
"""Every word the captions use."""


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


_USUAL = ("style", "colour", "variant", "pose", "place", "accessory")


def caption(scene: Scene, rng: Random | None = None, *, direction: bool = False) -> str:
    """The scene in one English sentence.

    Without ``rng`` the full caption: every attribute is named, always in the same words, the direction only on
    request. With ``rng`` one of many
    natural variations: other orders, and often only some of the attributes, so that each can be asked for alone.

    Args:
        scene: what is told.
        rng: draws the words; None for the full caption.
        direction: whether the full caption says which way the subject looks.
    """
    if rng is None:
        return _sentence(scene, {**dict.fromkeys(_USUAL, True), "direction": direction}, 0)
    kind = rng.random()
    if kind < 0.45:  # everything that is usually said; the direction now and then
        said = dict.fromkeys(_USUAL, True)
        said["direction"] = rng.random() < 0.5
        said["style"] = scene.style != "photo" or rng.random() < 0.6
    elif kind < 0.9:  # any subset
        said = {name: rng.random() < 0.6 for name in ("colour", "variant", "pose", "place", "accessory")}
        said["direction"] = rng.random() < 0.3
        said["style"] = rng.random() < (0.85 if scene.style != "photo" else 0.4)
    else:  # one thing only: "a photo of a cat", "a red cat", "a cat on a beach"
        alone = rng.choice((*_USUAL, "direction"))
        said = {alone: True}
    return _sentence(scene, said, rng.randrange(6))


def _sentence(scene: Scene, said: dict[str, bool], template: int) -> str:
    def words(name: str) -> str:
        value = getattr(scene, name)
        return value if said.get(name) and value else ""

    subject = _article(" ".join(filter(None, (words("colour"), words("variant"), scene.subject))))
    pose, accessory = words("pose"), words("accessory")
    place = PLACE_PHRASES[scene.place] if said.get("place") else ""
    direction = f"facing {words('direction')}" if words("direction") else ""
    wearing = f"wearing {_article(accessory)}" if accessory else ""
    comma = f", {wearing}" if wearing else ""
    match template:  # always the subject first: attributes follow in a few natural orders
        case 1 if wearing:
            body = _join(subject, wearing, pose, direction, place)
        case 2 if accessory:
            body = _join(subject, f"with {_article(accessory)}", pose, direction, place)
        case 3 if direction:
            body = _join(subject, pose, place) + comma + f", {direction}"
        case 4 if wearing:
            body = _join(subject, pose, direction, place, wearing)
        case _:
            body = _join(subject, pose, direction, place) + comma
    return f"{STYLE_PHRASES[scene.style]} {body}" if said.get("style") else body


def _join(*parts: str) -> str:
    return " ".join(filter(None, parts))


@dataclass(frozen=True)
class Parsed:
    """What a caption says: ``parts`` maps attributes to values, ``unknown`` lists words outside the grammar.

    ``left_out`` lists known words that contradict an earlier one: a second subject or colour.
    """

    parts: dict[str, str]
    unknown: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def parse(text: str) -> Parsed:
    """Reads a caption. The first mention of an attribute wins; other words are returned, in order.

    Args:
        text: a sentence, as people write it.
    """
    parts: dict[str, str] = {}
    unknown: list[str] = []
    left_out: list[str] = []
    for word in re.findall(r"[^\W_]+(?:['-][^\W_]+)*", text.lower()):
        if word in _SINGLE_WORDS:
            attribute, value = _SINGLE_WORDS[word]
            if parts.setdefault(attribute, value) != value:
                left_out.append(word)
        elif word not in _FILLERS and word not in unknown:
            unknown.append(word)
    return Parsed(parts, tuple(unknown), tuple(left_out))


def nearest_known(word: str, count: int = 3) -> tuple[str, ...]:
    """The known words most like ``word`` by spelling, best first."""
    meaningful = list(_SINGLE_WORDS)
    return tuple(difflib.get_close_matches(word.lower(), meaningful, n=count, cutoff=0.0))


def scene_for(text: str, seed: int) -> Scene:
    """A scene that the caption describes; what it leaves open is drawn from the seed.

    A caption that names no accessory or style gets none, and a photo.

    Args:
        text: the caption.
        seed: of what it leaves open.

    Raises:
        BadPrompt: when the caption names no subject, or one that cannot be as asked (a sitting car).
    """
    parts = parse(text).parts
    if "subject" not in parts:
        raise BadPrompt(f"the caption {text!r} names nothing to paint: name one of {', '.join(SUBJECTS)}.")
    for name, value in parts.items():
        if not has(name, parts["subject"]):
            raise BadPrompt(f"a {parts['subject']} has no {name}: leave {value!r} out of the caption {text!r}.")
    return random_scene(seed, **{"accessory": None, "style": "photo", **parts})
