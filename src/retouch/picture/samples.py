"""What stored numbers mean: which is white, which is transparent; the picture as 8 bits and its transparency."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from retouch.picture.decoding import Decoded

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # TIFF 6.0, section 8 and "Data Sample Format"
_SIGNED = 2
_BRIGHTER_THAN_WHITE = 16.0
"""Floating-point pictures keep white at 1 and may exceed it where they hold highlights, by less than this."""


def is_deep(decoded: Decoded) -> bool:
    """Whether a number has more than 8 bits."""
    return decoded.image.mode[0] in "IF" or ";16" in decoded.stored


def eight_bit(decoded: Decoded) -> Image.Image:
    """L, RGB or CMYK: scaled to 8 bits and never clipped, without its transparency."""
    image = decoded.image
    if image.mode[0] in "IF":
        return _scaled(decoded)
    if image.mode == "L" and _sample_format(decoded.tags) == _SIGNED:  # negative ones read as above 127
        values = np.asarray(image).view(np.int8)
        return Image.fromarray(_to_bytes(values.astype(np.float32), 127))
    if image.mode in ("L", "CMYK"):
        return image
    if image.mode in ("1", "LA", "La"):
        return (image.convert("LA") if image.mode == "La" else image).convert("L")
    alpha_first = image.mode in ("RGBa", "P", "PA")  # Pillow has no other way, or none without a warning
    return image.convert("RGBA" if alpha_first else "RGB").convert("RGB")


def transparency(decoded: Decoded) -> Image.Image | None:
    """How opaque each pixel is (L); None where the picture has no say about it."""
    image = decoded.image
    if not image.has_transparency_data:
        return None
    key = image.info.get("transparency")
    if image.mode[0] in "IF":
        return Image.fromarray(np.where(np.asarray(image) == key, 0, 255).astype(np.uint8))
    if (image.mode == "L" and isinstance(key, int)) or (image.mode == "RGB" and isinstance(key, tuple)):
        return _unlike(image, _at_eight_bits(key, decoded))
    if image.mode == "La":
        image = image.convert("LA")  # Pillow has no other way out of this mode
    return image.convert("RGBA").getchannel("A")


def _at_eight_bits(key: int | tuple[int, ...], decoded: Decoded) -> tuple[int, ...]:
    """A PNG's transparent colour, which is given at the depth of the file, at that of the decoded picture."""
    colour = key if isinstance(key, tuple) else (key,)
    if ";16" in decoded.stored or max(colour) > 255:
        return tuple(value >> 8 for value in colour)  # as Pillow takes 16 bits
    few = {"L;2": 85, "L;4": 17}.get(decoded.stored, 1)
    return tuple(min(255, value * few) for value in colour)


def _unlike(image: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    """255 where a pixel of an L or RGB picture differs from a colour, 0 where it is that colour."""
    plain = Image.new(image.mode, image.size, colour if len(colour) > 1 else colour[0])
    planes = ImageChops.difference(image, plain).split()
    most = planes[0]
    for plane in planes[1:]:
        most = ImageChops.lighter(most, plane)
    return most.point(lambda value: 255 * (value > 0))


def _scaled(decoded: Decoded) -> Image.Image:
    """Greyscale of more than 8 bits: what is white follows from the file's tags, else from the numbers' range."""
    image, tags = decoded.image, decoded.tags
    values = np.asarray(image)
    bits = _first(tags.get(_BITS), 0)
    if image.mode == "I" and bits == 32 and _sample_format(tags) != _SIGNED:
        values = values.view(np.uint32)  # Pillow has no mode for them
    numbers = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    highest = float(numbers.max())
    if image.mode.startswith("I;16"):
        white = 2.0 ** (bits or 16) - 1
    elif image.mode == "I" and bits == 16:
        white = 2.0**15 - 1 if _sample_format(tags) == _SIGNED else 2.0**16 - 1
    elif image.mode == "F" and 1 < highest < _BRIGHTER_THAN_WHITE:
        white = highest
    else:
        ranges = (1, 255, 65535) if image.mode == "F" else (255, 65535)
        white = next((float(top) for top in ranges if highest <= top), highest)
    scaled = _to_bytes(numbers, white)
    inverted = bool(tags) and _first(tags.get(_PHOTOMETRIC), 1) == 0  # white is zero; Pillow sees to it up to 8 bits
    return Image.fromarray(255 - scaled if inverted else scaled)


def _to_bytes(numbers: NDArray[Any], white: float) -> NDArray[np.uint8]:
    return (np.clip(numbers, 0, white) * np.float32(255 / white)).round().astype(np.uint8)


def _sample_format(tags: dict[int, Any]) -> int:
    return _first(tags.get(_SAMPLE_FORMAT), 1)


def _first(value: Any, otherwise: int) -> int:
    number = value[0] if isinstance(value, tuple) and value else value
    return number if isinstance(number, int) else otherwise
