"""Pictures in and out: reading, fitting to a model's grid and back, writing with the recipe inside."""

from __future__ import annotations

import io
import json
import os
import stat
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, ImageCms, ImageFilter, ImageOps, PngImagePlugin, UnidentifiedImageError

from retouch.errors import BadParameter, BadPicture, OutputExists
from retouch.whole import written_whole

READABLE = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
WRITABLE = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
MAX_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded: 100 megapixels."""
MAX_SIDES = 4
"""The longer side of a fitted picture is at most this many native sides; a longer picture is stretched."""
RECIPE_KEY = "retouch"

Path_ = str | PathLike[str]

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # what brings each EXIF orientation upright


@dataclass(frozen=True)
class Picture:
    """An upright RGB picture and what was done to it on the way in, in sentences for the user."""

    image: Image.Image
    notes: tuple[str, ...] = ()
    path: Path | None = None


def read_picture(path: Path_) -> Picture:
    """Reads PNG, JPEG, WebP, BMP, TIFF or the first frame of a GIF, up to :data:`MAX_PIXELS`.

    EXIF rotation is applied; transparency goes onto white; greyscale, palette, 16-bit, CMYK and other colour profiles
    become 8-bit sRGB.

    Raises:
        BadPicture: one sentence that names the file, for anything that is not a readable picture.
    """
    where = Path(path)
    decoded = _decode(where)
    return _upright(decoded, _shown(where), where)


def from_image(image: Image.Image) -> Picture:
    """As :func:`read_picture` for a picture in memory.

    Raises:
        BadPicture: when it has no pixels, or is a file that was opened but cannot be decoded.
    """
    if not isinstance(image, Image.Image):
        raise BadPicture(f"a {type(image).__name__} was given, expected a PIL image: convert it first.")
    if 0 in image.size:
        raise BadPicture(f"the picture has {image.width} x {image.height} pixels, expected at least one.")
    try:
        image.load()
    except Exception as error:  # as in _decode
        raise BadPicture(f"the picture is damaged or cut off ({_one_line(error)}): get it again.") from None
    return _upright(_Decoded(image, _exif(image)), "the picture", None)


class _Decoded(NamedTuple):
    image: Image.Image
    exif: dict[int, Any]
    more_frames: bool = False


def _decode(where: Path) -> _Decoded:
    """A file's first frame, decoded, with its EXIF data.

    Raises:
        BadPicture: one sentence that names the file.
    """
    shown = _shown(where)
    try:
        status = where.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise BadPicture(f"there is no file {shown}: check the path of the picture.") from None
    except OSError as error:
        raise BadPicture(f"{shown} cannot be opened ({_one_line(error)}): check the path of the picture.") from None
    if stat.S_ISDIR(status.st_mode):
        raise BadPicture(f"{shown} is a folder, expected a picture: name a PNG, JPEG or WebP file.")
    if not stat.S_ISREG(status.st_mode):
        raise BadPicture(f"{shown} is a device or a pipe, expected a picture: name a PNG, JPEG or WebP file.")
    if status.st_size == 0:
        raise BadPicture(f"{shown} is empty, expected a picture: check how the file came about.")
    too_large = f"more than {MAX_PIXELS // 10**6} million: make it smaller first."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning: the limit below is ours
            with Image.open(where, formats=READABLE) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise BadPicture(f"{shown} has {opened.width} x {opened.height} pixels, {too_large}")
                # a phone's JPEG (MPO) carries a preview or a depth map as its further frames: not worth a word
                more_frames = bool(getattr(opened, "is_animated", False)) and opened.format != "MPO"
                opened.load()  # after the question above, which moves to the next frame and back
                return _Decoded(opened, _exif(opened), more_frames)
    except BadPicture:
        raise
    except UnidentifiedImageError:
        raise BadPicture(f"{shown} is not a picture that can be read: expected PNG, JPEG or WebP.") from None
    except Image.DecompressionBombError:
        raise BadPicture(f"{shown} has too many pixels, {too_large}") from None
    except PermissionError:
        raise BadPicture(f"{shown} may not be read: check the file's permissions.") from None
    except Exception as error:  # on damaged files the decoders raise struct.error, KeyError, TypeError and more
        raise BadPicture(f"{shown} is damaged or cut off ({_one_line(error)}): get the file again.") from None


def _exif(image: Image.Image) -> dict[int, Any]:
    try:
        return dict(image.getexif())
    except Exception:  # damaged EXIF data do not make the pixels unreadable
        return {}


def _shown(path: Path) -> str:
    """A path for a message: control characters and undecodable bytes escaped, so that it stays one printable line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(path))


def _one_line(error: BaseException) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(text.split())[:120] or type(error).__name__


def _upright(decoded: _Decoded, name: str, path: Path | None) -> Picture:
    image, exif, more_frames = decoded
    notes: list[str] = []
    if more_frames:
        notes.append(f"{name}: only the first of its frames is used.")
    turn = _TURNS.get(exif.get(ExifTags.Base.Orientation, 1))
    if turn is not None:
        image = image.transpose(turn)
        notes.append(f"{name}: turned upright as its EXIF data says.")
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image)
        notes.append(f"{name}: 16-bit values were reduced to 8 bits.")
    profile = image.info.get("icc_profile")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        if image.mode == "La":
            image = image.convert("LA")  # Pillow has no other way out of this mode
        layer = image.convert("RGBA")
        if layer.getchannel("A").getextrema()[0] < 255:  # type: ignore[operator]
            notes.append(f"{name}: transparent parts were put onto white.")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    elif image.mode == "CMYK":
        notes.append(f"{name}: CMYK was converted to RGB.")
    rgb = _srgb(image if image.mode == "CMYK" else image.convert("RGB"), profile)
    plain = Image.new("RGB", rgb.size)  # without metadata that no longer holds
    plain.paste(rgb)
    return Picture(plain, tuple(notes), path)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Greyscale of more than 8 bits, scaled to 8 and never clipped: what the numbers mean follows from their range."""
    values = np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0, neginf=0)
    ranges = (65535,) if image.mode.startswith("I;16") else (1, 255, 65535) if image.mode == "F" else (255, 65535)
    highest = float(values.max())
    top = next((top for top in ranges if highest <= top), highest)
    return Image.fromarray((np.maximum(values, 0) * np.float32(255 / top)).round().astype(np.uint8))


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB or CMYK with an ICC profile as sRGB, so that a phone's wide-gamut photograph keeps its colours."""
    if profile:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            fits = own.profile.xcolor_space.strip() == image.mode
            if fits and "srgb" not in ImageCms.getProfileDescription(own).lower():
                converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
                return converted or image.convert("RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a damaged profile: the plain numbers are the best there is
    return image.convert("RGB")


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
        """An edit of :attr:`image` cropped and scaled back to the original size.

        Raises:
            BadPicture: when ``image`` has another size than :attr:`image`.
        """
        if image.size != self.image.size:
            given, expected = (f"{width} x {height}" for width, height in (image.size, self.image.size))
            raise BadPicture(f"the picture to restore is {given}, expected the fitted size {expected}.")
        whole = self.box == (0, 0, *image.size)
        cropped = image if whole else image.crop(self.box)
        return cropped if cropped.size == self.size else cropped.resize(self.size, Image.Resampling.LANCZOS)


def fit(image: Image.Image, native_side: int, multiple: int) -> Fitted:
    """Fits a picture of any size to a model's grid.

    The rule: scale it, keeping its shape, to about ``native_side``² pixels; centre it on the smallest canvas whose
    sides are multiples of ``multiple`` and fill the margin by mirroring the edge. Nothing is cropped or distorted. A
    picture of ``native_side`` × ``native_side`` stays as it is, bit for bit. Only where a picture is so long that its
    longer side would exceed ``MAX_SIDES`` native sides it is stretched to that, which a note says.

    Args:
        native_side: the side the model was trained on, in pixels.
        multiple: what the model's sides must be multiples of, in pixels.
    """
    width, height = image.size
    scale = native_side / (width * height) ** 0.5
    longest = MAX_SIDES * native_side
    wide, high = (max(1, min(longest, round(side * scale))) for side in (width, height))
    notes: tuple[str, ...] = ()
    if max(width, height) * scale > longest:
        wide, high = max(wide, multiple), max(high, multiple)
        notes = (f"a picture of {width} x {height} is too long for the model; it is stretched for the edit and back.",)
    canvas = (-(-wide // multiple) * multiple, -(-high // multiple) * multiple)
    scaled = image if (wide, high) == image.size else image.resize((wide, high), Image.Resampling.LANCZOS)
    left, top = (canvas[0] - wide) // 2, (canvas[1] - high) // 2
    box = (left, top, left + wide, top + high)
    padded = Image.fromarray(_mirror(np.asarray(scaled), box, canvas)) if canvas != scaled.size else scaled
    return Fitted(padded, box, image.size, notes)


def read_mask(mask: Path_ | Image.Image) -> Image.Image:
    """A mask (L, 0..255) from a file or a picture: white is where the picture may change; transparent counts as black.

    Raises:
        BadPicture: when it cannot be read, or marks nothing.
    """
    if isinstance(mask, Image.Image):
        from_image(mask)  # refuses what cannot be decoded
        decoded, shown = _Decoded(mask, _exif(mask)), "the mask"
    else:
        decoded, shown = _decode(Path(mask)), f"the mask {_shown(Path(mask))}"
    if "A" in decoded.image.getbands() or "transparency" in decoded.image.info:
        layer = decoded.image.convert("RGBA")
        decoded = decoded._replace(image=Image.alpha_composite(Image.new("RGBA", layer.size, "black"), layer))
    plane = _upright(decoded, shown, None).image.convert("L")
    if np.asarray(plane).max() == 1:
        plane = plane.point(lambda value: 255 * value)  # masks of zeros and ones
    if np.asarray(plane).max() < 128:
        raise BadPicture(f"{shown} marks nothing: paint white where the picture may change.")
    return plane


def fit_mask(mask: Image.Image, fitted: Fitted) -> tuple[Image.Image, tuple[str, ...]]:
    """A mask (L) carried through the same geometry as the picture, mirrored into the margin like it.

    Returns:
        the mask on the model's grid, and a note where it had another size than the picture and was stretched to it.
    """
    notes: tuple[str, ...] = ()
    if mask.size != fitted.size:
        given, expected = (f"{width} x {height}" for width, height in (mask.size, fitted.size))
        notes = (f"the mask is {given}, the picture {expected}: the mask is stretched to the picture.",)
    left, top, right, bottom = fitted.box
    # BOX averages the area where it makes smaller: a thin stroke stays, softly
    plane = mask.convert("L").resize((right - left, bottom - top), Image.Resampling.BOX)
    return Image.fromarray(_mirror(np.asarray(plane), fitted.box, fitted.image.size)), notes


def changed_mask(mask: Image.Image, *, grow: int = 0, invert: bool = False) -> Image.Image:
    """A mask (L) grown by ``grow`` pixels on every side (shrunk below 0), then turned round where ``invert`` says so.

    Raises:
        BadParameter: when nothing or everything is left marked, or ``grow`` exceeds the picture.
    """
    if abs(grow) >= max(mask.size):
        raise BadParameter(f"grow is {grow}, expected fewer pixels than the picture has ({max(mask.size)}).")
    if grow:
        rule = ImageFilter.MaxFilter if grow > 0 else ImageFilter.MinFilter
        mask = mask.filter(rule(2 * abs(grow) + 1))
    if invert:
        mask = ImageOps.invert(mask)
    low, high = int(np.asarray(mask).min()), int(np.asarray(mask).max())
    if high < 128 or low > 127:
        raise BadParameter(f"the mask would mark {'nothing' if high < 128 else 'everything'}: point at something else.")
    return mask


def overlaid(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """The picture, greyer outside the mask and with its outline in colour, to see what is marked."""
    outline = ImageChops.subtract(mask.filter(ImageFilter.MaxFilter(3)), mask)
    faded = Image.blend(picture, Image.new("RGB", picture.size, "white"), 0.65)
    shown = Image.composite(picture, faded, mask)
    return Image.composite(Image.new("RGB", picture.size, "#ff2f92"), shown, outline)


def _mirror(pixels: NDArray[np.uint8], box: tuple[int, int, int, int], canvas: tuple[int, int]) -> NDArray[np.uint8]:
    """Pixels [h, w] or [h, w, C] at ``box`` of a canvas (width, height) whose margin mirrors them."""
    left, top, right, bottom = box
    margins = [(top, canvas[1] - bottom), (left, canvas[0] - right)] + [(0, 0)] * (pixels.ndim - 2)
    return np.pad(pixels, margins, mode="symmetric")


def to_array(image: Image.Image) -> NDArray[np.float32]:
    """An RGB picture as float32 [3, H, W] in -1..1."""
    values = np.asarray(image.convert("RGB"), np.float32).transpose(2, 0, 1)
    return np.ascontiguousarray(values / np.float32(127.5) - 1)


def from_array(values: NDArray[np.float32]) -> Image.Image:
    """The inverse of :func:`to_array`: exact for what came from 8 bits, clipped and rounded otherwise.

    Raises:
        BadPicture: when there are values that are not numbers, which would else turn black unseen.
    """
    if not np.isfinite(values).all():
        raise BadPicture("the model returned values that are not numbers: try float32 or a lower guidance scale.")
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
    shown = _shown(where)
    folder = where.absolute().parent
    try:
        if where.is_dir():
            raise BadParameter(f"the output {shown} is a folder: name a file in it.")
        if where.suffix.lower() not in WRITABLE:
            raise BadParameter(f"the output {shown} must end in one of {', '.join(WRITABLE)}.")
        if not folder.is_dir():
            raise BadParameter(f"the folder of the output {shown} does not exist: make it first.")
        taken = where.exists()
    except OSError as error:
        raise BadParameter(f"the output {shown} cannot be written ({_one_line(error)}): give another name.") from None
    if taken and not force:
        raise OutputExists(f"{shown} exists already: give another name, or --force to overwrite it.")
    if not os.access(folder, os.W_OK):
        raise BadParameter(f"the folder of the output {shown} may not be written to: name another.")


def check_outputs(paths: Sequence[Path_ | None], force: bool = False) -> None:
    """:func:`check_output` for all the files of one command, which must differ; None stands for none.

    Raises:
        OutputExists, BadParameter: as :func:`check_output`, or when two are the same file.
    """
    seen: set[Path] = set()
    for path in paths:
        if path is None:
            continue
        check_output(path, force)
        where = Path(path).resolve()
        if where in seen:
            raise BadParameter(f"{_shown(Path(path))} is named for two outputs: give each a name of its own.")
        seen.add(where)


def write_picture(
    image: Image.Image, path: Path_, *, recipe: Mapping[str, Any] | None = None, force: bool = False
) -> None:
    """Writes a picture in one piece (a temporary name, then renamed), with the recipe inside.

    PNG carries the recipe as JSON in the text chunk "retouch", JPEG and WebP in the EXIF image description.

    Raises:
        OutputExists, BadParameter: as :func:`check_output`.
        BadPicture: when the disk or the format does not take it; nothing is left behind.
    """
    check_output(path, force)
    where = Path(path)
    kind, options = WRITABLE[where.suffix.lower()], dict[str, Any]()
    if kind != "PNG":
        options["quality"] = 95
    if kind == "JPEG":
        options["subsampling"] = 0  # an edit is often a colour: keep it at full resolution
    if recipe is not None:
        text = json.dumps(recipe)  # plain ASCII, which every container takes
        if kind == "PNG":
            options["pnginfo"] = PngImagePlugin.PngInfo()
            options["pnginfo"].add_text(RECIPE_KEY, text)
        else:
            exif = Image.Exif()
            exif[ExifTags.Base.ImageDescription] = f"{RECIPE_KEY}:{text}"
            options["exif"] = exif
    try:
        with written_whole(where) as unfinished, unfinished.open("xb") as file:
            image.save(file, kind, **options)
    except OSError as error:
        raise BadPicture(
            f"{_shown(where)} could not be written ({_one_line(error)}): check the disk and the permissions."
        ) from None
    except ValueError as error:  # too large a side, or too long a recipe, for JPEG or WebP
        raise BadPicture(f"{_shown(where)} could not be written ({_one_line(error)}): write a .png instead.") from None


def read_recipe(path: Path_) -> dict[str, Any] | None:
    """The recipe inside a picture, None when it carries none.

    Raises:
        BadPicture: when the file is not a readable picture.
    """
    image, exif, _ = _decode(Path(path))
    text = image.info.get(RECIPE_KEY) if image.format == "PNG" else None
    described = str(exif.get(ExifTags.Base.ImageDescription, ""))
    if text is None and described.startswith(f"{RECIPE_KEY}:"):
        text = described.removeprefix(f"{RECIPE_KEY}:")
    try:
        recipe = json.loads(text or "null")
    except (TypeError, ValueError, RecursionError):
        return None  # another program's text under our key
    return recipe if isinstance(recipe, dict) else None
