"""The weights in an edit's prompts become its method's reweighting, or are said to be left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from retouch.errors import BadParameter
from retouch.methods.method import Method
from retouch.methods.registry import method_type, methods
from retouch.parameters import parameters_of
from retouch.request import PLAIN_METHOD, Request
from retouch.weights import read_weights


def weighed(request: Request) -> tuple[Request, list[str]]:
    """The request with prompts that hold no marks of weights, and sentences on what became of these.

    The target's weights become ``reweight``, at every step, as in the web UI that they are written for.

    Raises:
        BadPrompt: for marks that are not understood.
        BadParameter: where the words are weighted by ``reweight`` as well.
    """
    notes, target = list[str](), request.target
    for name, which in (("source", "source"), ("negative_prompt", "negative")):
        prompt = getattr(request, name)
        if isinstance(prompt, str):
            read = read_weights(prompt)
            if read.weights:
                notes.append(
                    f"the weights in the {which} prompt are left out: only what is to be seen can weigh more or less."
                )
            notes += [note for note in _parentheses(read.parentheses, prompt) if note not in notes]
            plain: dict[str, Any] = {name: read.text}
            request = replace(request, **plain)
    if not isinstance(target, str):
        return request, notes
    read = read_weights(target)
    notes += [note for note in _parentheses(read.parentheses, target) if note not in notes]
    request = replace(request, target=read.text)
    if not read.weights:
        return request, notes
    said = ",".join(f"{word}={value:g}" for word, value in read.weights.items())
    method = request.method or (request.fit.method if request.fit else PLAIN_METHOD)
    kind = type(method) if isinstance(method, Method) else method_type(method, **request.parts)
    if "reweight" not in {p.name for p in parameters_of(kind)}:
        those = ", ".join(name for name, k in methods().items() if "reweight" in {p.name for p in parameters_of(k)})
        return request, [*notes, f"{kind.name} weighs no words: the weights {said} are left out ({those} use them)."]
    if isinstance(method, Method) or request.settings.get("reweight") not in (None, "", "none"):
        raise BadParameter(
            f"the target prompt holds weights ({said}), and reweight belongs to the method already: write the weights "
            "in one place."
        )
    given = {k: v for k, v in request.settings.items() if k != "reweight"}
    settings = {"reweight": said, "reweight_while": "always", **given}
    notes.append(f"the weights in the target prompt are read as reweight {said}, at every step.")
    return replace(request, settings=settings), notes


def _parentheses(there: bool, prompt: str) -> list[str]:
    if not there:
        return []
    return [f"the parentheses in {prompt!r} are read as text; a weight is written with its number, as (blue:1.1)."]
