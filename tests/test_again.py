"""Edits looked at and done again: recipes in words, the command that repeats them, and whether the pixels agree."""

import json
import shlex

import numpy as np
import pytest
from PIL import Image

from retouch.explore.again import agreement, asked_again, check_repeatable, edits_in, kind_of
from retouch.picture import read_recipe, write_picture
from tests.test_cli import SOURCE, TARGET, retouch

pytestmark = pytest.mark.slow
QUICK = ("--set", "num_inference_steps=3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A painted picture, its mask, and edits of it."""
    where = tmp_path_factory.mktemp("again")
    edits = {
        "plain.png": ("--method", "prox-npi", "--from", SOURCE, "--negative", "rain", *QUICK),
        "masked.png": ("--method", "sdedit", "--mask", where / "mask.png", "--strength", "0.7", "--seed", 4, *QUICK),
        "region.png": ("--method", "sdedit", "--region", "10,10,90,90", "--keep", "exact", "--size", "96", *QUICK),
        "parts.jpg": (
            "--method",
            "ddim",
            "--from",
            SOURCE,
            "--guidance",
            "proximal",
            "--set-model",
            "native=96",
            *QUICK,
        ),
    }
    retouch("diorama", "paint", SOURCE, "--seed", 3, "-o", where / "cat.png", "--mask", where / "mask.png")
    for name, options in edits.items():
        done = retouch("edit", where / "cat.png", "-o", where / name, "--to", TARGET, "--quiet", *options)
        assert done.returncode == 0, done.stderr
    return where


@pytest.mark.parametrize("name", ["plain.png", "masked.png", "region.png", "parts.jpg"])
def test_an_edit_done_again_is_the_same_to_the_pixel(folder, tmp_path, name):
    mask = ("--mask", folder / "mask.png") if name == "masked.png" else ()
    again = tmp_path / name
    done = retouch("redo", folder / name, "-o", again, *mask, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    told = json.loads(done.stdout)
    assert told["same"] and told["differ"] == told["most"] == 0 and told["versions"] == {}
    assert again.read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("name", ["plain.png", "masked.png", "region.png", "parts.jpg"])
def test_the_command_that_show_prints_makes_the_same_picture(folder, tmp_path, name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = retouch("show", folder / name)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.partition("\n\n")[2].splitlines()
    last = next(i for i, line in enumerate(lines) if not line.endswith("\\"))
    words = shlex.split("\n".join(lines[: last + 1]).replace("\\\n", " "))
    assert words[:3] == ["retouch", "edit", "cat.png"]
    where = {"cat.png": folder / "cat.png", "MASK": folder / "mask.png"}
    words = [where.get(word, word) for word in words]
    words[words.index("-o") + 1] = tmp_path / name
    done = retouch(*words[1:], "--quiet")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_recipe_is_told_in_words_and_as_json(folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = retouch("show", folder / "plain.png").stdout
    assert SOURCE in shown and "rain" in shown and "cat.png, 128 x 128" in shown and "prox-npi" in shown
    assert max(map(len, shown.splitlines())) <= 80
    as_json = retouch("show", folder / "plain.png", "--json").stdout
    assert json.loads(as_json) == read_recipe(folder / "plain.png")
    assert as_json == retouch("recipe", folder / "plain.png").stdout


def test_a_picture_that_was_touched_since_is_found_out(folder, tmp_path):
    image, recipe = Image.open(folder / "plain.png").convert("RGB"), read_recipe(folder / "plain.png")
    image.putpixel((5, 5), tuple((np.array(image.getpixel((5, 5))) + 60) % 256))
    recipe["versions"]["torch"] = "1.0"
    write_picture(image, tmp_path / "touched.png", recipe=recipe)
    done = retouch("redo", tmp_path / "touched.png", "--picture", folder / "cat.png")
    assert done.returncode == 1 and "1 of 16384 pixels differ" in done.stdout and "torch was 1.0, and is" in done.stdout


def test_what_cannot_be_done_again_is_said_in_a_sentence(folder, tmp_path):
    recipe = read_recipe(folder / "plain.png")
    image = Image.open(folder / "plain.png").convert("RGB")

    def said(*options, **changes):
        write_picture(image, tmp_path / "odd.png", recipe={**recipe, **changes}, force=True)
        done = retouch("redo", tmp_path / "odd.png", "-o", tmp_path / "again.png", *options)
        assert done.returncode == 2 and "Traceback" not in done.stderr and not (tmp_path / "again.png").exists()
        return done.stderr

    picture = ("--picture", folder / "cat.png")
    assert "was not found" in said() and "name it with --picture" in said(picture=None)
    assert "not the picture" in said("--picture", folder / "mask.png")
    assert "give --mask" in retouch("redo", folder / "masked.png").stderr
    assert "without a mask" in said(*picture, "--mask", folder / "mask.png")
    assert "name the right one with --model" in said(*picture, fingerprint="0" * 16)
    assert "read with prediction" in said(*picture, read_as={"prediction": "sample", "lora": [{"name": "a"}]})
    assert "sampled from a fit" in said(*picture, fit={"seed": 3, "steps": {}})
    assert "ended early" in said(*picture, fit={"steps": {"embedding": 3}, "stopped": "budget"})
    assert "sheet of 1 edits" in said(compare=[recipe])
    assert "painted" in retouch("redo", folder / "cat.png").stderr
    assert "carries no recipe" in retouch("redo", folder / "mask.png").stderr


def test_a_sheet_lists_its_edits(folder, tmp_path):
    sheet = {"compare": [read_recipe(folder / name) for name in ("plain.png", "masked.png")]}
    write_picture(Image.new("RGB", (8, 8)), tmp_path / "sheet.png", recipe=sheet)
    assert kind_of(sheet) == "sheet" and len(edits_in(sheet)) == 2
    shown = " ".join(retouch("show", tmp_path / "sheet.png").stdout.split())
    assert "sheet of 2 edits" in shown and "prox-npi" in shown and "sdedit" in shown


def test_a_recipe_stands_for_the_arguments_of_the_edit():
    recipe = {
        "method": "sdedit as text", "parts": {"sampler": "ddpm"}, "parameters": {"strength": 0.4}, "source": None,
        "target": "a dog", "seed": 7, "keep": "exact", "strength": 0.4, "region": [1, 2, 3, 4],
        "upscaler": {"name": "up", "fingerprint": "x"},
    }  # fmt: skip
    check_repeatable(recipe)
    assert asked_again(recipe) == {
        "source": None, "target": "a dog", "seed": 7, "method": "sdedit", "sampler": "ddpm", "strength": 0.4,
        "keep": "exact", "region": (1, 2, 3, 4), "upscaler": "up",
    }  # fmt: skip


def test_pictures_are_compared_by_their_pixels():
    first = Image.new("RGB", (4, 4), "black")
    other = first.copy()
    other.putpixel((1, 1), (0, 9, 3))
    found = agreement(first, other, {"retouch": "1", "versions": {"torch": "2"}}, {"retouch": "1", "versions": {}})
    assert (found.pixels, found.differ, found.most, found.same) == (16, 1, 9, False)
    assert found.versions == (("torch", "2", "None"),)


def test_doctor_names_versions_parts_and_makes_an_edit():
    done = retouch("doctor", "--json")
    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout)
    assert {"python", "retouch", "torch", "diffusers", "transformers"} <= set(found["versions"])
    assert found["devices"][0]["device"] == "cpu" and found["machine"]["cores"] >= 1
    assert {"bench", "ray"} <= {one["name"] for one in found["parts"]}
    assert all(one["get"].startswith("pip install 'retouch[") for one in found["parts"])
    assert found["edit"]["works"] and found["edit"]["edit_seconds"] > 0


def test_doctor_says_when_no_edit_works(monkeypatch):
    from retouch.editor import Editor
    from retouch.errors import BadModel

    def broken(*_, **__):
        raise BadModel("the weights are gone.")

    monkeypatch.setattr(Editor, "from_pretrained", broken)
    done = retouch("doctor")
    assert done.returncode == 1 and "the weights are gone" in done.stdout and "torch" in done.stdout


def test_how_a_model_was_computed_is_shown_and_done_again(folder, monkeypatch):
    monkeypatch.setattr("retouch.backbone.saving.TILED_ABOVE", 64)
    made = folder / "tiled.png"
    asked = ("--method", "sdedit", "--to", TARGET, "--memory", "low", *QUICK)
    done = retouch("edit", folder / "cat.png", "-o", made, *asked)
    assert done.returncode == 0 and read_recipe(made)["memory"] == "low"
    shown = retouch("show", made).stdout
    assert "memory low" in shown and "--memory low" in shown
    again = retouch("redo", made)
    assert again.returncode == 0 and "the same" in again.stdout
