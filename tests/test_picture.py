"""Pictures in and out: every kind is read, every size fits and comes back, bad input is one clear sentence."""

import io
import os

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from retouch.errors import BadParameter, BadPicture, OutputExists
from retouch.picture import (
    MAX_PIXELS,
    check_output,
    fit,
    fit_mask,
    from_array,
    from_image,
    opened_mask,
    read_mask,
    read_picture,
    read_recipe,
    side_by_side,
    to_array,
    write_picture,
)

MODES = [
    "1",
    "L",
    "LA",
    "La",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBa",
    "RGBX",
    "CMYK",
    "YCbCr",
    "HSV",
    "LAB",
    "I",
    "F",
    "I;16",
]


def noise(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "bmp", "tiff", "gif"])
def test_common_formats_are_read(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    smooth = Image.linear_gradient("L").convert("RGB")
    smooth.save(path)
    picture = read_picture(path)
    assert (picture.image.mode, picture.image.size) == ("RGB", smooth.size)
    assert np.abs(np.asarray(picture.image, int) - np.asarray(smooth)).max() <= 6


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path, kind, orientation):
    rows, columns = np.mgrid[0:48, 0:80]
    shades = np.stack([columns * 3, rows * 5, columns + rows], -1).astype(np.uint8)  # looks the same from no two sides
    # "the 0th row is the visual … of the image, the 0th column the visual …", Exif 2.32, tag Orientation
    stored = {
        1: shades,
        2: shades[:, ::-1],
        3: shades[::-1, ::-1],
        4: shades[::-1],
        5: shades.transpose(1, 0, 2),
        6: np.rot90(shades, 1),
        7: shades[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(shades, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / f"a.{kind}", exif=exif, quality=95)
    picture = read_picture(tmp_path / f"a.{kind}")
    assert picture.image.size == (80, 48)
    assert np.abs(np.asarray(picture.image, int) - shades).mean() < 3
    if kind != "tiff":  # Pillow turns a TIFF by itself
        assert any("upright" in note for note in picture.notes) == (orientation != 1)


def test_transparency_goes_onto_white_and_is_said(tmp_path):
    image = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    image.putpixel((0, 0), (200, 0, 0, 255))
    image.save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.image.getpixel((0, 0)) == (200, 0, 0) and picture.image.getpixel((3, 3)) == (255, 255, 255)
    assert any("white" in note for note in picture.notes)
    paletted = image.convert("P", palette=Image.Palette.ADAPTIVE)
    paletted.info["transparency"] = paletted.getpixel((3, 3))
    paletted.save(tmp_path / "p.png")
    assert read_picture(tmp_path / "p.png").image.getpixel((3, 3)) == (255, 255, 255)
    opaque = Image.new("RGBA", (4, 4), (1, 2, 3, 255))
    assert from_image(opaque).notes == () and from_image(opaque).image.getpixel((0, 0)) == (1, 2, 3)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    expected = np.round(values / 257.0)
    assert np.abs(np.asarray(picture.image)[..., 0] - expected).max() <= 1
    assert any("more than 8 bits" in note for note in picture.notes)


def test_dark_sixteen_bits_stay_dark(tmp_path):
    Image.fromarray(np.full((8, 8), 200, np.uint16)).save(tmp_path / "a.png")
    assert np.asarray(read_picture(tmp_path / "a.png").image).max() == 1  # 200 / 65535 is almost black


def test_thirty_two_bits_are_scaled_by_the_brightest():
    values = np.array([[0, 600_000, 1_000_000]], np.int32)
    assert np.asarray(from_image(Image.fromarray(values)).image)[0, :, 0].tolist() == [0, 153, 255]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_rgb(mode):
    ramp = Image.linear_gradient("L")
    through = {"La": "LA", "LAB": None, "PA": "P", "HSV": "RGB", "RGBa": "RGBA"}.get(mode, "L")
    if mode == "LAB":
        image = Image.merge("LAB", [ramp, Image.new("L", ramp.size, 128), Image.new("L", ramp.size, 128)])
    elif mode == "I;16":
        image = Image.fromarray(np.asarray(ramp).astype(np.uint16) * 257)
    else:
        image = ramp.convert(through).convert(mode)
    picture = from_image(image)
    assert picture.image.mode == "RGB"
    values = np.asarray(picture.image, float).mean(2)
    assert values[-20:].mean() - values[:20].mean() > 150  # still dark above and bright below


def test_cmyk_jpegs_keep_their_colours_though_adobe_stores_them_inverted(tmp_path):
    inks = Image.new("CMYK", (32, 32), (0, 255, 255, 0))  # no cyan, all magenta and yellow: red
    data = encoded(inks, "JPEG", quality=95)
    assert b"Adobe" in data
    (tmp_path / "a.jpg").write_bytes(data)
    inks.save(tmp_path / "a.tiff")  # not inverted
    for name in ("a.jpg", "a.tiff"):
        picture = read_picture(tmp_path / name)
        assert np.abs(np.asarray(picture.image, int)[16, 16] - (255, 0, 0)).max() <= 8
        assert any("CMYK" in note for note in picture.notes)


def swapped_profile():
    """sRGB with the primaries of red and blue exchanged, under another name: the colours come out exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data = data.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    return bytes(data.replace("sRGB".encode("utf-16-be"), "sBGR".encode("utf-16-be")))


def test_a_colour_profile_is_applied_so_that_colours_look_as_they_should():
    image = Image.new("RGB", (8, 8), (200, 10, 30))
    image.info["icc_profile"] = swapped_profile()
    red, green, blue = from_image(image).image.getpixel((4, 4))
    assert abs(red - 30) <= 3 and abs(green - 10) <= 3 and abs(blue - 200) <= 3


@pytest.mark.parametrize("profile", ["damaged", "XYZ", "sRGB"])
def test_a_profile_that_says_nothing_changes_nothing(profile):
    image = noise(16, 16)
    made = b"nothing" if profile == "damaged" else ImageCms.ImageCmsProfile(ImageCms.createProfile(profile)).tobytes()
    image.info["icc_profile"] = made
    assert np.array_equal(np.asarray(from_image(image).image), np.asarray(noise(16, 16)))


def test_the_first_frame_of_an_animation_is_used_and_said(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    picture = read_picture(tmp_path / "a.gif")
    assert picture.image.getpixel((4, 4)) == (255, 0, 0) and any("first" in note for note in picture.notes)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.png", None, "no file"),
        ("empty.png", b"", "empty"),
        ("text.png", b"hello, I am no picture at all", "not a picture"),
        ("cut.png", "cut", "damaged or cut off"),
        ("cut.jpg", "cut", "damaged or cut off"),
        ("cut.webp", "cut", "damaged or cut off|not a picture"),
        ("no\nlines\x1b[31m.png", b"hello", "not a picture"),
        ("no_file.png/inside.png", None, "no file"),
        ("name" * 2000, None, "cannot be opened"),
        ("bomb.png", "bomb", "pixels"),
    ],
)
def test_bad_pictures_are_one_sentence_that_names_the_file(tmp_path, name, content, says):
    path = tmp_path / name
    if content == "cut":
        noise(200, 200).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif content == "bomb":
        side = int((MAX_PIXELS * 1.1) ** 0.5)
        Image.new("1", (side, side)).save(path)
    elif content is not None:
        path.write_bytes(content)
    for read in (read_picture, read_recipe):
        with pytest.raises(BadPicture, match=says) as caught:
            read(path)
        sentence = str(caught.value)
        assert sentence.isprintable()  # one line, no control characters
        assert str(path).replace("\n", "\\n").replace("\x1b", "\\x1b") in sentence


def test_a_folder_and_a_pipe_are_no_pictures(tmp_path):
    with pytest.raises(BadPicture, match="folder"):
        read_picture(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadPicture, match="pipe"):
        read_picture(tmp_path / "pipe.png")


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3), np.uint8), Image.new("RGB", (0, 5))])
def test_what_is_no_picture_in_memory_is_refused(image):
    with pytest.raises(BadPicture, match="expected"):
        from_image(image)


def _sound_files():
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, 'retouch:{"seed": 1}'
    image = noise(31, 24)
    for kind, mode in [
        ("PNG", "P"),
        ("PNG", "RGBA"),
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("WEBP", "RGB"),
        ("TIFF", "RGB"),
    ]:
        yield encoded(image.convert(mode), kind, exif=exif)
    yield encoded(image, "BMP")
    yield encoded(image.convert("P"), "GIF")


SOUND_FILES = list(_sound_files())


@given(
    st.sampled_from(SOUND_FILES),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.none() | st.integers(0, 400),
)
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path_factory, data, changes, length):
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(damaged[:length])
    for read in (read_picture, read_recipe):
        try:
            read(path)
        except BadPicture as error:  # anything else is a traceback on the user's screen
            assert str(error).isprintable() and str(path) in str(error)


sides = st.integers(1, 700)


@given(sides, sides, st.sampled_from([(128, 32), (64, 8), (512, 64)]))
def test_any_size_fits_the_grid_and_comes_back(width, height, grid):
    native, multiple = grid
    image = Image.new("RGB", (width, height), (10, 200, 30))
    fitted = fit(image, native, multiple)
    assert fitted.image.width % multiple == 0 and fitted.image.height % multiple == 0
    assert fitted.image.width * fitted.image.height <= 6 * native**2
    restored = fitted.restore(fitted.image)
    assert restored.size == (width, height)
    assert restored.getpixel((width // 2, height // 2)) == (10, 200, 30)
    mask, _ = fit_mask(Image.new("L", (width, height), 255), fitted)
    left, top, right, bottom = fitted.box
    assert mask.size == fitted.image.size and mask.getextrema() == (255, 255)
    assert 0 <= left < right <= fitted.image.width and 0 <= top < bottom <= fitted.image.height


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(MODES), st.integers(0, 99))
@example(1, 300, "P", 0)
@example(300, 1, "CMYK", 0)
def test_any_mode_and_size_comes_back_at_its_size(width, height, mode, seed):
    band_count = len(Image.new(mode, (1, 1)).getbands())
    width_of = {"I": 4, "F": 4, "I;16": 2}.get(mode, 4 if mode == "RGBX" else band_count)
    if mode == "1":
        image = noise(width, height, seed).convert("1")
    else:
        values = np.random.default_rng(seed).integers(0, 256, width * height * width_of, np.uint8)
        image = Image.frombytes(mode, (width, height), values.tobytes())
        if mode in ("P", "PA"):
            image.putpalette(bytes(range(256)) * 3)
    fitted = fit(from_image(image).image, 64, 16)
    assert fitted.image.mode == "RGB" and fitted.restore(fitted.image).size == (width, height)


@given(st.integers(20, 300), st.integers(20, 300))
def test_the_margin_mirrors_the_edge_in_picture_and_mask(width, height):
    image = noise(width, height)
    fitted = fit(image, 64, 64)
    mask, _ = fit_mask(image.convert("L").point(lambda v: 255 * (v > 127)), fitted)
    left, top, right, bottom = fitted.box
    for plane in (np.asarray(fitted.image), np.asarray(mask)):
        inner = plane[top:bottom, left:right]
        for margin, edge in [
            (plane[top - 1 : top, left:right], inner[:1]),
            (plane[bottom : bottom + 1, left:right], inner[-1:]),
            (plane[top:bottom, left - 1 : left], inner[:, :1]),
            (plane[top:bottom, right : right + 1], inner[:, -1:]),
        ]:
            assert margin.size == 0 or np.array_equal(margin, edge)


def test_a_mask_of_another_size_is_stretched_with_a_note():
    fitted = fit(noise(100, 50), 64, 16)
    mask, notes = fit_mask(Image.new("L", (50, 100), 255), fitted)
    assert mask.size == fitted.image.size
    assert notes == ("the mask is 50 x 100, the picture 100 x 50: the mask is stretched to the picture.",)
    assert fit_mask(Image.new("L", (100, 50), 255), fitted)[1] == ()


def test_a_mask_is_read_from_any_mode_and_transparent_is_black(tmp_path):
    half = Image.new("L", (8, 8))
    half.paste(255, (0, 0, 4, 8))
    expected = np.asarray(half)
    layer = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    layer.paste((255, 255, 255, 255), (0, 0, 4, 8))
    for image in (half, half.convert("1"), half.convert("RGB"), layer, half.point(lambda v: v // 255)):
        path = tmp_path / f"{image.mode}.png"
        image.save(path)
        assert np.array_equal(np.asarray(read_mask(path)), expected)
        assert np.array_equal(np.asarray(read_mask(image)), expected)


def test_a_faint_mask_is_a_weak_edit_and_said():
    assert opened_mask(Image.new("L", (8, 8), 51)).notes == (
        "the mask is 20% grey at most: that is how far the edit goes.",
    )
    said = opened_mask(Image.new("L", (8, 8), 1)).notes
    assert "the mask is of zeros and ones: one counts as white." in said


def test_an_empty_mask_is_refused(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "mask.png")
    with pytest.raises(BadPicture, match=r"mask\.png.* marks nothing: paint white where"):
        read_mask(tmp_path / "mask.png")
    with pytest.raises(BadPicture, match="there is no file"):
        read_mask(tmp_path / "absent.png")


def test_an_edit_of_another_size_is_refused():
    fitted = fit(noise(100, 50), 64, 16)
    with pytest.raises(BadPicture, match="expected the fitted size"):
        fitted.restore(noise(100, 50))


def test_a_picture_of_native_size_is_untouched():
    image = noise(128, 128)
    fitted = fit(image, 128, 32)
    assert np.array_equal(np.asarray(fitted.image), np.asarray(image))
    assert np.array_equal(np.asarray(fitted.restore(fitted.image)), np.asarray(image))


def test_shape_is_kept_unless_it_is_extreme():
    fitted = fit(noise(600, 400), 128, 32)
    left, top, right, bottom = fitted.box
    assert (right - left) / (bottom - top) == pytest.approx(1.5, rel=0.02) and not fitted.notes
    assert fit(noise(900, 3), 128, 32).notes and fit(noise(900, 3), 128, 32).image.size == (512, 32)


def test_values_that_are_not_numbers_are_refused():
    values = to_array(noise(4, 4))
    values[0, 1, 1] = np.nan
    with pytest.raises(BadPicture, match="not numbers"):
        from_array(values)


@given(st.integers(0, 2**32 - 1))
def test_eight_bits_survive_the_way_to_floats_and_back(seed):
    image = noise(9, 7, seed=seed)
    values = to_array(image)
    assert values.shape == (3, 7, 9) and values.dtype == np.float32 and values.min() >= -1 and values.max() <= 1
    assert np.array_equal(np.asarray(from_array(values)), np.asarray(image))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(), max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@given(recipe=st.dictionaries(st.text(max_size=12), json_values, max_size=4))
@example(recipe={"source": "a rød cat, “quoted”\n", "seed": 3, "parameters": {"quantile": 0.7, "threshold": None}})
@example(recipe={"source": "an undecodable byte from a terminal: \udc80"})
def test_the_recipe_travels_in_the_file(tmp_path_factory, suffix, recipe):
    path = tmp_path_factory.getbasetemp() / f"recipe.{suffix}"
    write_picture(noise(16, 16), path, recipe=recipe, force=True)
    assert read_recipe(path) == recipe


@pytest.mark.parametrize(("suffix", "quality"), [("png", 0), ("jpg", 8), ("webp", 20)])
def test_what_is_written_is_what_is_read(tmp_path, suffix, quality):
    image = Image.merge("RGB", [Image.linear_gradient("L"), Image.radial_gradient("L"), Image.new("L", (256, 256), 90)])
    write_picture(image, tmp_path / f"a.{suffix}")
    read = read_picture(tmp_path / f"a.{suffix}")
    assert read.notes == () and np.abs(np.asarray(read.image, int) - np.asarray(image)).max() <= quality


@pytest.mark.parametrize("text", ["not json", "[1, 2]", "[" * 100_000])
def test_another_programs_text_is_no_recipe(tmp_path, text):
    exif = Image.Exif()
    exif[0x010E] = f"retouch:{text}"[:60_000]
    noise(8, 8).save(tmp_path / "a.jpg", exif=exif)
    assert read_recipe(tmp_path / "a.jpg") is None


def test_a_recipe_too_long_for_jpeg_is_said_and_nothing_written(tmp_path):
    recipe = {"source": np.random.default_rng(0).bytes(70_000).hex()}
    with pytest.raises(BadPicture, match=r"write a \.png"):
        write_picture(noise(8, 8), tmp_path / "a.jpg", recipe=recipe)
    assert list(tmp_path.iterdir()) == []
    write_picture(noise(8, 8), tmp_path / "a.png", recipe=recipe)
    assert read_recipe(tmp_path / "a.png") == recipe


def test_a_picture_without_recipe_has_none(tmp_path):
    write_picture(noise(8, 8), tmp_path / "a.png")
    assert read_recipe(tmp_path / "a.png") is None


def test_existing_files_are_kept_unless_forced(tmp_path):
    path = tmp_path / "a.png"
    write_picture(noise(8, 8), path)
    before = path.read_bytes()
    with pytest.raises(OutputExists, match="--force"):
        write_picture(noise(8, 8, seed=1), path)
    assert path.read_bytes() == before
    write_picture(noise(8, 8, seed=1), path, force=True)
    assert path.read_bytes() != before


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    class Broken:
        size = (8, 8)

        def save(self, file, kind, **options):
            file.write(b"half")
            raise OSError("disk full")

    with pytest.raises(BadPicture, match="disk full"):
        write_picture(Broken(), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a.xyz", "must end in"),
        ("a", "must end in"),
        ("no/such/a.png", "does not exist"),
        ("sub.png", "is a folder"),
        ("name" * 2000 + ".png", "another name"),
    ],
)
def test_outputs_that_cannot_be_written_are_refused_early(tmp_path, name, says):
    (tmp_path / "sub.png").mkdir()
    with pytest.raises(BadParameter, match=says) as caught:
        check_output(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value) and str(caught.value).isprintable()


def test_strips_keep_the_first_height():
    strip = side_by_side([noise(20, 10), noise(40, 40)], gap=2)
    assert strip.size == (20 + 2 + 10, 10)
