"""Pixel cascades: texts, networks and thresholding are diffusers' own; stages that are missing or odd are named."""

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, IFPipeline, IFSuperResolutionPipeline
from PIL import Image

from retouch.backbone.load import load
from retouch.backbone.schedule import Threshold, schedule_from_config
from retouch.backbone.super_resolution import SECOND, Enlarging
from retouch.editor import Editor
from retouch.errors import BadFit, BadModel, BadParameter
from retouch.fit.enlarging import enlarging_loss
from retouch.fit.fitted import Fit
from retouch.guidance.classifier_free import guided
from retouch.parts.attach import attached
from retouch.parts.edits import AttentionEdit
from retouch.parts.rows import SOURCE, TARGET, Step
from tests.live import same, state, tiny_cascade_pipes
from tests.tiny import save_cascade, tiny_backbone

pytestmark = pytest.mark.slow

PICTURE = Image.linear_gradient("L").resize((32, 32)).convert("RGB")
SHORT = {"embedding_steps": 2, "network_steps": 2, "super_resolution_steps": 2, "num_inference_steps": 2}
PLAIN = {"safety_checker": None, "feature_extractor": None, "watermarker": None, "requires_safety_checker": False}


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = save_cascade(tmp_path_factory.mktemp("cascade") / "m")
    (made / "retouch.json").write_text('{"settings": {}, "super_resolution": {"num_inference_steps": 2}}')
    return made


@pytest.fixture(scope="module")
def model(folder):
    return load(folder, device="cpu")


@pytest.fixture
def own(folder, tmp_path):
    """A folder of the test's own, to break."""
    return shutil.copytree(folder, tmp_path / "own")


def said(folder, file, **changes):
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_texts_say_what_they_say_in_diffusers(model):
    pipe = IFPipeline(
        tokenizer=model.tokenizer, text_encoder=model.text_encoder, unet=model.unet, scheduler=DDPMScheduler(), **PLAIN
    )
    told, null = pipe.encode_prompt("  A Red cat, sitting")
    close(model.condition(["  A Red cat, sitting", ""]).embeds, torch.cat([told, null]))


def test_words_own_their_pieces(model):
    tokens = model.tokens("A red Cat")
    assert [word.text for word in tokens.words] == ["a", "red", "cat"] and tokens.prompt == "A red Cat"
    pieces = model.tokenizer.convert_ids_to_tokens([tokens.ids[i] for i in tokens.words[2].tokens])
    assert "".join(pieces).strip("\u2581") == "cat" and tokens.ids[tokens.end] == model.tokenizer.eos_token_id


def test_guided_sampling_is_that_of_diffusers_scheduler_with_its_thresholding(model):
    theirs = DDIMScheduler.from_config(model.schedule_config | {"thresholding": True, "sample_max_value": 1.5})
    theirs.set_timesteps(4)
    ours = schedule_from_config(theirs.config, 4)
    texts = model.condition(["", "a red cat"])
    z = other = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for i, t in zip(reversed(range(4)), theirs.timesteps, strict=True):
        noise = guided(*model.predict(z.repeat(2, 1, 1, 1), ours.timesteps[i], texts).chunk(2), 7.0)
        z = ours.down_guided(noise, z, i, "epsilon")
        with torch.no_grad():
            both = model.unet(other.repeat(2, 1, 1, 1), t, encoder_hidden_states=texts.embeds).sample[:, :3].chunk(2)
        step = both[0] + 7.0 * (both[1] - both[0])
        other = theirs.step(step, t, other, use_clipped_model_output=True).prev_sample
        close(z, other)
    assert float(z.abs().max()) < 10


def test_thresholding_divides_by_the_quantile_and_leaves_what_lies_inside():
    x = torch.linspace(-3, 3, 101).view(1, 1, 101, 1)
    s = torch.quantile(x.abs().flatten(), 0.9)
    close(Threshold(0.9, 5.0)(x), x.clamp(-s, s) / s)
    close(Threshold(0.9, 1.5)(x), x.clamp(-1.5, 1.5) / 1.5)
    assert torch.equal(Threshold(0.9, 1.5)(x / 4), x / 4)


def test_the_second_stage_is_shown_what_diffusers_shows_it_and_draws_the_same(model, folder):
    stage = model.super_resolution
    small = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    text, null = model.condition(["a red cat"]), model.condition([""])
    config = stage.schedule_config | {"variance_type": "fixed_small"}  # of six channels it takes three
    pipe = IFSuperResolutionPipeline(
        tokenizer=None, text_encoder=None, unet=stage.unet, scheduler=_Clipping.from_config(config),
        image_noising_scheduler=DDPMScheduler.from_pretrained(folder / SECOND / "image_noising_scheduler"), **PLAIN,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    noises = torch.Generator().manual_seed(0)
    haze, noise = (torch.randn(1, 3, 32, 32, generator=noises) for _ in range(2))
    theirs = _drawn(pipe, small, text.embeds, null.embeds, [noise, haze])
    close(stage.enlarge(small, 2, text, null), theirs)
    assert stage.evaluations > 0


class _Clipping(DDIMScheduler):
    """diffusers' DDIM as IF's pipelines call it, with ε taken from the clipped picture."""

    def step(self, *given, **more):
        return super().step(
            *given, **{k: v for k, v in more.items() if k != "generator"}, use_clipped_model_output=True
        )


def _drawn(pipe, small, embeds, null, noises):
    """What the pipeline draws from these noises, in the order in which it asks for them."""
    from unittest import mock

    module = "diffusers.pipelines.deepfloyd_if.pipeline_if_superresolution.randn_tensor"
    with mock.patch(module, side_effect=lambda *_, **__: noises.pop(0)):
        image = pipe(
            image=small, height=32, width=32, prompt_embeds=embeds, negative_prompt_embeds=null,
            num_inference_steps=2, guidance_scale=4.0, noise_level=250, output_type="pt",
        ).images  # fmt: skip
    return image.clamp(0, 1) * 2 - 1 if image.min() >= 0 else image


def test_an_edit_that_changes_nothing_leaves_joint_attention_as_it_was(model):
    class Looking(AttentionEdit):
        def wants(self, layer):
            return True

        def rows_with_probs(self, layer, step):
            return [TARGET]

        def change_probs(self, layer, step, probs):
            seen.setdefault(layer.name, []).append(probs[TARGET])
            return probs

    seen = {}
    z, text = torch.randn(2, 3, 16, 16), model.condition(["a cat", "a dog"])
    plain = model.predict(z, 500, text)
    with attached(model, [Looking()]) as now, torch.no_grad():
        now.step = Step(0, 0, 1, model.schedule(1), [SOURCE, TARGET])
        close(model.predict(z, 500, text), plain)
    for own_keys, text_keys in seen.values():  # one softmax over both
        assert text_keys.shape[-1] == 77
        close(own_keys.sum(-1) + text_keys.sum(-1), torch.ones(own_keys.shape[:-1]))
    assert torch.equal(model.predict(z, 500, text), plain)


def test_small_pictures_are_edited_and_come_back_large(model):
    assert (model.vae_factor, model.native_side) == (2, 32)
    images = torch.rand(1, 3, 32, 64)
    close(model.encode(images)[0, :, 1, 2], images[0, :, 2:4, 4:6].mean((1, 2)))
    latents = model.encode(images)
    assert torch.equal(model.decode(latents), model.decode(latents))
    assert not torch.equal(model.decode(latents), model.decode(latents, model.condition(["a cat"])))
    latents.requires_grad_()
    model.decode(latents).sum().backward()
    assert latents.grad.abs().sum() > 0
    result = Editor(model).edit(PICTURE, source="a red cat", target="a blue cat", method="ddim", num_inference_steps=2)
    assert result.image.size == (32, 32)


def test_without_its_second_stage_a_cascade_edits_small_pictures(own):
    shutil.rmtree(own / SECOND)
    small = load(own)
    assert (small.vae_factor, small.native_side, small.draws_by_text) == (1, 16, False)


def test_imagic_fits_both_stages_and_its_fit_is_kept(model, tmp_path):
    editor, before = Editor(model), model.super_resolution.unet.state_dict()["conv_in.weight"].clone()
    fit = editor.fit(
        PICTURE, target="a blue cat", method="imagic", **{k: v for k, v in SHORT.items() if "inf" not in k}
    )
    assert fit.steps == {"embedding": 2, "network": 2, SECOND: 2}
    assert fit.weights() and fit.weights(SECOND).keys() == dict(model.super_resolution.unet.named_parameters()).keys()
    fit.save(tmp_path / "f")
    one, two = (
        editor.edit(PICTURE, target="a blue cat", fit=made, num_inference_steps=2, keep="off").image
        for made in (fit, Fit.load(tmp_path / "f"))
    )
    assert one == two
    assert torch.equal(model.super_resolution.unet.state_dict()["conv_in.weight"], before)
    other = tiny_backbone(tmp_path / "t", "if")
    with pytest.raises(BadFit, match="was made for"):
        Editor(other).edit(PICTURE, target="a blue cat", fit=fit)


def test_the_papers_numbers_for_its_cascade_are_the_defaults(model):
    made = Editor(model).method_for("imagic", None, "a blue cat", {})
    assert (made.embedding_steps, made.embedding_learning_rate) == (100, 1e-3)
    assert (made.network_steps, made.super_resolution_steps) == (1500, 1500)


@pytest.mark.parametrize(
    ("file", "changes", "says"),
    [
        ("unet/config.json", {"in_channels": 6}, "enlarges pictures"),
        ("unet/config.json", {"encoder_hid_dim": 24}, "width 24"),
        ("text_encoder/config.json", {"model_type": "clip_text_model"}, "expected T5"),
        ("super_resolution/unet/config.json", {"in_channels": 3}, "no stage that enlarges"),
        ("super_resolution/unet/config.json", {"sample_size": 24}, "multiple of the base's 16"),
        ("super_resolution/unet/config.json", {"encoder_hid_dim": 24}, "do not belong together"),
        ("retouch.json", {"super_resolution": {"num_inference_steps": 0}}, "num_inference_steps"),
    ],
)
def test_stages_that_do_not_go_together_are_refused_by_name(own, file, changes, says):
    said(own, file, **changes)
    with pytest.raises(BadModel, match=says):
        load(own)


def test_a_missing_part_of_a_stage_is_named(own, folder, tmp_path):
    shutil.rmtree(own / "text_encoder")
    with pytest.raises(BadModel, match="lacks text_encoder"):
        load(own)
    other = shutil.copytree(folder, tmp_path / "other")
    shutil.rmtree(other / SECOND / "image_noising_scheduler")
    with pytest.raises(BadModel, match="lacks its image_noising_scheduler"):
        load(other)


def test_a_second_stage_can_be_given_and_belongs_to_cascades_alone(own, folder):
    shutil.rmtree(own / SECOND)
    assert load(own, super_resolution=folder / SECOND).native_side == 32
    with pytest.raises(BadParameter, match="no base stage"):
        load("diorama", super_resolution=folder / SECOND)
    with pytest.raises(BadModel, match="no super_resolution stage"):
        load(own, super_resolution="nowhere")


def test_the_same_picture_comes_out_again(model):
    editor = Editor(model)
    made = [
        editor.edit(PICTURE, target="a blue cat", method="sdedit", seed=3, num_inference_steps=2).image for _ in "ab"
    ]
    assert np.array_equal(*made)


def test_a_weaker_second_stage_keeps_the_small_pictures_colours(model, monkeypatch):
    small = torch.full((1, 3, 16, 16), 0.5)
    text, null = model.condition(["a cat"]), model.condition([""])
    far = []
    for strength in (0.0, 0.1, 1.0):
        monkeypatch.setattr(model.super_resolution, "enlarging", Enlarging(num_inference_steps=10, strength=strength))
        far.append(float((model.super_resolution.enlarge(small, 2, text, null) - 0.5).abs().mean()))
    assert far[0] < 1e-6 < far[1] < far[2]  # not a step, one, all ten


@pytest.fixture
def pipes(folder):
    return tiny_cascade_pipes(folder)


@pytest.mark.parametrize("method", ["prompt-to-prompt", "imagic"])
def test_live_pipelines_give_what_their_folder_gives_and_stay_as_they_are(pipes, folder, method):
    base, second = pipes
    editor = Editor(base, super_resolution=second)
    editor.model.super_resolution.enlarging = Enlarging(num_inference_steps=2)
    more = SHORT if method == "imagic" else {"num_inference_steps": 2}
    before = state(base), state(second)
    ours = [
        one.edit(PICTURE, source="a red cat", target="a blue cat", method=method, **more).image
        for one in (editor, Editor.from_pretrained(folder))
    ]
    assert np.abs(np.asarray(ours[0], int) - np.asarray(ours[1], int)).max() <= 2
    assert same(before[0], state(base)) and same(before[1], state(second))


def test_second_pipelines_that_do_not_go_with_the_first_are_refused(pipes, folder):
    base, second = pipes
    with pytest.raises(BadParameter, match="without image_noising_scheduler"):
        Editor(base, super_resolution=base)
    with pytest.raises(BadParameter, match="are said when"):
        Editor(load(folder), super_resolution=second)
    with pytest.raises(BadModel, match="cannot be edited"):
        Editor(second)


def test_what_belongs_to_latent_models_is_refused_on_a_cascade(folder):
    with pytest.raises(BadParameter, match="no clip_skip can be put"):
        load(folder, clip_skip=1)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_a_second_stage_is_fitted_by_its_noise_whatever_it_predicts(model, monkeypatch, prediction):
    stage, random = model.super_resolution, torch.Generator().manual_seed(0)
    picture, text = torch.rand(1, 3, 32, 32, generator=random), model.condition(["a cat"])
    known = {}

    def knowing(noisy, shown, timestep, level, text):
        """A network that knows the picture, and so the noise."""
        at = schedule_from_config(stage.schedule_config, 1).level_of(timestep, noisy)
        noise = (noisy - at.alpha * picture) / at.sigma
        known.update(epsilon=noise, v_prediction=at.alpha * noise - at.sigma * picture, sample=picture)
        return known[prediction].expand_as(noisy)

    monkeypatch.setattr(stage, "predict", knowing)
    monkeypatch.setitem(stage.schedule_config, "prediction_type", prediction)
    small = model.encode(picture)
    assert float(enlarging_loss(stage, picture, small, text, batch_size=2, seed=0, step=0)) < 1e-6


def test_a_live_second_stage_is_read_anew_and_keeps_how_it_samples(pipes):
    base, second = pipes
    editor = Editor(base, super_resolution=second)
    editor.model.super_resolution.enlarging = Enlarging(num_inference_steps=3)
    second.scheduler = DDPMScheduler.from_config(second.scheduler.config, prediction_type="v_prediction")
    result = editor.edit(PICTURE, target="a blue cat", method="sdedit", num_inference_steps=2)
    assert editor.model.super_resolution.schedule_config["prediction_type"] == "v_prediction"
    assert result.recipe["super_resolution"]["num_inference_steps"] == 3
