"""What stored numbers mean: white is white and transparent is transparent at every depth and sign."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from retouch.errors import BadPicture
from retouch.picture import from_bytes, from_image, read_mask, read_picture
from tests.picture.files import png, tiff

WHITE = (255, 255, 255)


def pixels(data):
    return [from_bytes(data, "it").image.getpixel((x, 0)) for x in range(from_bytes(data, "it").image.width)]


@pytest.mark.parametrize(
    ("kind", "bits", "samples", "transparent", "kept"),
    [
        (0, 16, struct.pack(">2H", 1000, 1001), struct.pack(">H", 1000), (4, 4, 4)),
        (0, 8, bytes([90, 91]), struct.pack(">H", 90), (91, 91, 91)),
        (0, 4, bytes([0xF3]), struct.pack(">H", 15), (51, 51, 51)),
        (2, 16, struct.pack(">6H", 0x1234, 2, 3, 0x8000, 0, 0), struct.pack(">3H", 0x1234, 2, 3), (128, 0, 0)),
        (2, 8, bytes([1, 2, 3, 1, 2, 4]), struct.pack(">3H", 1, 2, 3), (1, 2, 4)),
        (4, 16, struct.pack(">4H", 1000, 0, 0x8080, 65535), b"", (128, 128, 128)),
        (4, 8, bytes([9, 0, 200, 255]), b"", (200, 200, 200)),
    ],
)
def test_a_transparent_colour_goes_onto_white_at_every_depth(kind, bits, samples, transparent, kept):
    data = png(2, 1, bits, kind, samples, transparent)
    assert pixels(data) == [WHITE, kept]
    assert any("white" in note for note in from_bytes(data, "it").notes)


def test_a_transparent_colour_marks_nothing_in_a_mask(tmp_path):
    (tmp_path / "mask.png").write_bytes(png(2, 1, 16, 0, struct.pack(">2H", 60000, 65535), struct.pack(">H", 60000)))
    assert np.asarray(read_mask(tmp_path / "mask.png")).tolist() == [[0, 255]]


def test_two_bits_and_one_bit_have_a_transparent_colour_too():
    assert pixels(png(4, 1, 2, 0, bytes([0b00011011]), struct.pack(">H", 1))) == [(0,) * 3, WHITE, (170,) * 3, WHITE]
    assert set(pixels(png(8, 1, 1, 0, bytes([0b00011011]), struct.pack(">H", 0)))) == {WHITE}


def test_a_palette_with_alpha_in_memory_goes_onto_white():
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 0, 100, 0, 255], "RGBA")
    image.putpixel((1, 0), 1)
    assert [from_image(image).image.getpixel((x, 0)) for x in (0, 1)] == [WHITE, (0, 100, 0)]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("values", "code", "how", "expected"),
    [
        ((0, 32768, 65535), "H", {"bits": 16}, [0, 128, 255]),
        ((-9, 0, 16384, 32767), "h", {"bits": 16, "sample_format": 2}, [0, 0, 128, 255]),
        ((-9, 0, 64, 127), "b", {"bits": 8, "sample_format": 2}, [0, 0, 129, 255]),
        ((0, 100_000, 1_000_000), "i", {"bits": 32, "sample_format": 2}, [0, 26, 255]),
        ((0.0, 0.5, 1.0), "f", {"bits": 32, "sample_format": 3}, [0, 128, 255]),
        ((0.0, 0.3, 1.2), "f", {"bits": 32, "sample_format": 3}, [0, 64, 255]),
        ((0.0, 127.5, 255.0), "f", {"bits": 32, "sample_format": 3}, [0, 128, 255]),
        ((float("nan"), float("-inf"), 1.0), "f", {"bits": 32, "sample_format": 3}, [0, 0, 255]),
        ((0, 200), "B", {"bits": 8, "photometric": 0}, [255, 55]),
    ],
)
def test_white_is_the_largest_number_that_a_tiff_can_mean(values, code, how, expected, order):
    assert [grey for grey, _, _ in pixels(tiff(values, code, order=order, **how))] == expected


@pytest.mark.parametrize(
    ("values", "code", "how", "expected"),
    [
        (bytes([0xFF, 0xF8, 0x00]), "", {"bits": 12}, [255, 128]),
        ((0, 65535), "H", {"bits": 16, "photometric": 0}, [255, 0]),
        ((0, 2_000_000_000, 4_000_000_000), "I", {"bits": 32}, [0, 128, 255]),
    ],
)
def test_kinds_of_tiff_that_are_read_in_one_byte_order(values, code, how, expected):
    assert [grey for grey, _, _ in pixels(tiff(values, code, **how))] == expected


def test_more_than_eight_bits_are_said_in_colour_too():
    assert any("more than 8 bits" in note for note in from_bytes(png(1, 1, 16, 2, bytes(6)), "it").notes)
    assert from_bytes(png(1, 1, 8, 2, bytes(3)), "it").notes == ()


def test_big_endian_greyscale_in_memory_is_scaled():
    image = Image.frombytes("I;16B", (2, 1), struct.pack(">2H", 0, 65535))
    assert [from_image(image).image.getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 0), WHITE]


def damaged_tiff(kind):
    """A TIFF whose compressed samples libtiff complains about."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    file = io.BytesIO()
    (noise.convert("1") if kind == "group3" else noise).save(file, "TIFF", compression=kind)
    data = bytearray(file.getvalue())
    for i in range(100, 400):
        data[i] ^= 0x5A
    return bytes(data)


@pytest.mark.parametrize("kind", ["tiff_lzw", "tiff_adobe_deflate", "group3"])
def test_libtiff_says_nothing_on_stderr(kind, tmp_path, capfd):
    (tmp_path / "a.tiff").write_bytes(damaged_tiff(kind))
    try:
        read_picture(tmp_path / "a.tiff")
    except BadPicture as error:
        assert "damaged" in str(error)
    assert capfd.readouterr() == ("", "")


def test_libtiff_speaks_to_others_as_before(capfd):
    with pytest.raises(BadPicture):
        from_bytes(damaged_tiff("tiff_lzw"), "it")
    with pytest.raises(OSError):
        Image.open(io.BytesIO(damaged_tiff("tiff_lzw"))).load()
    assert "not yet in table" in capfd.readouterr().err


def test_warnings_are_as_before_after_pictures_were_read_in_many_threads(tmp_path):
    import warnings
    from concurrent.futures import ThreadPoolExecutor

    Image.linear_gradient("L").save(tmp_path / "a.png")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(read_picture, [tmp_path / "a.png"] * 64))
    assert warnings.filters == before


def test_the_first_page_is_read_where_the_second_is_damaged(tmp_path):
    pages = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    file = io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    (tmp_path / "a.tiff").write_bytes(file.getvalue()[: len(file.getvalue()) // 2 + 60])
    picture = read_picture(tmp_path / "a.tiff")
    assert picture.image.getpixel((4, 4)) == (255, 0, 0) and any("first" in note for note in picture.notes)


def test_a_picture_without_pixels_is_refused_as_a_file_too(tmp_path):
    header = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 0, 4, 1, 24, 0, 0, 0, 0, 0, 0)
    (tmp_path / "a.bmp").write_bytes(header)
    with pytest.raises(BadPicture, match=r"a\.bmp"):
        read_picture(tmp_path / "a.bmp")


def test_a_huge_picture_in_memory_is_refused(monkeypatch):
    monkeypatch.setattr("retouch.picture.decoding.MAX_PIXELS", 99)
    with pytest.raises(BadPicture, match="10 x 10 pixels"):
        from_image(Image.new("RGB", (10, 10)))


@pytest.mark.parametrize("mode", ["P", "PA"])
def test_a_palette_with_transparency_is_read_without_a_word(mode, tmp_path, recwarn):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    if mode == "P":
        image.save(tmp_path / "a.png", transparency=bytes([0, 128]))
        found = read_picture(tmp_path / "a.png")
    else:
        found = from_image(image.convert("PA"))
    assert found.image.getpixel((1, 0)) == ((127, 255, 127) if mode == "P" else (0, 255, 0)) and not recwarn.list
