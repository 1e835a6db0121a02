"""Pictures in and out: reading, fitting to a model's grid and back, writing with the recipe inside."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from retouch.errors import BadParameter, BadPicture, OutputExists

READABLE = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
WRITABLE = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
MAX_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded: 100 megapixels."""
MAX_ASPECT = 4.0
"""The longer side of the fitted picture is at most this many native sides; beyond, the picture is stretched."""
RECIPE_KEY = "retouch"

Path_ = str | PathLike[str]


@dataclass(frozen=True)
class Picture:
    """An upright RGB picture and what was done to it on the way in, in sentences for the user."""

    image: Image.Image
    notes: tuple[str, ...] = ()
    path: Path | None = None


def read_picture(path: Path_) -> Picture:
    """Reads PNG, JPEG, WebP, BMP, TIFF or the first frame of a GIF, up to :data:`MAX_PIXELS`.

    EXIF rotation is applied; transparency goes onto white; greyscale, palette, 16-bit and CMYK become 8-bit RGB.

    Raises:
        BadPicture: one sentence that names the file, for anything that is not a readable picture.
    """
    where = Path(path)
    if where.is_dir():
        raise BadPicture(f"{where} is a folder, expected a picture: name a PNG, JPEG or WebP file.")
    if not where.exists():
        raise BadPicture(f"there is no file {where}: check the path of the picture.")
    try:
        if where.stat().st_size == 0:
            raise BadPicture(f"{where} is empty, expected a picture: check how the file came about.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning: the limit below is ours
            with Image.open(where, formats=READABLE) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise BadPicture(
                        f"{where} has {opened.width} x {opened.height} pixels, more than {MAX_PIXELS // 10**6} "
                        "million: make it smaller first."
                    )
                opened.load()
                return _upright(opened, where)
    except UnidentifiedImageError:
        raise BadPicture(f"{where} is not a picture that can be read: expected PNG, JPEG or WebP.") from None
    except Image.DecompressionBombError:
        raise BadPicture(
            f"{where} has more than {MAX_PIXELS // 10**6} million pixels: make it smaller first."
        ) from None
    except PermissionError:
        raise BadPicture(f"{where} may not be read: check the file's permissions.") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadPicture(f"{where} is damaged or cut off ({_one_line(error)}): get the file again.") from None


def from_image(image: Image.Image) -> Picture:
    """As :func:`read_picture` for a picture in memory."""
    return _upright(image, None)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _upright(image: Image.Image, path: Path | None) -> Picture:
    notes: list[str] = []
    name = str(path or "the picture")
    turned = ImageOps.exif_transpose(image)
    if image.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1, None):
        notes.append(f"{name}: turned upright as its EXIF data says.")
    image = turned
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image)
        notes.append(f"{name}: 16-bit values were reduced to 8 bits.")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        if layer.getchannel("A").getextrema()[0] < 255:  # type: ignore[operator]
            notes.append(f"{name}: transparent parts were put onto white.")
        white = Image.new("RGBA", layer.size, "white")
        image = Image.alpha_composite(white, layer)
    elif image.mode == "CMYK":
        notes.append(f"{name}: CMYK was converted to RGB.")
    rgb = image.convert("RGB")
    plain = Image.new("RGB", rgb.size)  # without metadata that no longer holds
    plain.paste(rgb)
    return Picture(plain, tuple(notes), path)


def _eight_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        top = 1.0 if values.max() <= 1 else 255.0
    else:
        top = 65535.0 if values.max() > 255 or image.mode.startswith("I;16") else 255.0
    return Image.fromarray(np.clip(values / top * 255, 0, 255).round().astype(np.uint8))


@dataclass(frozen=True)
class Fitted:
    """A picture on a model's grid, and the way back.

    Attributes:
        image: RGB, sides multiples of the model's.
        box: where the picture lies on it (left, top, right, bottom); the rest is mirrored edge.
        size: of the original (width, height).
    """

    image: Image.Image
    box: tuple[int, int, int, int]
    size: tuple[int, int]
    notes: tuple[str, ...] = ()

    def restore(self, image: Image.Image) -> Image.Image:
        """An edit of :attr:`image` cropped and scaled back to the original size."""
        whole = self.box == (0, 0, *image.size)
        cropped = image if whole else image.crop(self.box)
        return cropped if cropped.size == self.size else cropped.resize(self.size, Image.Resampling.LANCZOS)


def fit(image: Image.Image, native_side: int, multiple: int) -> Fitted:
    """Fits a picture of any size to a model's grid.

    The rule: scale it, keeping its shape, to about ``native_side``² pixels; centre it on the smallest canvas whose
    sides are multiples of ``multiple`` and fill the margin by mirroring the edge. Nothing is cropped or distorted. A
    picture of ``native_side`` × ``native_side`` stays as it is, bit for bit. Only where a picture is so long that its
    longer side would exceed ``MAX_ASPECT`` native sides it is stretched to that, which a note says.

    Args:
        native_side: the side the model was trained on, in pixels.
        multiple: what the model's sides must be multiples of, in pixels.
    """
    width, height = image.size
    scale = native_side / (width * height) ** 0.5
    longest = int(MAX_ASPECT * native_side)
    wide, high = (max(1, min(longest, round(side * scale))) for side in (width, height))
    notes: tuple[str, ...] = ()
    if max(width, height) * scale > longest:
        wide, high = max(wide, multiple), max(high, multiple)
        notes = (f"a picture of {width} x {height} is too long for the model; it is stretched for the edit and back.",)
    canvas = tuple(-(-side // multiple) * multiple for side in (wide, high))
    scaled = image if (wide, high) == image.size else image.resize((wide, high), Image.Resampling.LANCZOS)
    left, top = (canvas[0] - wide) // 2, (canvas[1] - high) // 2
    box = (left, top, left + wide, top + high)
    if canvas == scaled.size:
        return Fitted(scaled, box, image.size, notes)
    margins = ((top, canvas[1] - high - top), (left, canvas[0] - wide - left), (0, 0))
    padded = np.pad(np.asarray(scaled), margins, mode="symmetric")
    return Fitted(Image.fromarray(padded), box, image.size, notes)


def fit_mask(mask: Image.Image, fitted: Fitted) -> Image.Image:
    """A mask (L) carried through the same geometry as the picture; the margin is outside the mask."""
    left, top, right, bottom = fitted.box
    plane = Image.new("L", fitted.image.size)
    plane.paste(mask.convert("L").resize((right - left, bottom - top), Image.Resampling.BILINEAR), (left, top))
    return plane


def to_array(image: Image.Image) -> NDArray[np.float32]:
    """An RGB picture as float32 [3, H, W] in -1..1."""
    values = np.asarray(image.convert("RGB"), np.float32).transpose(2, 0, 1)
    return np.ascontiguousarray(values / np.float32(127.5) - 1)


def from_array(values: NDArray[np.float32]) -> Image.Image:
    """The inverse of :func:`to_array`: exact for what came from 8 bits, clipped and rounded otherwise."""
    pixels = np.clip((values.astype(np.float32) + 1) * np.float32(127.5), 0, 255).round().astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def side_by_side(images: Sequence[Image.Image], gap: int = 8) -> Image.Image:
    """Pictures in one row on white, brought to the height of the first."""
    height = images[0].height
    scaled = [im if im.height == height else im.resize((round(im.width * height / im.height), height)) for im in images]
    strip = Image.new("RGB", (sum(im.width for im in scaled) + gap * (len(scaled) - 1), height), "white")
    x = 0
    for im in scaled:
        strip.paste(im, (x, 0))
        x += im.width + gap
    return strip


def check_output(path: Path_, force: bool = False) -> None:
    """Refuses an output that cannot or should not be written; call it before long work.

    Raises:
        OutputExists: when there is a file and ``force`` is not set.
        BadParameter: when the suffix is unknown, the folder is missing, or the path is a folder.
    """
    where = Path(path)
    if where.suffix.lower() not in WRITABLE:
        raise BadParameter(f"the output {where} must end in one of {', '.join(WRITABLE)}.")
    if where.is_dir():
        raise BadParameter(f"the output {where} is a folder: name a file in it.")
    if not where.absolute().parent.is_dir():
        raise BadParameter(f"the folder of the output {where} does not exist: make it first.")
    if where.exists() and not force:
        raise OutputExists(f"{where} exists already: give another name, or --force to overwrite it.")


def write_picture(
    image: Image.Image, path: Path_, *, recipe: Mapping[str, Any] | None = None, force: bool = False
) -> None:
    """Writes a picture in one piece (a temporary name, then renamed), with the recipe inside.

    PNG carries the recipe as JSON in the text chunk "retouch", JPEG and WebP in the EXIF image description.

    Raises:
        OutputExists, BadParameter: as :func:`check_output`.
        BadPicture: when the disk does not take it.
    """
    check_output(path, force)
    where = Path(path)
    kind, options = WRITABLE[where.suffix.lower()], dict[str, Any]()
    if kind != "PNG":
        options["quality"] = 95
    if recipe is not None:
        text = json.dumps(recipe, ensure_ascii=kind != "PNG")
        if kind == "PNG":
            options["pnginfo"] = PngImagePlugin.PngInfo()
            options["pnginfo"].add_itxt(RECIPE_KEY, text)
        else:
            exif = Image.Exif()
            exif[ExifTags.Base.ImageDescription] = f"{RECIPE_KEY}:{text}"
            options["exif"] = exif
    unfinished: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=where.absolute().parent, prefix=f".{where.name}.", suffix=".tmp")
        unfinished = Path(name)
        with os.fdopen(handle, "wb") as file:
            image.save(file, kind, **options)
        unfinished.chmod(0o644)
        os.replace(unfinished, where)
    except OSError as error:
        raise BadPicture(
            f"{where} could not be written ({_one_line(error)}): check the disk and the permissions."
        ) from None
    finally:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)


def read_recipe(path: Path_) -> dict[str, Any] | None:
    """The recipe inside a picture, None when it carries none.

    Raises:
        BadPicture: when the file is not a readable picture.
    """
    read_picture(path)
    with Image.open(path) as opened:
        text = opened.info.get(RECIPE_KEY) if opened.format == "PNG" else None
        if text is None:
            described = str(opened.getexif().get(ExifTags.Base.ImageDescription, ""))
            text = described.removeprefix(f"{RECIPE_KEY}:") if described.startswith(f"{RECIPE_KEY}:") else None
    if text is None:
        return None
    recipe: dict[str, Any] = json.loads(text)
    return recipe
