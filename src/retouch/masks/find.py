"""A thing in a picture, named by words, clicks or a box, as a mask of the picture's size."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from retouch.backbone.protocol import Backbone
from retouch.errors import BadModel, BadParameter
from retouch.masks.attention import peak, split, word_heat
from retouch.masks.objects import segmenter_for
from retouch.parameters import number_in
from retouch.picture import Fitted
from retouch.prompts import find_words


def by_words(
    model: Backbone, latents: Tensor, fitted: Fitted, words: str, prompt: str | None, segmenter: str
) -> Image.Image:
    """The thing that ``words`` of ``prompt`` name: the attention's region, or what a segmenter makes of its middle.

    Args:
        latents: z_0 [1, C, h, w] of ``fitted.image``.
        prompt: a sentence with the words in it; None for the words alone.

    Returns:
        L, of the original picture's size, 255 inside.

    Raises:
        BadPrompt: when a word is not in the prompt.
    """
    tokens = model.tokens(prompt or words)
    heat = word_heat(model, latents, tokens.prompt, find_words(tokens, words))
    found = segmenter_for(model, segmenter)
    if found is None:
        plane = Image.fromarray((heat[0, 0] / split(heat) * 127.5).clamp(0, 255).byte().cpu().numpy())
        large = plane.resize(fitted.image.size, Image.Resampling.BICUBIC).point(lambda value: 255 * (value > 127))
    else:
        x, y = peak(heat)
        large = found.mask(fitted.image, points=[(x * fitted.image.width, y * fitted.image.height)])
    return fitted.restore(large.convert("RGB")).convert("L")


def by_clicks(
    model: Backbone,
    image: Image.Image,
    points: Sequence[tuple[float, ...]],
    outside: Sequence[tuple[float, ...]],
    box: tuple[float, ...] | None,
    segmenter: str,
) -> Image.Image:
    """The thing that clicks or a box in ``image`` point at; see :meth:`retouch.masks.segmenter.Segmenter.mask`.

    Raises:
        BadModel: where no segmenter is named and the model has none of its own.
    """
    found = segmenter_for(model, segmenter)
    if found is None:
        raise BadModel(
            "clicks and boxes need a Segment Anything model: name one, for instance --segmenter facebook/sam-vit-base."
        )
    return found.mask(
        image, points=[(x, y) for x, y in points], outside=[(x, y) for x, y in outside],
        box=None if box is None else (box[0], box[1], box[2], box[3]),
    )  # fmt: skip


def read_numbers(option: str, text: str, count: int) -> tuple[float, ...]:
    """Reads ``"64,80"`` into (64.0, 80.0).

    Raises:
        BadParameter: when it is not ``count`` numbers.
    """
    try:
        numbers = tuple(number_in(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise BadParameter(f"{option} is {text!r}, expected {count} numbers separated by commas, in pixels.")
    return numbers
