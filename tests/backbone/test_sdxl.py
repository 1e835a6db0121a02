"""SDXL: texts, sampling and guidance are diffusers' own; what belongs to a text stays with it; other kinds refused."""

import json
import re
import shutil

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

from retouch.backbone.condition import Condition
from retouch.backbone.guided import guidance_embedding
from retouch.backbone.load import load
from retouch.errors import BadModel, BadParameter
from retouch.guidance.classifier_free import guided
from tests.tiny import save_tiny, tiny_backbone, tiny_parts, tiny_xl_parts

PROMPTS = ["a red cat", ""]


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.fixture
def pipeline(tmp_path):
    made = StableDiffusionXLPipeline(**tiny_xl_parts(tmp_path / "parts", 3), add_watermarker=False)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture
def saved(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "m")
    return tmp_path / "m"


@pytest.fixture
def model(saved):
    return load(saved, device="cpu")


def sampled(model, z, steps, scale, negative=""):
    """Guided DDIM sampling as the methods do it."""
    schedule, texts = model.schedule(steps), model.condition([negative, "a red cat"])
    for i in reversed(range(steps)):
        both = z.repeat(2, 1, 1, 1) if scale != 1 else z
        told = texts if scale != 1 else texts.split()[1]
        parts = model.predict(both, schedule.timesteps[i], told).chunk(len(both))
        z = schedule.down(guided(parts[0] if scale != 1 else None, parts[-1], scale), z, i, model.prediction_type)
    return z


def test_texts_say_what_they_say_in_diffusers(model, pipeline):
    said, null, pooled, null_pooled = pipeline.encode_prompt("a red cat")
    ours = model.condition(PROMPTS)
    close(ours.embeds, torch.cat([said, null]))
    close(ours.pooled, torch.cat([pooled, null_pooled]))
    assert not ours.embeds[1].any() and not ours.pooled[1].any()  # the empty prompt is forced to zeros


def test_a_negative_prompt_is_read_as_diffusers_reads_it(model, pipeline):
    _, negative, _, pooled = pipeline.encode_prompt("a red cat", negative_prompt="a blue dog")
    ours = model.condition(["a blue dog"])
    close(ours.embeds, negative)
    close(ours.pooled, pooled)


def test_a_model_that_does_not_force_the_empty_prompt_to_zeros_reads_it(saved, pipeline):
    index = json.loads((saved / "model_index.json").read_text())
    (saved / "model_index.json").write_text(json.dumps({**index, "force_zeros_for_empty_prompt": False}))
    pipeline.register_to_config(force_zeros_for_empty_prompt=False)
    _, null, _, pooled = pipeline.encode_prompt("a red cat")
    ours = load(saved, device="cpu").condition([""])
    close(ours.embeds, null)
    close(ours.pooled, pooled)
    assert ours.embeds.any() and ours.pooled.any()


@pytest.mark.parametrize(("height", "width"), [(16, 16), (24, 40)])
@pytest.mark.parametrize(("scale", "negative"), [(1.0, ""), (5.0, ""), (5.0, "a blue dog")])
def test_guided_sampling_gives_the_latents_of_diffusers_pipeline(model, pipeline, scale, negative, height, width):
    z = torch.randn(1, 4, height // 2, width // 2, generator=torch.Generator().manual_seed(1))
    expected = pipeline(
        "a red cat", negative_prompt=negative or None, num_inference_steps=4, guidance_scale=scale, latents=z,
        height=height, width=width, output_type="latent",
    ).images  # fmt: skip
    close(sampled(model, z, 4, scale, negative), expected)


def test_sizes_and_the_pooled_text_are_listened_to(model):
    z, text = torch.ones(1, 4, 8, 8), model.condition(["a red cat"])
    plain = model.predict(z, 500, text)
    told = Condition(text.embeds, text.pooled, torch.tensor([[16, 16, 0, 0, 16, 16]]))
    assert torch.equal(model.predict(z, 500, told), plain)
    smaller = Condition(text.embeds, text.pooled, torch.tensor([[8, 8, 0, 0, 16, 16]]))
    assert not torch.allclose(model.predict(z, 500, smaller), plain)
    assert not torch.allclose(model.predict(z, 500, Condition(text.embeds, text.pooled + 1)), plain)


def test_what_belongs_to_a_text_stays_with_it(model):
    texts = model.condition(["a red cat", "a blue dog"])
    cat, dog = texts.split()
    assert torch.equal(Condition.cat([dog, cat]).pooled, texts.pooled.flip(0))
    assert torch.equal(cat.expand(3).pooled, cat.pooled.repeat(3, 1))
    assert torch.equal(cat.with_embeds(dog.embeds).pooled, cat.pooled)
    close(Condition.lerp(cat, dog, 0.25).pooled, 0.75 * cat.pooled + 0.25 * dog.pooled)
    again = Condition.from_tensors(cat.tensors("x"), "x")
    assert torch.equal(again.pooled, cat.pooled) and again.sizes is None


def few_steps(folder, kind):
    """A pipeline whose network takes a guidance embedding."""
    if kind == "sdxl":
        made = StableDiffusionXLPipeline(**tiny_xl_parts(folder, 3, guided=True), add_watermarker=False)
    else:
        parts = tiny_parts(folder, kind, 3)
        config = {key: value for key, value in parts["unet"].config.items() if not key.startswith("_")}
        parts["unet"] = type(parts["unet"])(**{**config, "time_cond_proj_dim": 12})
        made = StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, image_encoder=None, requires_safety_checker=False
        )
    made.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
@pytest.mark.parametrize("scale", [1.0, 8.5])
def test_a_network_that_guides_itself_is_told_the_scale_as_diffusers_tells_it(tmp_path, kind, scale):
    pipeline = few_steps(tmp_path / "parts", kind)
    pipeline.save_pretrained(tmp_path / "m")
    model = load(tmp_path / "m", device="cpu", guidance=scale)
    z = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = pipeline(
        "a red cat", num_inference_steps=4, guidance_scale=scale, latents=z, height=16, width=16, output_type="latent"
    ).images
    close(sampled(model, z, 4, 1.0), expected)
    assert model.read_as.changed == ({} if scale == 1 else {"guidance": 8.5})
    if kind == "sdxl":
        close(guidance_embedding(scale - 1, 13), pipeline.get_guidance_scale_embedding(torch.tensor([scale - 1]), 13))


def test_a_network_that_takes_no_scale_cannot_be_told_one(saved):
    with pytest.raises(BadParameter, match="takes no guidance scale"):
        load(saved, device="cpu", guidance=3)


def test_the_first_level_attends_nowhere_and_the_last_twice(tmp_path):
    layers = tiny_backbone(tmp_path, "sdxl").attention_layers(kind="self")
    assert [layer.downsampling for layer in layers] == [2, 2, *[4] * 4, 4, 4, *[4] * 6, 2, 2, 2]
    assert [layer.order for layer in layers] == list(range(len(layers)))


def test_the_autoencoder_stays_in_single_precision_where_it_would_overflow(saved):
    from retouch.backbone.folder import from_folder
    from retouch.backbone.settings import ModelSettings

    how = torch.device("cpu"), torch.float16, ModelSettings()
    model = from_folder("m", saved, *how)
    assert model.dtype == model.text_encoder_2.dtype == torch.float16 and model.vae.dtype == torch.float32
    config = json.loads((saved / "vae" / "config.json").read_text())
    (saved / "vae" / "config.json").write_text(json.dumps({**config, "force_upcast": False}))
    assert from_folder("m", saved, *how).vae.dtype == torch.float16


def refusal(folder):
    for weights in folder.rglob("*.safetensors"):
        weights.unlink()
    with pytest.raises(BadModel) as caught:
        load(folder, device="cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change(folder, file, **fields):
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_refiner_is_refused_by_its_name(tmp_path):
    folder = save_tiny(tmp_path / "m", "sdxl")
    change(folder, "unet/config.json", projection_class_embeddings_input_dim=20 + 5 * 8)
    assert "is an SDXL refiner" in refusal(folder)
    for part in ("text_encoder", "tokenizer"):
        shutil.rmtree(folder / part)
    assert "is an SDXL refiner" in refusal(folder)


@pytest.mark.parametrize(
    ("file", "fields", "says"),
    [
        ("unet/config.json", {"in_channels": 9}, "an inpainting model"),
        ("unet/config.json", {"in_channels": 8}, "instruct-pix2pix"),
        ("unet/config.json", {"addition_embed_type": None}, "no SDXL"),
        ("unet/config.json", {"addition_embed_type": "image"}, "additional embeddings .image."),
        ("unet/config.json", {"encoder_hid_dim_type": "text_proj"}, "projected embeddings"),
        ("unet/config.json", {"projection_class_embeddings_input_dim": 99}, "takes 99 numbers beside its texts"),
        ("unet/config.json", {"projection_class_embeddings_input_dim": None}, "takes None numbers beside its texts"),
        ("unet/config.json", {"addition_time_embed_dim": "x"}, "addition_time_embed_dim 'x', expected a whole number"),
        ("unet/config.json", {"cross_attention_dim": 16}, "of width 16 but its text encoders give 40"),
        ("text_encoder_2/config.json", {"model_type": "chatglm"}, "the text_encoder_2 of .* is a chatglm"),
        ("text_encoder_2/config.json", {"vocab_size": 0}, "vocab_size 0, expected a whole number"),
        ("vae/config.json", {"latents_mean": [0.1] * 4}, "scales every channel"),
        ("scheduler/scheduler_config.json", {"_class_name": "EDMEulerScheduler"}, "EDMEulerScheduler"),
    ],
)  # fmt: skip
def test_other_kinds_of_sdxl_are_refused_by_name_before_weights_are_read(tmp_path, file, fields, says):
    folder = save_tiny(tmp_path / "m", "sdxl")
    change(folder, file, **fields)
    assert re.search(says, refusal(folder))


@pytest.mark.parametrize("part", ["text_encoder_2", "tokenizer_2", "vae"])
def test_a_missing_part_is_named(tmp_path, part):
    folder = save_tiny(tmp_path / "m", "sdxl")
    shutil.rmtree(folder / part)
    assert f"is not an SDXL folder: it lacks {part}" in refusal(folder)


def test_a_second_tokenizer_without_a_vocabulary_is_refused(tmp_path):
    folder = save_tiny(tmp_path / "m", "sdxl")
    for file in (folder / "tokenizer_2").iterdir():
        file.unlink()
    assert "has no vocabulary" in refusal(folder)


@pytest.mark.parametrize(
    "how", [{"max_shard_size": "9KB"}, {"variant": "fp16"}, {"variant": "fp16", "max_shard_size": "9KB"}]
)
def test_variants_and_shards_are_the_same_model(tmp_path, pipeline, how):
    pipeline.save_pretrained(tmp_path / "plain")
    pipeline.save_pretrained(tmp_path / "other", **how)
    names = [path.name for path in (tmp_path / "other" / "unet").glob("*.safetensors")]
    assert (len(names) > 1) == ("max_shard_size" in how) and all(
        ("fp16" in name) == ("variant" in how) for name in names
    )
    one, other = (load(tmp_path / name, device="cpu") for name in ("plain", "other"))
    assert one.fingerprint == other.fingerprint


def test_a_folder_without_an_index_is_read_all_the_same(saved, model):
    (saved / "model_index.json").unlink()
    assert load(saved, device="cpu").fingerprint == model.fingerprint


def test_words_that_textual_inversions_taught_are_read_as_diffusers_reads_them(tmp_path):
    parts = tiny_xl_parts(tmp_path / "parts", 3)
    torch.manual_seed(1)
    for tokenizer, encoder in (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")):
        parts[tokenizer].add_tokens(["<cat>", "<cat>_1"])
        parts[encoder].resize_token_embeddings(len(parts[tokenizer]))
    pipeline = StableDiffusionXLPipeline(**parts, add_watermarker=False)
    pipeline.save_pretrained(tmp_path / "m")
    said, _, pooled, _ = pipeline.encode_prompt("a <cat> on a mat")
    ours = load(tmp_path / "m", device="cpu").condition(["a <cat> on a mat"])
    close(ours.embeds, said)
    close(ours.pooled, pooled)


def test_the_fingerprint_names_the_checkpoint_and_not_the_precision(saved, model):
    rough = load(saved, device="cpu", dtype="bfloat16")
    assert {next(module.parameters()).dtype for module in rough.modules.values()} == {torch.bfloat16}
    assert rough.fingerprint == model.fingerprint
    with torch.no_grad():
        next(model.text_encoder_2.parameters()).view(-1)[0] += 1
    del model.__dict__["fingerprint"]
    assert rough.fingerprint != model.fingerprint  # all four parts count


def test_a_negative_prompt_beside_fitted_null_texts_brings_its_own_pooled_text(model):
    from retouch.backbone.condition import StepwiseCondition
    from retouch.inversion.null_text import NullText
    from retouch.parts.job import Job
    from retouch.parts.trajectory import Trajectory

    said, empty = model.condition(["a blue dog", ""]).split()
    fitted = StepwiseCondition([empty.with_embeds(empty.embeds + 0.5)] * 2)
    latents = [torch.zeros(1, 4, 8, 8)] * 3
    job = Job(model, latents[0], "a cat", "a cat", None, None, negative="a blue dog")
    found = NullText().negative(job, Trajectory(model.schedule(2), latents, {"null": fitted})).at(0)
    close(found.embeds, said.embeds + 0.5)
    assert torch.equal(found.pooled, said.pooled)


def test_shards_of_a_variant_under_their_old_names_are_read(tmp_path, pipeline, model):
    folder = tmp_path / "old"
    pipeline.save_pretrained(folder, variant="fp16", max_shard_size="9KB")
    index = next((folder / "unet").glob("*.index.fp16.json"))
    said = json.loads(index.read_text())
    renamed = lambda name: re.sub(r"\.fp16(-\d+-of-\d+)\.", r"\1.fp16.", name)  # noqa: E731
    said["weight_map"] = {key: renamed(file) for key, file in said["weight_map"].items()}
    index.write_text(json.dumps(said))
    for file in (folder / "unet").glob("*.safetensors"):
        file.rename(file.with_name(renamed(file.name)))
    assert not list((folder / "unet").glob("*.fp16-*")) and load(folder, device="cpu").fingerprint == model.fingerprint


def test_clip_is_the_one_of_the_familys_smaller_text_encoder():
    from types import SimpleNamespace

    from retouch.backbone.clip import clip_for

    wide = SimpleNamespace(name="m", text_width=768 + 1280, device=torch.device("cpu"))
    assert clip_for(wide).name == "openai/clip-vit-large-patch14"
