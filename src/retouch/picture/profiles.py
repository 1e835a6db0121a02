"""Colour profiles: what a file's numbers look like, as sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""The modes whose numbers the kinds of ICC profiles explain."""


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """L, RGB or CMYK with an ICC profile as RGB in sRGB, so that a wide-gamut photograph keeps its colours.

    A profile under which every number means what it means in sRGB leaves the numbers as they are, bit for bit.

    Returns:
        the picture, and why the profile was left out, "" where it was not.
    """
    if not profile:
        return image.convert("RGB"), ""
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = own.profile.xcolor_space.strip()
        if space == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        if space == "GRAY" and image.mode == "RGB" and _is_grey(image):
            image = image.getchannel("R")
        if _MODES.get(space) != image.mode:
            return image.convert("RGB"), f"it is for {space or 'no'} numbers, the picture is {image.mode}"
        if image.mode != "CMYK" and _means_srgb(own, image.mode):
            return image.convert("RGB"), ""
        return _converted(image, own), ""
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB"), "it is damaged"


def _means_srgb(own: ImageCms.ImageCmsProfile, mode: str) -> bool:
    """Whether colours all over the range come out as they went in. What a profile is called does not say."""
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    if mode == "L":
        samples = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    else:
        samples = Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3))
    before, after = (np.asarray(one, np.int16) for one in (samples.convert("RGB"), _converted(samples, own)))
    return int(np.abs(before - after).max()) <= 1


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = image.split()
    return red.tobytes() == green.tobytes() == blue.tobytes()


def _converted(image: Image.Image, own: ImageCms.ImageCmsProfile) -> Image.Image:
    made = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert made is not None  # as it is not done in place
    return made
