"""Whether a negative prompt can act, and what of it the model does not read."""

from __future__ import annotations

from retouch.backbone.protocol import Backbone
from retouch.errors import BadParameter
from retouch.methods.method import Method
from retouch.parts.asked import Asked


def negative_acts(method: Method, asked: Asked) -> bool:
    """Whether there is a negative prompt, and the method leads away from it in an edit as it is asked.

    Raises:
        BadParameter: where guidance is so weak that it would be led towards it.
    """
    if not asked.negative or "negative_prompt" in method.idle(asked):
        return False
    if method.draws_to_negative() and not asked.fitting:
        scale = getattr(method, "guidance_scale", 0.0)
        raise BadParameter(
            f"guidance_scale is {scale:g}, where a negative prompt would draw the picture towards itself: raise "
            "guidance_scale above 1, or leave the negative prompt out."
        )
    return True


def negative_cut_off(model: Backbone, method: Method, negative: str, source: str | None) -> list[str]:
    """A sentence where what the network is told for it is longer than it reads."""
    told = method.negative_text(negative, source)
    if not (rest := model.truncated(told)):
        return []
    which = "the negative prompt" if told == negative else f"the negative prompt, told as {told!r},"
    return [f"{which} is longer than the model reads ({model.max_tokens} tokens); cut off: {rest!r}."]
