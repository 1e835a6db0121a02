"""Pictures out: what a format cannot hold is said before the work, and nobody's file is replaced unasked."""

import json
import os
import threading

import numpy as np
import pytest
from PIL import Image

from retouch.atomic import atomic_write, hidden_beside
from retouch.errors import BadParameter, BadPicture, OutputExists
from retouch.picture import MAX_SIDE, check_output, check_outputs, read_recipe, write_picture


@pytest.mark.parametrize(("suffix", "kind"), [("jpg", "JPEG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_a_formats_largest_side_is_known_before_the_work(tmp_path, suffix, kind, capfd):
    most, path = MAX_SIDE[kind], tmp_path / f"a.{suffix}"
    for size in ((most + 1, 1), (1, most + 1)):
        with pytest.raises(BadParameter, match=rf"{kind} takes at most {most} a side: write a \.png instead"):
            check_output(path, size=size)
        with pytest.raises(BadParameter, match=f"takes at most {most} a side"):
            write_picture(Image.new("L", size), path)
    for size in ((most, 1), (1, most)):
        check_output(path, force=True, size=size)
        write_picture(Image.new("L", size), path, force=True)
    check_output(tmp_path / "a.png", size=(most + 1, 1))
    assert capfd.readouterr() == ("", "")  # libjpeg's own words neither


def test_sizes_belong_to_their_outputs(tmp_path):
    with pytest.raises(BadParameter, match=r"b\.webp would have 20000 x 9 pixels"):
        check_outputs([tmp_path / "a.png", None, tmp_path / "b.webp"], sizes=[(20_000, 9), None, (20_000, 9)])


def test_a_recipe_of_a_thousand_edits_fits_into_a_jpeg(tmp_path):
    recipe = {"sweep": [{"seed": seed, "parameters": {"eta": 0.7}, "target": "a red cat"} for seed in range(1000)]}
    assert len(json.dumps(recipe)) > 65_536
    write_picture(Image.new("RGB", (8, 8)), tmp_path / "a.jpg", recipe=recipe)
    assert read_recipe(tmp_path / "a.jpg") == recipe


@pytest.mark.parametrize("text", ["retouch+zlib:", "retouch+zlib:not packed", "retouch+zlib:0000"])
def test_a_damaged_packed_recipe_is_none(tmp_path, text):
    exif = Image.Exif()
    exif[0x010E] = text
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    assert read_recipe(tmp_path / "a.jpg") is None


class Slow:
    """A picture in the writing of which another process writes the same file."""

    size = (8, 8)

    def __init__(self, path):
        self.path = path

    def save(self, file, kind, **options):
        file.write(b"ours")
        self.path.write_bytes(b"theirs")


def test_a_file_that_came_into_being_meanwhile_stays(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(OutputExists, match="--force"):
        write_picture(Slow(path), path)
    assert path.read_bytes() == b"theirs" and [one.name for one in tmp_path.iterdir()] == ["a.png"]
    write_picture(Slow(path), path, force=True)
    assert path.read_bytes() == b"ours"


def test_a_link_to_nowhere_is_a_file_that_is_there(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(OutputExists):
        check_output(tmp_path / "a.png")


@pytest.mark.parametrize("links", [True, False], ids=["links", "a disk without hard links"])
def test_of_many_writers_one_wins_and_the_others_know(tmp_path, links, monkeypatch):
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError(1, "not permitted")))
    path, ready, lost = tmp_path / "a.txt", threading.Barrier(8), []

    def write(number):
        try:
            with atomic_write(path, replace=False) as unfinished:
                unfinished.write_text(str(number) * 1000)
                ready.wait()
        except FileExistsError:
            lost.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = ({*range(8)} - {*lost}).pop()
    assert len(lost) == 7 and path.read_text() == str(winner) * 1000
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("name", ["a.png", "x" * 250 + ".png", "ü" * 125 + ".png"])
def test_names_beside_a_file_are_possible_names(tmp_path, name):
    beside = hidden_beside(tmp_path / name, ".checkpoint")
    beside.touch()
    assert beside.name.startswith(".") and beside.name.endswith(".checkpoint")
    assert beside != hidden_beside(tmp_path / f"b{name[1:]}", ".checkpoint")


@pytest.mark.parametrize("value", [None, 5, np.zeros(3)])
def test_what_is_no_path_is_refused(value):
    with pytest.raises(BadParameter, match="expected a path"):
        write_picture(Image.new("RGB", (8, 8)), value)
    with pytest.raises(BadPicture, match="expected the path of a picture"):
        read_recipe(value)
