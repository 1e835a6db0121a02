"""A text is read once, and a picture encoded once, however many edits are made of them."""

from collections import Counter

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from retouch import Editor, list_methods
from retouch.explore.compare import compare
from tests.single_file import parts_of
from tests.small import short
from tests.tiny import tiny_backbone

PICTURE = Image.linear_gradient("L").resize((16, 16)).convert("RGB")
TEXTS = {"source": "a red cat on a mat", "target": "a blue cat on a mat"}


def counted(model, monkeypatch):
    """What the text encoders and the autoencoder's encoder are given, from here on."""
    seen, read, encode = Counter(), model.read, model.vae.encode
    monkeypatch.setattr(model, "read", lambda prompts: seen.update(prompts) or read(prompts))
    monkeypatch.setattr(model.vae, "encode", lambda x: seen.update(["the picture"] * len(x)) or encode(x))
    return seen


@pytest.fixture
def editor(tmp_path_factory):
    return Editor(tiny_backbone(tmp_path_factory.mktemp("sd1"), "sd1"))


@pytest.mark.parametrize("method", list_methods())
def test_an_edit_reads_its_texts_and_its_picture_once(editor, monkeypatch, method):
    seen = counted(editor.model, monkeypatch)
    editor.edit(PICTURE, **TEXTS, method=method, **short(method, 5 if "masactrl" in method else 2))
    assert seen["the picture"] == 1 and seen[TEXTS["target"]] == 1 and set(seen.values()) == {1}


def test_a_comparison_reads_them_once_for_all_methods(editor, monkeypatch):
    seen = counted(editor.model, monkeypatch)
    made = compare(
        editor, PICTURE, **TEXTS, methods=["ddim", "prox-npi", "sdedit", "diffedit"],
        settings={"num_inference_steps": 2},
    )  # fmt: skip
    assert all(row.result for row in made.rows) and set(seen.values()) == {1}


def test_variations_of_a_fit_read_nothing_again(editor, monkeypatch):
    seen = counted(editor.model, monkeypatch)
    fit = editor.fit(PICTURE, target=TEXTS["target"], method="imagic", **short("imagic", 2))
    editor.variations(PICTURE, fit, seeds=[0, 1], etas=[0.3, 0.9])
    assert seen["the picture"] == 1 and set(seen.values()) == {1}


def test_an_edit_that_chooses_its_method_reads_them_once(editor, monkeypatch):
    seen = counted(editor.model, monkeypatch)
    editor.edit(PICTURE, **TEXTS, num_inference_steps=2)
    assert set(seen.values()) == {1}


def test_another_picture_and_other_texts_are_read(editor, monkeypatch):
    asked = {"method": "ddim", "num_inference_steps": 2, "keep": "off"}
    first = editor.edit(PICTURE, **TEXTS, **asked)
    seen = counted(editor.model, monkeypatch)
    other = editor.edit(PICTURE.rotate(180), source=TEXTS["source"], target="a dog", **asked)
    assert seen == {"the picture": 1, "a dog": 1} and other.image.tobytes() != first.image.tobytes()
    assert editor.edit(PICTURE, **TEXTS, **asked).image.tobytes() == first.image.tobytes()


def test_what_is_kept_cannot_be_changed_from_outside(editor):
    model = editor.model
    images = torch.zeros(1, 3, 16, 16)
    latents, said = model.encode(images).clone(), model.condition(["a cat"]).embeds.clone()
    model.encode(images).zero_()
    model.condition(["a cat"]).embeds.zero_()
    images += 0.5
    assert torch.equal(model.encode(torch.zeros(1, 3, 16, 16)), latents) and not torch.equal(
        model.encode(images), latents
    )
    assert torch.equal(model.condition(["a cat"]).embeds, said)


def test_a_live_pipeline_is_read_anew_at_every_edit(monkeypatch):
    pipe = StableDiffusionPipeline(
        **parts_of("sd1"), safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    editor, asked = Editor(pipe), {"method": "sdedit", "num_inference_steps": 2, "keep": "off"}
    first = editor.edit(PICTURE, **TEXTS, **asked)
    with torch.no_grad():
        for weight in pipe.text_encoder.parameters():
            weight.mul_(1.5)
    assert editor.edit(PICTURE, **TEXTS, **asked).image.tobytes() != first.image.tobytes()
