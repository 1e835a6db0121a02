"""Loading: silence, whole weights, refusals in one sentence, and what diffusers' own pipeline would give."""

import shutil

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file

from retouch.backbone.load import load
from retouch.backbone.places import device_named
from retouch.backbone.recommended import Recommended
from retouch.editor import Editor
from retouch.errors import BadModel, BadParameter
from tests.tiny import save_tiny, tiny_parts

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tmp_path):
    return save_tiny(tmp_path / "m")


def refusal(name, **how):
    with pytest.raises(BadModel) as caught:
        load(str(name), device="cpu", **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sample"])
def test_sampling_gives_the_latents_of_diffusers_pipeline(tmp_path, kind):
    folder = save_tiny(tmp_path / "m", kind, seed=4)
    model = load(str(folder), device="cpu")
    parts = tiny_parts(tmp_path / "again", kind, seed=4)
    pipeline = StableDiffusionPipeline(
        **parts, safety_checker=None, feature_extractor=None, image_encoder=None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    z = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = pipeline(
        "a red cat", num_inference_steps=5, guidance_scale=1.0, latents=z, height=16, width=16, output_type="latent"
    ).images
    schedule, embeds = model.schedule(5), model.condition(["a red cat"])
    for i in reversed(range(5)):
        z = schedule.step_down(z, model.predict_noise(z, schedule.timesteps[i], embeds), i)
    torch.testing.assert_close(z, expected, atol=1e-4, rtol=1e-4)


def test_loading_prints_nothing_and_leaves_the_callers_logging_alone(folder, capfd):
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    levels = diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()
    bar = transformers_logging.is_progress_bar_enabled()
    load(str(folder), device="cpu").truncated("word " * 99)
    assert capfd.readouterr() == ("", "")
    assert levels == (diffusers_logging.get_verbosity(), transformers_logging.get_verbosity())
    assert bar == transformers_logging.is_progress_bar_enabled()


def test_a_folder_with_half_precision_files_only_is_the_same_model(folder):
    for file in ("diffusion_pytorch_model", "model"):
        for path in folder.glob(f"*/{file}.safetensors"):
            save_file({k: v.half() for k, v in load_file(path).items()}, path, metadata={"format": "pt"})
    whole = load(str(folder), device="cpu")
    for path in list(folder.glob("*/*.safetensors")):
        path.rename(path.with_suffix(".fp16.safetensors"))
    half = load(str(folder), device="cpu", dtype=torch.float16)
    assert half.dtype == torch.float32 and half.fingerprint == whole.fingerprint


def test_the_fingerprint_does_not_depend_on_the_precision_of_loading(folder):
    model = load(str(folder), device="cpu")
    before = model.fingerprint
    for part in (model.unet, model.vae, model.text_encoder):
        part.half()
    del model.__dict__["fingerprint"]
    assert model.fingerprint == before


def test_a_tokenizer_without_a_limit_takes_the_text_encoders(folder):
    (folder / "tokenizer" / "tokenizer_config.json").write_text('{"tokenizer_class": "CLIPTokenizer"}')
    model = load(str(folder), device="cpu")
    assert model.max_tokens == 77 and model.condition(["a cat"]).embeds.shape == (1, 77, 16)
    picture = Image.new("RGB", (16, 16), "red")
    for method in ("prompt-to-prompt", "prox-npi"):
        Editor(model).edit(picture, source="a cat", target="a dog", method=method, num_inference_steps=2)


def test_arguments_have_diffusers_names_too_and_others_are_refused(folder):
    model = Editor.from_pretrained(folder, device="cpu", torch_dtype=torch.bfloat16, local_files_only=True).model
    assert model.dtype == torch.bfloat16
    for how, says in (
        ({"lorra": "x"}, "no 'lorra', did you mean lora; there are: device, dtype"),
        ({"variant": "fp16"}, "no 'variant'; there are"),
        ({"dtype": "float32", "torch_dtype": "float32"}, "dtype is given twice, also as diffusers' torch_dtype"),
    ):
        with pytest.raises(BadParameter, match=says):
            Editor.from_pretrained(folder, **how)


def test_missing_weights_are_not_made_up(folder):
    weights = load_file(folder / UNET)
    del weights["conv_in.weight"]
    save_file(weights, folder / UNET, metadata={"format": "pt"})
    assert "conv_in.weight" in refusal(folder)


def test_parts_of_different_models_are_refused(folder):
    from transformers import CLIPTextConfig, CLIPTextModel

    shutil.rmtree(folder / "text_encoder")
    config = CLIPTextConfig(
        vocab_size=600,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        eos_token_id=599,
    )
    CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    assert "do not belong together" in refusal(folder)


def test_a_device_that_is_full_is_not_said_to_be_missing(monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "empty", full)
    with pytest.raises(BadParameter, match="cpu has no free memory"):
        device_named("cpu")


@pytest.mark.parametrize("device", ["abacus", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(folder, device):
    with pytest.raises(BadParameter, match=f"device '{device}'"):
        load(str(folder), device=device)


def test_gradients_reach_the_latents_through_the_decoder(folder):
    model = load(str(folder), device="cpu")
    z = torch.zeros(1, 4, 8, 8, requires_grad=True)
    model.decode(z).sum().backward()
    assert z.grad.abs().sum() > 0


def test_a_models_folder_recommends_settings_which_the_users_own_override(folder):
    assert load(str(folder), device="cpu").recommended == Recommended()
    (folder / "retouch.json").write_text('{"settings": {"sdedit": {"strength": 0.25, "num_inference_steps": 4}}}')
    editor = Editor(load(str(folder), device="cpu"))
    picture = Image.new("RGB", (16, 16), "red")
    recommended = editor.edit(picture, target="a cat", method="sdedit").recipe["parameters"]
    assert (recommended["strength"], recommended["num_inference_steps"]) == (0.25, 4)
    own = editor.edit(picture, target="a cat", method="sdedit", strength=0.5).recipe["parameters"]
    assert (own["strength"], own["num_inference_steps"]) == (0.5, 4)
    other = editor.edit(picture, source="a dog", target="a cat", method="ddib", num_inference_steps=2)
    assert "strength" not in other.recipe["parameters"]


def test_edits_that_change_certain_words_may_have_settings_of_their_own(folder):
    rule = '{"words": ["sketch", "Photo"], "settings": {"ddim": {"guidance_scale": 2.0}}}'
    base = '{"ddim": {"guidance_scale": 5.0, "num_inference_steps": 2}}'
    (folder / "retouch.json").write_text(f'{{"settings": {base}, "when_changed": [{rule}]}}')
    editor = Editor(load(str(folder), device="cpu"))

    def used(source, target, **own):
        picture = Image.new("RGB", (16, 16), "red")
        recipe = editor.edit(picture, source=source, target=target, method="ddim", **own).recipe
        return recipe["parameters"]["guidance_scale"], recipe["parameters"]["num_inference_steps"]

    assert used("a photo of a cat", "a photo of a dog") == (5.0, 2)
    assert used("a photo of a cat", "a painting of a cat") == (2.0, 2)
    assert used("a cat", "a sketch of a cat") == (2.0, 2)
    assert used("a cat", "a sketch of a cat", guidance_scale=3.0) == (3.0, 2)


@pytest.mark.parametrize(
    "content",
    ["{", "{}", '{"settings": 3}', '{"settings": {"ddim": 1}}', '{"settings": {}, "when_changed": [{"words": ["a"]}]}'],
)
def test_damaged_recommendations_are_refused(folder, content):
    (folder / "retouch.json").write_text(content)
    assert "retouch.json is damaged" in refusal(folder)


def test_an_unknown_recommended_parameter_is_named(folder):
    (folder / "retouch.json").write_text('{"settings": {"sdedit": {"strenght": 1}}}')
    with pytest.raises(BadParameter, match="did you mean strength"):
        Editor(load(str(folder), device="cpu")).edit(Image.new("RGB", (16, 16)), target="a cat", method="sdedit")
