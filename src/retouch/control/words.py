"""The words of an edit's two prompts, as controls need them."""

from __future__ import annotations

from retouch.control.local_blend import LocalBlend
from retouch.parts.asked import Asked
from retouch.parts.job import Job
from retouch.prompts import Tokens, changed_words, find_words, unknown_word, word_named


def prompts_of(job: Job | Asked) -> tuple[Tokens, Tokens]:
    """The source prompt (the empty one where there is none) and the target prompt, tokenized."""
    return job.model.tokens(job.source or ""), job.model.tokens(job.target)


def local_blend(source: Tokens, target: Tokens, blend_words: str, threshold: float) -> LocalBlend | None:
    """The blend of named words, of the changed ones for "auto", or none.

    Raises:
        BadPrompt: for a word that is in neither prompt.
    """
    if blend_words.strip().lower() in ("none", ""):
        return None
    if blend_words.strip().lower() == "auto":
        old, new = changed_words(source, target)
        if not old and not new:
            return None
        in_old, in_new = (tuple(token for word in words for token in word.tokens) for words in (old, new))
        return LocalBlend(in_old, in_new, threshold)
    in_source: list[int] = []
    in_target: list[int] = []
    for word in blend_words.replace(",", " ").lower().split():
        found = False
        for tokens, positions in ((source, in_source), (target, in_target)):
            if word_named(tokens, word):
                positions += find_words(tokens, word)
                found = True
        if not found:
            raise unknown_word(word, [source, target])
    return LocalBlend(tuple(in_source), tuple(in_target), threshold)
