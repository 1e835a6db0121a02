"""What of two prompts the model does not read, and whether the change is in it."""

from __future__ import annotations

from retouch.backbone.protocol import Backbone
from retouch.errors import BadPrompt
from retouch.prompts import Tokens, changes


def cut_off_notes(model: Backbone, source: str | None, target: str) -> list[str]:
    """A sentence for every prompt that is longer than the model reads.

    Raises:
        BadPrompt: where the whole change lies beyond that, so that nothing would change.
    """
    prompts = [prompt for prompt in (source, target) if prompt]
    cut = {prompt: rest for prompt in prompts if (rest := model.truncated(prompt))}
    if not cut:
        return []
    words, everything = _lost(model.tokens(source), model.tokens(target)) if source else ([], False)
    if everything:
        whose = "both prompts" if len(cut) == 2 else f"the {'source' if target not in cut else 'target'} prompt"
        raise BadPrompt(
            f"the change is cut off: the model reads {model.max_tokens} tokens, and what changes lies beyond them, at "
            f"the end of {whose} ({', '.join(map(repr, cut.values()))}): shorten it, or name the change nearer to the "
            "beginning."
        )
    notes = [
        f"the prompt is longer than the model reads ({model.max_tokens} tokens); cut off: {rest!r}."
        for rest in cut.values()
    ]
    if not model.long_prompts:
        notes[-1] = notes[-1].removesuffix(".") + "; --long-prompts (long_prompts=True) reads all of it, in chunks."
    if words:
        notes.append(f"a part of the change is cut off with it: {', '.join(map(repr, words))}.")
    return notes


def _lost(source: Tokens, target: Tokens) -> tuple[list[str], bool]:
    """The changed words that are cut off, and whether they are all that changes."""
    old, new = ([word.text for word in tokens.words] + list(tokens.cut) for tokens in (source, target))
    changed = changes(old, new)
    lost = [
        words[place]
        for words, places, tokens in zip((old, new), changed, (source, target), strict=True)
        for place in places
        if place >= len(tokens.words)
    ]
    return list(dict.fromkeys(lost)), bool(lost) and len(lost) == sum(map(len, changed))
