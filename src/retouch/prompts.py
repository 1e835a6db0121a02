"""Words and tokens: which tokens a word owns, and how the words of two prompts correspond."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from typing import TYPE_CHECKING, Any

from retouch.errors import BadPrompt
from retouch.placeholders import Span, encode

if TYPE_CHECKING:
    from torch import Tensor

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True)
class Word:
    """A word of a prompt, without its punctuation, and the positions of its tokens in the padded sequence."""

    text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Tokens:
    """A prompt as the text encoder sees it: token ids padded to ``length``, its words, where the content ends.

    ``cut`` are the words that are beyond the token limit and own no tokens.
    """

    prompt: str
    ids: tuple[int, ...]
    words: tuple[Word, ...]
    end: int  # the position of the first end-of-text token
    cut: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """The length of the padded sequence."""
        return len(self.ids)


def tokenize(tokenizer: Any, prompt: str, max_tokens: int, chunks: int = 1) -> Tokens:
    """Splits ``prompt`` into words and finds each word's tokens; ``max_tokens`` is the padded sequence's length.

    "cat," is the word "cat", and a placeholder <cat> that a textual inversion taught is, with all of its vectors.
    Words that the model's token limit cuts off own no tokens and stand in ``cut``.

    Args:
        chunks: how many sequences a long prompt may fill, one after the other, each with a start and an end of its own.
    """
    encoded = encode(tokenizer, prompt)
    start, room = encoded.start, max_tokens - encoded.start - 1
    content, spans = encoded.ids[start:-1][: room * chunks], encoded.spans[start:-1][: room * chunks]
    padding = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    ids = list[int]()
    for first in range(0, room * chunks, room):
        chunk = [*encoded.ids[:start], *content[first : first + room], encoded.ids[-1]]
        ids += chunk + [padding] * (max_tokens - len(chunk))
    stop = content.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in content else len(content)
    last = max(0, stop - 1) // room if stop == len(content) else stop // room
    words, cut = list[Word](), list[str]()
    for begin, end, text in _words(prompt, encoded.taught):
        # byte-level tokenizers may count the space before a word as the word's: compare by overlap
        owned = [k for k in range(stop) if spans[k][0] < end and spans[k][1] > begin]
        if owned:
            words.append(Word(text, tuple(max_tokens * (k // room) + start + k % room for k in owned)))
        else:
            cut.append(text)
    return Tokens(prompt, tuple(ids), tuple(words), max_tokens * last + start + stop - room * last, tuple(cut))


def _words(prompt: str, taught: Sequence[Span]) -> list[tuple[int, int, str]]:
    """The words of a prompt, each (first character, one past the last, text); a taught placeholder is one word."""
    plain = [(*match.span(), match.group().lower()) for match in _WORD.finditer(prompt)]
    whole = [(a, b) for a, b in taught if not any(s <= a and b <= e and e - s > b - a for s, e, _ in plain)]
    plain = [word for word in plain if not any(a < word[1] and word[0] < b for a, b in whole)]
    return sorted(plain + [(a, b, _bare(prompt[a:b])) for a, b in whole])


def _bare(placeholder: str) -> str:
    """What a placeholder is called in words: <My_Cat> is my_cat."""
    text = placeholder.strip().lower()
    return text.strip("<>") or text


def word_named(tokens: Tokens, text: str) -> str:
    """The word of the prompt that ``text`` names as it stands there, as <cat> or * do; "" where there is none."""
    bare = _bare(text.lower().strip(",.;:!?"))
    return bare if any(word.text == bare for word in tokens.words) else ""


def words_of(prompt: str) -> list[str]:
    """The words of a prompt, in small letters, without punctuation."""
    return [match.group().lower() for match in _WORD.finditer(prompt)]


def without_words(prompt: str, phrase: str) -> str:
    """The prompt with every word of ``phrase`` left out.

    >>> without_words("a Red cat, on a beach", "red cat")
    'a, on a beach'
    """
    left_out = set(words_of(phrase))
    kept = _WORD.sub(lambda match: "" if match.group().lower() in left_out else match.group(), prompt)
    return re.sub(r"\s+([,.;])", r"\1", " ".join(kept.split()))


def word_spans(prompt: str) -> list[tuple[str, int]]:
    """The same, each with the place of its first letter."""
    return [(match.group().lower(), match.start()) for match in _WORD.finditer(prompt)]


def find_words(tokens: Tokens, phrase: str) -> tuple[int, ...]:
    """The token positions of every word of ``phrase`` in the prompt.

    Raises:
        BadPrompt: when a word is not in the prompt; the sentence names the words there are.
    """
    found: list[int] = []
    for chunk in phrase.lower().split():
        taught = word_named(tokens, chunk)
        for name in [taught] if taught else words_of(chunk):
            positions = [i for word in tokens.words if word.text == name for i in word.tokens]
            if not positions:
                raise unknown_word(name, [tokens])
            found += positions
    if not found:
        raise BadPrompt(f"{phrase!r} holds no word: name a word of the prompt {tokens.prompt!r}.")
    return tuple(dict.fromkeys(found))


def unknown_word(word: str, prompts: Sequence[Tokens]) -> BadPrompt:
    """The error for a word that is in none of the prompts, or in a part that the model does not read."""
    for tokens in prompts:
        if word in tokens.cut:
            return BadPrompt(
                f"the word {word!r} is cut off: the model reads {tokens.length} tokens, and the prompt "
                f"{tokens.prompt!r} is longer: shorten it, or name the word nearer to its beginning."
            )
    known = list(dict.fromkeys(w.text for tokens in prompts for w in tokens.words))
    close = get_close_matches(word, known, n=1)
    where = " or ".join(repr(tokens.prompt) for tokens in prompts)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return BadPrompt(f"the word {word!r} is not in the prompt {where}{hint}; its words are: {', '.join(known)}.")


def replacement_mapping(source: Tokens, target: Tokens) -> Tensor:
    """The matrix that carries cross-attention maps word by word from ``source`` to ``target``.

    Prompt-to-Prompt, word swap (Hertz et al. 2022, section 3.2): the i-th source word becomes the i-th target word.

    A departure where a word and its counterpart have different numbers of tokens: what follows the last changed word is
    carried on word by word, and the padding in order. The authors' code pairs equal *absolute* positions there, so that
    later words take the maps of their neighbours.

    Returns:
        [source tokens, target tokens]; ``maps @ mapping`` are the maps for the target's tokens. A word of k tokens
        that becomes one of m gives each of the m the k maps' sum over m, so that no attention is lost.

    Raises:
        BadPrompt: when the prompts do not have the same number of words.
    """
    import torch

    if len(source.words) != len(target.words):
        raise BadPrompt(
            f"'replace' needs prompts with the same number of words, but {source.prompt!r} has {len(source.words)} "
            f"and {target.prompt!r} has {len(target.words)}: use 'refine' instead."
        )
    mapping = torch.zeros(source.length, target.length)
    matched_source, matched_target = {0}, {0}
    mapping[0, 0] = 1
    for old, new in zip(source.words, target.words, strict=True):
        matched_source |= set(old.tokens)
        matched_target |= set(new.tokens)
        if len(old.tokens) == len(new.tokens):
            for i, j in zip(old.tokens, new.tokens, strict=True):
                mapping[i, j] = 1
        else:
            for i in old.tokens:
                for j in new.tokens:
                    mapping[i, j] = 1 / len(new.tokens)
    # what no word owns (punctuation, end of text, padding) corresponds in order
    rest_source = [i for i in range(source.length) if i not in matched_source]
    rest_target = [j for j in range(target.length) if j not in matched_target]
    for k, j in enumerate(rest_target):
        mapping[rest_source[min(k, len(rest_source) - 1)] if rest_source else source.end, j] = 1
    return mapping


def refinement_mapping(source: Tokens, target: Tokens) -> tuple[Tensor, Tensor]:
    """Which source token each target token corresponds to, by global sequence alignment.

    Prompt-to-Prompt, refinement (Hertz et al. 2022, equation 6) with the authors' Needleman–Wunsch scores: match 1,
    mismatch -1, gap 0.

    A departure where the prompts differ in length: padding is counted from the end of each prompt, so that the target's
    first padding token takes the map of the source's first. The authors' code pairs equal *absolute* positions from the
    target's end on: where words are deleted, the target's padding takes the maps of the source's last words.

    Returns:
        ``(mapping [source tokens, target tokens], shared [target tokens])``; ``shared`` is 1 where the target's
        token has a counterpart and 0 where it is new and keeps its own map.
    """
    import torch

    a, b = source.ids[: source.end + 1], target.ids[: target.end + 1]
    score = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, left in enumerate(a, 1):
        for j, right in enumerate(b, 1):
            diagonal = score[i - 1][j - 1] + (1 if left == right else -1)
            score[i][j] = max(diagonal, score[i - 1][j], score[i][j - 1])
    mapping, shared = torch.zeros(source.length, target.length), torch.zeros(target.length)
    i, j = len(a), len(b)
    while i and j:
        # gaps before matches, as the authors: of equally good alignments the one whose matches come first
        if score[i][j] == score[i][j - 1]:
            j -= 1
        elif score[i][j] == score[i - 1][j]:
            i -= 1
        else:
            i, j = i - 1, j - 1
            if a[i] == b[j]:  # otherwise a mismatch on the best path: the target's token is new
                mapping[i, j] = shared[j] = 1
    for j in range(len(b), target.length):  # padding corresponds to padding, in order after the end
        mapping[min(len(a) + j - len(b), source.length - 1), j] = shared[j] = 1
    return mapping, shared


def changed_words(source: Tokens, target: Tokens) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    """The words only the source has and the words only the target has, by alignment, without articles."""
    old, new = changes([w.text for w in source.words], [w.text for w in target.words])
    return tuple(source.words[i] for i in old), tuple(target.words[j] for j in new)


def changes(source: Sequence[str], target: Sequence[str]) -> tuple[list[int], list[int]]:
    """The places of the words only ``source`` has and of those only ``target`` has, by alignment, without articles."""
    old, new = list[int](), list[int]()
    for tag, i1, i2, j1, j2 in SequenceMatcher(a=source, b=target, autojunk=False).get_opcodes():
        if tag != "equal":
            old += range(i1, i2)
            new += range(j1, j2)
    articles = {"a", "an", "the"}
    return [i for i in old if source[i] not in articles], [j for j in new if target[j] not in articles]


def word_numbers(text: str, low: float, high: float) -> dict[str, float]:
    """Reads ``"cat=0.4,hat=2"`` into ``{"cat": 0.4, "hat": 2.0}``.

    Raises:
        BadPrompt: when an entry is not ``word=number``, or the number is not in ``low``..``high``.
    """
    numbers: dict[str, float] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        word, _, number = entry.rpartition("=")
        try:
            numbers[word.strip().lower()] = float(number)
        except ValueError:
            word = ""
        if not word.strip():
            raise BadPrompt(f"{entry!r} is not word=number: write for instance hat=2,cat=0.5.")
        if not low <= numbers[word.strip().lower()] <= high:
            raise BadPrompt(f"{entry!r} is out of range: the number must lie in {low:g}..{high:g}.")
    return numbers


def per_token(tokens: Tokens, numbers: Mapping[str, float], default: float) -> Tensor:
    """One number per token, float64 [tokens]: a word's own where it is named, ``default`` elsewhere.

    ``red`` is every "red" of the prompt, ``red#2`` the second alone.

    Raises:
        BadPrompt: when there is no such word, or not so often.
    """
    import torch

    values = torch.full((tokens.length,), default, dtype=torch.float64)
    for word, number in numbers.items():
        name, numbered, nth = word.partition("#")
        places = find_words(tokens, name)
        if numbered:
            those = [known.tokens for known in tokens.words if known.text == name.strip()]
            if not nth.isdecimal() or not 1 <= int(nth) <= len(those):
                raise BadPrompt(f"{word!r} is not there: the prompt {tokens.prompt!r} has {name!r} {len(those)} times.")
            places = those[int(nth) - 1]
        values[list(places)] = number
    return values
