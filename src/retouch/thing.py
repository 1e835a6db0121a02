"""A thing in a picture found for a mask: by a word, by points or a box."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from PIL import Image

from retouch.arguments import check_size, check_thing
from retouch.backbone.protocol import Backbone
from retouch.backbone.turn import turn
from retouch.errors import BadParameter
from retouch.masks.find import by_clicks, by_words
from retouch.masks.presence import doubt
from retouch.picture import fit, to_array
from retouch.prepare import opened
from retouch.request import AnyPicture, large_enough
from retouch.weights import plain


def thing(
    model: Backbone,
    image: AnyPicture,
    word: str | None,
    prompt: str | None,
    points: Sequence[tuple[float, ...]],
    outside: Sequence[tuple[float, ...]],
    box: tuple[float, ...] | None,
    segmenter: str,
    size: int | None,
    say: Callable[[str], None] | None,
) -> Image.Image:
    """Where a thing is; the arguments are those of :meth:`retouch.editor.Editor.mask`."""
    if prompt is not None and word is None:
        raise BadParameter("a prompt goes with a word of it to look for: give word, too, or leave the prompt out.")
    if word is not None and (points or outside or box):
        raise BadParameter("say in one way what to mark: by a word, or by points and a box.")
    check_thing(word, prompt, points, outside, box, segmenter)
    check_size(size)
    large_enough(model, size)
    if size is not None and word is None:
        raise BadParameter("a size goes with a word: it is what the picture has where the model looks for it.")
    word, prompt = (None if text is None else plain(text) for text in (word, prompt))  # no weight says where
    picture = opened(image)
    if word is None:
        return by_clicks(model, picture.image, points, outside, box, segmenter)
    fitted = fit(picture.image, size or model.native_side, model.pixel_multiple, exact=size is not None)
    with turn(model):
        latents = model.encode(torch.from_numpy(to_array(fitted.image))[None])
        found = by_words(model, latents, fitted, word, prompt, segmenter)
        if say and (sentence := doubt(model, latents, prompt or word, word)):
            say(sentence)
        return found
