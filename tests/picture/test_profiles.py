"""Colour profiles: what a profile does counts, not what it is called; numbers that mean sRGB stay as they are."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from retouch.picture import from_bytes, from_image
from tests.picture.files import png

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped():
    """A profile that calls itself sRGB, with the primaries of red and blue exchanged."""
    return SRGB.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


def fixed(value):
    return struct.pack(">i", round(value * 65536))


def profile(space, tags):
    """A monitor's ICC profile, version 2, with the given tags and sRGB's white."""
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"made\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642) + fixed(1) + fixed(0.8249),
        **tags,
    }
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data = data.ljust(-(-len(data) // 4) * 4, b"\0")
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = b"lcms" + struct.pack(">I", 0x02400000) + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp"
    head = (head + bytes(28) + fixed(0.9642) + fixed(1) + fixed(0.8249)).ljust(124, b"\0")
    whole = head + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole) + 4) + whole


def gamma(value):
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def srgb_curve():
    levels = np.linspace(0, 1, 1024)
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return b"curv" + bytes(4) + struct.pack(">I1024H", 1024, *np.round(linear * 65535).astype(int))


def grey(image, made):
    image.info["icc_profile"] = made
    return np.asarray(from_image(image).image)[0, :, 0].tolist()


def test_a_profile_is_applied_whatever_it_is_called():
    image = Image.new("RGB", (8, 8), (200, 10, 30))
    image.info["icc_profile"] = swapped()
    assert np.abs(np.asarray(from_image(image).image, int)[4, 4] - (30, 10, 200)).max() <= 3


def test_a_grey_profile_is_applied():
    ramp = Image.fromarray(np.array([[0, 64, 128, 255]], np.uint8))
    # a linear grey of a quarter is sRGB 137, one of a half 188
    assert np.abs(np.array(grey(ramp, profile(b"GRAY", {b"kTRC": gamma(1.0)}))) - [0, 137, 188, 255]).max() <= 2


def test_a_grey_profile_that_means_srgb_changes_nothing():
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    assert grey(ramp, profile(b"GRAY", {b"kTRC": srgb_curve()})) == list(range(256))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_grey_profile_holds_with_transparency(bits):
    linear = profile(b"GRAY", {b"kTRC": gamma(1.0)})
    code, most = ("B", 255) if bits == 8 else ("H", 65535)
    samples = struct.pack(f">4{code}", most // 2, most, most // 2, 0)
    data = png(2, 1, bits, 4, samples, chunks=[(b"iCCP", b"it\0\0" + zlib.compress(linear))])
    shown = np.asarray(from_bytes(data, "it").image, int)[0, :, 0]
    assert abs(shown[0] - 188) <= 2 and shown[1] == 255


def test_a_colour_profile_on_greyscale_is_applied():
    wide = profile(b"RGB ", {
        b"rXYZ": b"XYZ " + bytes(4) + fixed(0.4360) + fixed(0.2225) + fixed(0.0139),
        b"gXYZ": b"XYZ " + bytes(4) + fixed(0.3851) + fixed(0.7169) + fixed(0.0971),
        b"bXYZ": b"XYZ " + bytes(4) + fixed(0.1431) + fixed(0.0606) + fixed(0.7141),
        b"rTRC": gamma(1.0), b"gTRC": gamma(1.0), b"bTRC": gamma(1.0),
    })  # fmt: skip
    assert abs(grey(Image.new("L", (1, 1), 128), wide)[0] - 188) <= 2


@pytest.mark.parametrize(
    ("made", "says"),
    [(b"nothing", "damaged"), (SRGB[:200], "damaged"), (profile(b"GRAY", {b"kTRC": gamma(1)}), "GRAY")],
    ids=["nothing", "cut off", "grey"],  # a profile holds the time at which it was made
)
def test_a_profile_that_cannot_be_used_is_said(made, says):
    image = Image.new("RGB", (4, 4), (200, 10, 30))
    image.info["icc_profile"] = made
    picture = from_image(image)
    assert picture.image.getpixel((0, 0)) == (200, 10, 30)
    assert any("colour profile was left out" in note and says in note for note in picture.notes)
