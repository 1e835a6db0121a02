"""The size that a picture is edited at: the model's own, or what is asked for; and what is said where much is lost."""

import numpy as np
import pytest
from PIL import Image

from retouch import Editor
from retouch.errors import BadParameter
from retouch.picture import read_recipe
from retouch.runs.run import Run
from tests.test_cli import retouch
from tests.tiny import save_tiny

SOFTER = "less than half its size"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("models") / "m")


@pytest.fixture(scope="module")
def editor(folder):
    return Editor.from_pretrained(folder, device="cpu")


def noise(width, height):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def edited(editor, picture, **how):
    """The result, and the size of the picture that the model saw."""
    seen, encode, model = [], editor.model.encode, editor.model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "encode", lambda images: seen.append(images.shape[-2:]) or encode(images))
        if "fit" not in how:
            how = {"source": "a cat", "target": "a dog", "method": "ddib", **how}
        result = editor.edit(picture, **{"keep": "off", "num_inference_steps": 1, **how})
    height, width = seen[0]
    return result, (width, height)


@pytest.mark.parametrize(
    ("picture", "size", "worked"),
    [
        ((16, 16), None, (16, 16)), ((16, 16), 32, (32, 32)), ((64, 32), None, (32, 16)), ((64, 32), 45, (64, 32)),
        ((64, 32), 32, (48, 32)), ((16, 16), 16, (16, 16)), ((48, 48), 40, (48, 48)),
    ],
)  # fmt: skip
def test_a_picture_is_edited_at_the_size_that_is_asked_for_and_comes_back_at_its_own(editor, picture, size, worked):
    result, side = edited(editor, noise(*picture), size=size)
    assert side == worked and result.image.size == picture
    assert result.recipe.get("size") == size


def test_a_part_that_is_cut_out_is_edited_at_the_size_too(editor):
    _, own = edited(editor, noise(160, 160), region=(0, 0, 16, 16), context=0.0)
    result, asked = edited(editor, noise(160, 160), region=(0, 0, 16, 16), context=0.0, size=64)
    assert own == (16, 16) and asked == (64, 64) and any("at the size 64" in note for note in result.notes)


@pytest.mark.parametrize(
    ("picture", "how", "said"),
    [
        ((40, 40), {}, True), ((30, 30), {}, False), ((40, 40), {"keep": "auto"}, False),
        ((40, 40), {"size": 32}, False),
    ],
)  # fmt: skip
def test_a_picture_that_comes_back_much_softer_is_remarked_on(editor, picture, how, said):
    result, _ = edited(editor, noise(*picture), **how)
    assert any(SOFTER in note for note in result.notes) == said


@pytest.mark.parametrize(
    ("size", "says"),
    [("x", "size is 'x', expected a whole number of pixels in 16..8192"), (8, "in 16..8192"), (9999, "in 16..8192"),
     (True, "size is True"), (32.5, "size is 32.5")],
)  # fmt: skip
def test_sizes_that_are_none_are_refused(editor, size, says):
    with pytest.raises(BadParameter, match=says):
        edited(editor, noise(16, 16), size=size)


def test_edits_from_a_fit_are_made_at_its_size(editor, tmp_path):
    few = {"embedding_steps": 1, "network_steps": 0}
    fit = editor.fit(noise(16, 16), target="a dog", size=32, **few)
    assert fit.recipe["size"] == 32
    result, worked = edited(editor, noise(16, 16), fit=fit)
    assert worked == (32, 32) and result.recipe["size"] == 32


def test_the_command_line_takes_a_size(folder, tmp_path):
    noise(16, 16).save(tmp_path / "in.png")
    out = tmp_path / "out.png"
    done = retouch(
        "edit", tmp_path / "in.png", "-o", out, "--from", "a cat", "--to", "a dog", "--method", "ddib",
        "--set", "num_inference_steps=1", "--model", folder, "--device", "cpu", "--size", 32,
    )  # fmt: skip
    assert done.returncode == 0
    assert read_recipe(out)["size"] == 32


def test_a_thing_is_looked_for_at_the_size_that_is_asked_for(editor, folder, tmp_path):
    seen, encode = [], editor.model.encode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(editor.model, "encode", lambda images: seen.append(tuple(images.shape[-2:])) or encode(images))
        for size in (None, 32):
            assert editor.mask(noise(16, 16), word="cat", size=size).size == (16, 16)
    assert seen == [(16, 16), (32, 32)]
    for how, says in (({"points": [(1, 1)]}, "goes with a word"), ({"word": "cat", "size": 8}, "in 16..8192")):
        with pytest.raises(BadParameter, match=says):
            editor.mask(noise(16, 16), **{"size": 32, **how})
    noise(16, 16).save(tmp_path / "in.png")
    asked = ("mask", tmp_path / "in.png", "-o", tmp_path / "mask.png", "--model", folder, "--device", "cpu")
    assert retouch(*asked, "--word", "cat", "--size", 32).returncode == 0
    refused = retouch(*asked, "--point", "1,1", "--size", 32)
    assert refused.returncode == 2 and "--size goes with --word" in refused.stderr


def test_a_sweep_is_made_at_the_fit_s_size(editor, folder, tmp_path):
    noise(16, 16).save(tmp_path / "in.png")
    fit = editor.fit(noise(16, 16), target="a dog", size=32, embedding_steps=1, network_steps=0)
    fit.save(tmp_path / "fit.safetensors")
    asked = (
        "sweep", tmp_path / "in.png", "--fit", tmp_path / "fit.safetensors", "--seeds", 1, "--model", folder,
        "--set", "num_inference_steps=1", "--device", "cpu",
    )  # fmt: skip
    done = retouch(*asked, "-o", tmp_path / "sheet.png", "--size", 32)
    assert done.returncode == 0, done.stderr
    refused = retouch(*asked, "-o", tmp_path / "other.png", "--size", 48)
    assert refused.returncode == 2 and "the fit was made at size 32, and size is 48" in refused.stderr


@pytest.mark.parametrize("command", ["edit", "fit", "sweep", "mask", "compare", "bench"])
def test_every_command_that_edits_or_looks_takes_a_size(command):
    done = retouch(command, "--help")
    assert "--size" in done.stdout


def test_a_run_is_made_at_the_size_that_is_asked_for(folder, tmp_path):
    noise(16, 16).save(tmp_path / "in.png")
    (tmp_path / "edits.csv").write_text("picture,source,target\nin.png,a cat,a dog\n")
    asked = (
        "bench", "folder", "--data", tmp_path / "edits.csv", "-o", tmp_path / "run", "--model", folder, "--methods",
        "none", "--variant", "ddib:num_inference_steps=1", "--variant", "imagic:embedding_steps=1,network_steps=0,"
        "num_inference_steps=1", "--device", "cpu", "--measures", "psnr",
    )  # fmt: skip
    done = retouch(*asked, "--size", 32)
    assert done.returncode == 0, done.stderr
    recipes = [read_recipe(path) for path in (tmp_path / "run").rglob("*.png")]
    assert [recipe["size"] for recipe in recipes if recipe and "method" in recipe] == [32, 32]
    other = retouch(*asked, "--size", 48)
    assert other.returncode == 2 and "at --size 32, and this is --size 48" in other.stderr
    assert {method["size"] for method in Run.open(tmp_path / "run").manifest.methods.values()} == {32}
