"""What a recipe says makes the same picture again, whatever of it could not act."""

import numpy as np
import pytest
from PIL import Image

from retouch import Editor
from tests.tiny import save_tiny

pytestmark = pytest.mark.slow

PICTURE = Image.effect_noise((16, 16), 90).convert("RGB")
WORDS = {"source": "a red cat", "target": "a blue cat"}
MASK = Image.new("L", PICTURE.size, 255)
MASK.paste(0, (0, 0, 8, 16))


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    return Editor.from_pretrained(save_tiny(tmp_path_factory.mktemp("models") / "m"), device="cpu")


def from_recipe(editor, recipe, **given):
    words = {name: recipe[name] for name in ("source", "target", "seed")}
    method = recipe["method"].partition(" as ")[0]
    return editor.edit(PICTURE, method=method, **recipe["parts"], **recipe["parameters"], **words, **given)


CASES = [
    # a share that is no whole step acts as 0, not as its default
    ("prompt-to-prompt", {"num_inference_steps": 4, "self_replace_steps": 0.13}),
    ("prompt-to-prompt", {"num_inference_steps": 2, "cross_replace_steps": 0.287}),
    ("plug-and-play", {"num_inference_steps": 4, "attention_share": 0.2, "feature_share": 0.1}),
    ("guide-and-rescale", {"num_inference_steps": 4, "guided_share": 0.2, "rescale_high": 2.0}),
    ("ddim", {"num_inference_steps": 4, "control": "feature-sharing", "mode": "structure", "structure_share": 0.1}),
    # too few steps for one to be denoised: with more of them there would be some
    ("diffedit", {"num_inference_steps": 1}),
    ("null-text", {"num_inference_steps": 1, "inversion": "part-way", "sampler": "ddpm", "guidance_scale": 3.0}),
    ("sdedit", {"num_inference_steps": 4, "strength": 0.0}),
    ("edit-friendly", {"num_inference_steps": 2, "skip": 0.3}),
    ("prox-npi", {"num_inference_steps": 3, "reconstruction_guidance": 0.7, "reconstruction_guidance_below": 0}),
    ("null-text", {"num_inference_steps": 3, "inner_steps": 0, "learning_rate": 0.0}),
    ("masactrl", {"num_inference_steps": 3, "start_step": 1, "inversion": "ledits-pp", "guidance": "cfg++"}),
]


@pytest.mark.parametrize(("method", "settings"), CASES, ids=str)
def test_a_recipe_makes_the_same_picture_again(editor, method, settings):
    first = editor.edit(PICTURE, method=method, **WORDS, **settings)
    again = from_recipe(editor, first.recipe)
    assert again.image.tobytes() == first.image.tobytes() and again.recipe == first.recipe


def test_a_recipe_holds_against_what_a_model_recommends(editor, tmp_path):
    import json

    folder = save_tiny(tmp_path / "m")
    (folder / "retouch.json").write_text(json.dumps({"settings": {"prompt-to-prompt": {"cross_replace_steps": 1.0}}}))
    other = Editor.from_pretrained(folder, device="cpu")
    first = other.edit(PICTURE, method="prompt-to-prompt", **WORDS, num_inference_steps=1, cross_replace_steps=0.5)
    assert first.image.tobytes() == from_recipe(other, first.recipe).image.tobytes()


def test_words_that_cannot_act_are_in_no_recipe(editor):
    first = editor.edit(PICTURE, method="prox-npi", **WORDS, mask=MASK, blend_words="cat", num_inference_steps=3)
    assert "blend_words" not in first.recipe["parameters"]
    again = from_recipe(editor, first.recipe, mask=MASK)
    assert again.image.tobytes() == first.image.tobytes() and not again.notes


@pytest.mark.parametrize("inversion", ["ledits-pp", "part-way"])
def test_a_source_prompt_is_said_to_do_nothing_only_where_it_does_nothing(editor, inversion):
    def edit(**given):
        settings = {"num_inference_steps": 5, "mask_noises": 1, "mask_threshold": 0.4, "guidance": "none"}
        settings |= {name: given.pop(name, "") for name in ("control",)}
        if settings["control"] != "diffedit":
            settings = {k: v for k, v in settings.items() if not k.startswith("mask_")}
        return editor.edit(PICTURE, **WORDS | given, method="diffedit", inversion=inversion, **settings)

    def said(result):
        return any("the source prompt has no effect" in note for note in result.notes)

    plain, other = (edit(control="none", source=words) for words in ("a red cat", "a dog on sand"))
    assert plain.image.tobytes() == other.image.tobytes() and said(plain)
    assert not said(edit(control="diffedit"))
    assert said(edit(control="diffedit", mask=MASK))


def test_a_target_prompt_that_guidance_leaves_out_is_said(editor):
    def edit(method, target, **settings):
        return editor.edit(PICTURE, source="a red cat", target=target, method=method, guidance_scale=0.0,
                           num_inference_steps=3, **settings)  # fmt: skip

    for method, settings, silent in (
        ("ddim", {}, True), ("ddim", {"guidance": "cfg++"}, True), ("ledits-pp", {}, True),
        ("ddim", {"guidance": "classifier-free+pag"}, False), ("prompt-to-prompt", {}, False),
    ):  # fmt: skip
        one, two = (edit(method, target, **settings) for target in ("a blue cat", "a dog on sand"))
        said = [any("the target prompt has no effect: guidance_scale is 0" in n for n in x.notes) for x in (one, two)]
        assert said == [silent, silent]
        assert not silent or np.array_equal(one.image, two.image)


def test_steps_that_are_left_out_or_waited_for_in_vain_are_said(editor):
    notes = editor.edit(PICTURE, method="ledits-pp", **WORDS, num_inference_steps=3, skip=0.3, cooldown_steps=4).notes
    assert "skip is 0.3, but has no effect: 0.3 of 3 steps is no whole step." in notes
    assert "cooldown_steps is 4, but has no effect: only 3 steps are denoised." in notes
    notes = editor.edit(PICTURE, method="edit-friendly", **WORDS, num_inference_steps=2, skip=0.5).notes
    assert not [note for note in notes if note.startswith("skip")]
