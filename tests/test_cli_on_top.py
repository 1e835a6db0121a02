"""The command line's options that put something on top of a model."""

import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from retouch.picture import read_recipe
from tests.backbone.test_on_top import kohya
from tests.live import tiny_pipe
from tests.test_cli import retouch
from tests.tiny import save_tiny, tiny_parts


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A model, a picture, and files to put on top."""
    folder = tmp_path_factory.mktemp("there")
    save_tiny(folder / "model")
    Image.linear_gradient("L").resize((16, 16)).convert("RGB").save(folder / "in.png")
    kohya(tiny_parts(folder / "parts"), folder / "style.safetensors")
    save_file({"<cat>": torch.ones(2, 16)}, folder / "cat.safetensors")
    tiny_parts(folder / "other", seed=3)["vae"].save_pretrained(folder / "vae")
    return folder


def edit(there, output, *more):
    return retouch(
        "edit", there / "in.png", "--model", there / "model", "--from", "a red cat", "--to", "a <cat>",
        "--method", "ddim", "--set", "num_inference_steps=2", "--keep", "off", "-o", output, *more,
    )  # fmt: skip


def test_everything_at_once_changes_the_edit_and_is_in_its_recipe(there, tmp_path):
    assert edit(there, tmp_path / "plain.png").returncode == 0
    done = edit(
        there, tmp_path / "out.png", "--lora", f"{there / 'style.safetensors'}:0.5",
        "--lora", there / "style.safetensors", "--vae", there / "vae",
        "--embedding", there / "cat.safetensors", "--clip-skip", 1, "--long-prompts",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = read_recipe(tmp_path / "out.png")["read_as"]
    assert [one["weight"] for one in told["lora"]] == [0.5, 1.0] and told["vae"][0]["name"] == "vae"
    assert told["embedding"][0]["word"] == "<cat>" and (told["clip_skip"], told["long_prompts"]) == (1, True)
    assert Image.open(tmp_path / "out.png").tobytes() != Image.open(tmp_path / "plain.png").tobytes()


@pytest.mark.parametrize(
    ("more", "said"),
    (
        (("--lora", "nowhere.safetensors"), "there is no file 'nowhere.safetensors'"),
        (("--lora", "{}/style.safetensors:x"), "expected a number, as in style.safetensors:0.8"),
        (("--lora", "{}/cat.safetensors"), "holds no LoRA"),
        (("--embedding", "{}/style.safetensors"), "holds no textual inversion"),
        (("--embedding", "{}/cat.safetensors:a"), "the word 'a' of the textual inversion"),
        (("--vae", "{}/nowhere"), "no autoencoder"),
        (("--vae", ""), "vae is '', expected a folder"),
        (("--clip-skip", "9"), "clip_skip is 9, expected a whole number in 0..1"),
    ),
)
def test_bad_files_are_one_sentence(there, tmp_path, more, said):
    done = edit(there, tmp_path / "out.png", *(one.format(there) for one in more))
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out.png").exists()


def test_models_says_what_is_on_top(there):
    said = ("models", there / "model", "--lora", there / "style.safetensors", "--clip-skip", 1)
    assert "style.safetensors 1 " in retouch(*said).stdout
    assert json.loads(retouch(*said, "--json").stdout)["read_as"]["clip_skip"] == 1


def test_a_fit_is_saved_as_lora_and_put_on_top(there, tmp_path):
    how = ("fit", there / "in.png", "--model", there / "model", "--to", "a cat", "-o", tmp_path / "fit.safetensors")
    steps = ("--set", "embedding_steps=1", "--set", "network_steps=2", "--save-lora", tmp_path / "lora.safetensors")
    without = retouch(*how, *steps)
    assert without.returncode == 2 and "--set adapter_rank=8" in without.stderr
    assert retouch(*how, *steps, "--set", "adapter_rank=2").returncode == 0
    assert {name.split(".")[0] for name in load_file(tmp_path / "lora.safetensors")} == {"unet"}
    tiny_pipe(tmp_path / "pipe").load_lora_weights(tmp_path / "lora.safetensors")
    assert edit(there, tmp_path / "out.png", "--lora", tmp_path / "lora.safetensors").returncode == 0
    one = retouch(*how, "--save-lora", tmp_path / "fit.safetensors", "--set", "adapter_rank=2", "--force")
    assert one.returncode == 2 and "one file" in one.stderr


def test_a_sweep_compare_and_mask_take_them_too(there, tmp_path):
    lora = ("--model", there / "model", "--lora", there / "style.safetensors")
    fit = retouch(
        "fit", there / "in.png", "--to", "a cat", *lora, "-o", tmp_path / "fit.safetensors",
        "--set", "embedding_steps=1", "--set", "network_steps=0",
    )  # fmt: skip
    assert fit.returncode == 0, fit.stderr
    sweep = (
        "sweep",
        there / "in.png",
        "--fit",
        tmp_path / "fit.safetensors",
        "--seeds",
        1,
        "--set",
        "num_inference_steps=2",
    )
    done = retouch(*sweep, *lora, "-o", tmp_path / "sheet.png")
    assert done.returncode == 0, done.stderr
    refused = retouch(*sweep, "--model", there / "model", "-o", tmp_path / "other.png")
    assert refused.returncode == 2 and "lora=" in refused.stderr
    done = retouch(
        "compare", there / "in.png", "--from", "a red cat", "--to", "a blue cat", "--methods", "ddim", *lora,
        "--set", "num_inference_steps=2", "-o", tmp_path / "sheet2.png",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = retouch("mask", there / "in.png", "--word", "cat", *lora, "-o", tmp_path / "mask.png")
    assert done.returncode == 0, done.stderr
