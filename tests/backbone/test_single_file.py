"""Single files: read offline as what they are, and refused by name before weights are read."""

import re
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from retouch.backbone.assemble import plan
from retouch.backbone.headers import Header
from retouch.backbone.kinds import class_of
from retouch.backbone.load import load
from retouch.backbone.settings import ModelSettings
from retouch.backbone.shapes import configs_for
from retouch.backbone.shipped import CLASSES, configs_of
from retouch.errors import BadModel
from tests.single_file import SECOND, averages_of, original_weights, own, parts_of, renamed, save_parts, save_single

pytestmark = pytest.mark.slow

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model."


@pytest.fixture(autouse=True)
def no_hub(monkeypatch, tmp_path):
    """No hub, no cache."""

    def asked(name, **how):
        raise AssertionError(f"the hub was asked for {name}")

    monkeypatch.setattr("huggingface_hub.snapshot_download", asked)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", asked)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))


def refusal(path, **how):
    with pytest.raises(BadModel) as caught:
        load(path, device="cpu", **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


KINDS = ["sd1", "sd2", "sdxl"]


def close(one, other):
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def same(single, folder):
    assert single.fingerprint == folder.fingerprint and single.identity == single.fingerprint
    z, one, other = torch.randn(1, 4, 8, 8), single.condition(["a cat", ""]), folder.condition(["a cat", ""])
    assert torch.equal(one.embeds, other.embeds)
    both = z.repeat(2, 1, 1, 1)
    close(single.predict_noise(both, 500, one), folder.predict_noise(both, 500, other))
    picture = torch.rand(1, 3, 16, 16)
    close(single.encode(picture), folder.encode(picture))
    close(single.decode(z), folder.decode(z))
    assert single.schedule(20).timesteps == folder.schedule(20).timesteps
    assert single.prediction_type == folder.prediction_type
    assert (single.native_side, single.pixel_multiple) == (folder.native_side, folder.pixel_multiple)


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_file_is_the_model_that_it_was_made_of(tmp_path, kind):
    single = load(save_single(tmp_path / "m.safetensors", kind), device="cpu")
    same(single, load(save_parts(tmp_path / "m", kind), device="cpu"))


@pytest.mark.parametrize("kind", KINDS)
def test_texts_of_a_single_file_are_those_of_diffusers_pipeline(tmp_path, kind):
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    more = (
        {} if kind == "sdxl" else {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    )
    made = StableDiffusionXLPipeline if kind == "sdxl" else StableDiffusionPipeline
    pipeline = made(**parts_of(kind), **more)
    single = load(save_single(tmp_path / "m.safetensors", kind), device="cpu")
    text = "A photo of an astronaut, riding a horse!"
    if kind == "sdxl":
        said, _, pooled, _ = pipeline.encode_prompt(text)
        torch.testing.assert_close(single.condition([text]).pooled, pooled, atol=1e-5, rtol=1e-5)
    else:
        said, _ = pipeline.encode_prompt(text, "cpu", 1, False)
    torch.testing.assert_close(single.condition([text]).embeds, said, atol=1e-5, rtol=1e-5)


def test_clips_tokenizer_is_shipped_whole():
    from retouch.backbone.shipped import tokenizers_of

    both = tokenizers_of("sdxl")
    assert all(len(tokenizer) == 49408 and tokenizer.model_max_length == 77 for tokenizer in both.values())
    ids = [49406, 320, 1125, 539, 550, 18376, 6765, 320, 4558, 525, 7496, 49407]  # as CLIP's own code has them
    assert both["tokenizer"]("A photo of an astronaut riding a horse on Mars").input_ids == ids
    padded = [tokenizer("cat", padding="max_length").input_ids for tokenizer in both.values()]
    assert [one[:4] for one in padded] == [[49406, 2368, 49407, 49407], [49406, 2368, 49407, 0]]


@pytest.mark.parametrize("kind", KINDS)
def test_full_size_files_have_the_published_configurations(kind):
    """The sizes that are read from tensors' shapes are those that each class was published with."""
    known, empty = configs_of(kind), torch.device("meta")
    with empty:
        parts = {
            "unet": UNet2DConditionModel(**own(known["unet"])),
            "vae": AutoencoderKL(**own(known["vae"])),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**known["text_encoder"])),
        }
        if kind == "sdxl":
            parts["text_encoder_2"] = CLIPTextModelWithProjection(CLIPTextConfig(**known["text_encoder_2"]))
        shapes = {name: tuple(value.shape) for name, value in renamed(kind, parts).items()}
    header = Header(shapes, {}, {})
    assert class_of("m", header) == kind
    found = configs_for(header, kind, known)
    for part in parts:
        leaving_out = {"projection_dim"} if kind == "sd2" else set()  # SD 2.x projects nothing
        assert {key: found[part][key] for key in known[part].keys() - leaving_out} == {
            key: value for key, value in known[part].items() if key not in leaving_out
        }
    planned = plan("m", CLASSES[kind], ModelSettings(), found)
    assert planned.side * 8 == {"sd1": 512, "sd2": 768, "sdxl": 1024}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_what_diffusers_reads_from_a_single_file_is_what_retouch_reads(tmp_path, kind):
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    made = StableDiffusionXLPipeline if kind == "sdxl" else StableDiffusionPipeline
    more = (
        {} if kind == "sdxl" else {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    )
    made(**parts_of(kind), **more).save_pretrained(tmp_path / "config")
    path = save_single(tmp_path / "m.safetensors", kind)
    if kind == "sd2":  # diffusers leaves the last layer out by the number 23 that it has in full-size files alone
        more |= {"text_encoder": None}
    theirs = made.from_single_file(str(path), config=str(tmp_path / "config"), local_files_only=True, **more)
    for part, module in load(path, device="cpu").modules.items():
        if getattr(theirs, part) is None:
            continue
        expected = getattr(theirs, part).state_dict()
        assert expected.keys() == module.state_dict().keys()
        assert all(torch.equal(value, expected[key]) for key, value in module.state_dict().items())


def test_an_sdxl_that_predicts_v_down_to_pure_noise_is_read_so(tmp_path):
    marks = {"v_pred": torch.empty(0), "ztsnr": torch.empty(0)}
    model = load(save_single(tmp_path / "m.safetensors", "sdxl", extra=marks), device="cpu")
    assert model.prediction_type == "v_prediction" and model.schedule(20).timesteps[-1] == 999
    assert float(model.schedule(20).alphas_cumprod[999]) < 1e-5


def test_weights_without_position_ids_and_with_them_are_the_same(tmp_path):
    ids = {f"{TEXT}transformer.text_model.embeddings.position_ids": torch.arange(77)[None]}
    with_ids = load(save_single(tmp_path / "with.safetensors", extra=ids), device="cpu")
    assert with_ids.fingerprint == load(save_single(tmp_path / "m.safetensors"), device="cpu").fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_files_in_half_precision_are_read_in_the_precision_asked_for(tmp_path, kind):
    half = {key: value.half() for key, value in original_weights(kind).items()}
    save_file(half, tmp_path / "half.safetensors")
    model = load(tmp_path / "half.safetensors", device="cpu")
    assert {next(module.parameters()).dtype for module in model.modules.values()} == {torch.float32}
    assert model.fingerprint == load(save_single(tmp_path / "m.safetensors", kind), device="cpu").fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_network_that_is_there_twice_the_averaged_one_is_read(tmp_path, kind):
    averages = averages_of(original_weights(kind))
    model = load(save_single(tmp_path / "m.safetensors", kind, extra=averages), device="cpu")
    expected = parts_of(kind)["unet"].state_dict()
    assert all(torch.equal(value, expected[key] + 0.01) for key, value in model.unet.state_dict().items())
    averages.popitem()  # some of the averages are no network
    half = load(save_single(tmp_path / "half.safetensors", kind, extra=averages), device="cpu")
    assert all(torch.equal(value, expected[key]) for key, value in half.unet.state_dict().items())


def test_names_of_an_early_transformers_are_known(tmp_path):
    old = {
        key.replace("transformer.text_model.", "transformer."): value for key, value in original_weights("sd1").items()
    }
    save_file(old, tmp_path / "old.safetensors")
    plain = load(save_single(tmp_path / "m.safetensors"), device="cpu")
    assert load(tmp_path / "old.safetensors", device="cpu").fingerprint == plain.fingerprint


def test_sd_2_under_the_names_of_sdxls_code_is_known(tmp_path):
    new = {
        key.replace("cond_stage_model.", "conditioner.embedders.0."): value
        for key, value in original_weights("sd2").items()
    }
    save_file(new, tmp_path / "turbo.safetensors")
    plain = load(save_single(tmp_path / "m.safetensors", "sd2"), device="cpu")
    assert load(tmp_path / "turbo.safetensors", device="cpu").fingerprint == plain.fingerprint


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_a_network_with_a_guidance_embedding_keeps_it(tmp_path, kind):
    single = load(save_single(tmp_path / "m.safetensors", kind, guided=True), device="cpu", guidance=8)
    folder = load(save_parts(tmp_path / "m", kind, guided=True), device="cpu", guidance=8)
    z = torch.randn(1, 4, 8, 8)
    told = [model.predict(z, 500, model.condition(["a cat"])) for model in (single, folder)]
    close(*told)
    assert single.identity == f"{single.fingerprint} guidance=8"


MARKS = [
    ({}, {}, ("epsilon", False)),
    ({"v_pred": torch.empty(0)}, {}, ("v_prediction", False)),
    ({"v_pred": torch.empty(0), "ztsnr": torch.empty(0)}, {}, ("v_prediction", True)),
    ({"ztsnr": torch.empty(0)}, {}, ("epsilon", False)),
    ({}, {"modelspec.prediction_type": "v"}, ("v_prediction", False)),
    ({"ztsnr": torch.empty(0)}, {"modelspec.prediction_type": "v"}, ("v_prediction", True)),
    ({}, {"modelspec.prediction_type": "epsilon"}, ("epsilon", False)),
]


@pytest.mark.parametrize(("keys", "metadata", "expected"), MARKS)
def test_a_file_that_says_that_it_predicts_v_is_read_so(tmp_path, keys, metadata, expected):
    model = load(save_single(tmp_path / "m.safetensors", extra=keys, metadata=metadata), device="cpu")
    config = model.schedule_config
    assert (config["prediction_type"], bool(config.get("rescale_betas_zero_snr"))) == expected
    last = model.schedule(20).timesteps[-1]
    assert (last == 999) == expected[1]  # trailing: sampling begins where all is noise
    assert (float(model.schedule(20).alphas_cumprod[999]) < 1e-5) == expected[1]
    assert model.identity == model.fingerprint  # the file's own word


def test_what_the_user_says_goes_before_what_a_file_says(tmp_path):
    marks = {"v_pred": torch.empty(0), "ztsnr": torch.empty(0)}
    path = save_single(tmp_path / "m.safetensors", extra=marks)
    model = load(path, device="cpu", prediction="eps", zero_snr=False)
    assert model.prediction_type == "epsilon" and not model.schedule_config["rescale_betas_zero_snr"]
    assert model.identity.endswith(" prediction=epsilon")
    silent = save_single(tmp_path / "silent.safetensors")
    assert load(silent, device="cpu", prediction="v").schedule_config["prediction_type"] == "v_prediction"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_loading_a_single_file_prints_nothing(tmp_path, capfd, dtype):
    path = save_single(tmp_path / "m.safetensors")
    capfd.readouterr()
    load(path, device="cpu", dtype=dtype)
    assert capfd.readouterr() == ("", "")


def test_v_is_turned_into_the_noise_that_it_stands_for(tmp_path):
    marked = load(save_single(tmp_path / "v.safetensors", extra={"v_pred": torch.empty(0)}), device="cpu")
    plain = load(save_single(tmp_path / "e.safetensors"), device="cpu")
    z, text = torch.randn(1, 4, 8, 8), plain.condition(["a cat"])
    v, alpha = plain.predict_noise(z, 500, text), float(plain.schedule(1).alphas_cumprod[500])
    torch.testing.assert_close(marked.predict_noise(z, 500, text), alpha**0.5 * v + (1 - alpha) ** 0.5 * z)


def conv_in(channels):
    return {f"{UNET}input_blocks.0.0.weight": torch.zeros(8, channels, 3, 3)}


def one(*names, shape=(1,)):
    return {name: torch.zeros(shape) for name in names}


CHANGED = [
    ("inpainting", conv_in(9), "inpainting"),
    ("instruct-pix2pix", conv_in(8), "instruct-pix2pix"),
    ("upscaler", conv_in(7), "upscaler"),
    ("depth", conv_in(5), "depth-to-image"),
    ("sigma", {f"{UNET}out.2.bias": torch.zeros(8)}, "takes 4 channels and gives 8"),
    ("unCLIP", one(f"{UNET}label_emb.0.0.weight", shape=(8, 2048)), "unCLIP"),
    ("noise augmentor", one("noise_augmentor.data_mean"), "unCLIP"),
    ("noise level", one(f"{UNET}label_emb.weight"), "a class or a noise level"),
    ("EDM", one("edm_mean"), "EDM"),
    ("GLIGEN", one(f"{UNET}position_net.linears.0.weight"), "GLIGEN"),
    ("video", one(f"{UNET}input_blocks.1.1.time_stack.0.x"), "video"),
    ("Zero123", one("cc_projection.weight"), "Zero123"),
    ("ControlNet", one("control_model.time_embed.0.weight"), "ControlNet"),
    (
        "refiner",
        one("conditioner.embedders.0.model.ln_final.weight") | one(f"{UNET}label_emb.0.0.weight", shape=(8, 2560)),
        "refiner",
    ),
]


@pytest.mark.parametrize(("extra", "says"), [row[1:] for row in CHANGED], ids=[row[0] for row in CHANGED])
def test_checkpoints_of_other_kinds_are_refused_by_name_before_anything_is_fetched(tmp_path, extra, says):
    assert says in refusal(save_single(tmp_path / "m.safetensors", extra=extra))


OTHERS = [
    ("SD3", one(f"{UNET}joint_blocks.0.context_block.adaLN_modulation.1.bias"), "Stable Diffusion 3"),
    ("SD3 network", one("joint_blocks.0.x_block.attn.qkv.weight"), "Stable Diffusion 3"),
    ("FLUX", one(f"{UNET}double_blocks.0.img_attn.norm.key_norm.scale"), "FLUX"),
    ("FLUX network", one("double_blocks.0.img_attn.norm.key_norm.scale", "single_blocks.0.linear1.bias"), "FLUX"),
    ("AuraFlow", one("model.double_layers.0.attn.w2q.weight"), "AuraFlow"),
    ("PixArt", one("adaln_single.linear.weight", "caption_projection.linear_1.weight", "x"), "PixArt"),
    ("Qwen-Image", one("transformer_blocks.0.img_mod.1.weight", "txt_norm.weight", "x"), "Qwen-Image"),
    ("Lumina", one(f"{UNET}cap_embedder.0.weight"), "Lumina"),
    ("Wan", one("head.modulation", "blocks.0.x", "y"), "Wan"),
    ("Cascade", one("clip_txt_mapper.weight", "x", "y"), "Stable Cascade"),
    ("another transformer", one(f"{UNET}blocks.0.attention.weight", f"{VAE}x", f"{TEXT}x"), "no U-Net"),
    ("SDXL network", one(f"{UNET}label_emb.0.0.weight", f"{UNET}input_blocks.0.0.bias", shape=(8, 2816)), "SDXL"),
    ("refiner network", one(f"{UNET}label_emb.0.0.weight", shape=(8, 2560)), "refiner"),
    ("LoRA", one("lora_unet_down_blocks_0.alpha"), "a LoRA"),
    ("diffusers' LoRA", one("unet.down_blocks.0.attentions.0.to_q.lora_A.weight"), "a LoRA"),
    ("LyCORIS", one("x.hada_w1_a"), "a LoRA"),
    ("textual inversion", {"emb_params": torch.zeros(3, 768)}, "a textual inversion"),
    ("diffusers' textual inversion", {"<cat>": torch.zeros(768)}, "a textual inversion"),
    ("ControlNet", one("controlnet_cond_embedding.conv_in.weight", "down_blocks.0.x", "mid_block.x"), "ControlNet"),
    ("IP-Adapter", one("image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight", "x"), "IP-Adapter"),
    ("motion module", one("down_blocks.0.motion_modules.0.x", "y", "z"), "motion module"),
    ("autoencoder", one("encoder.conv_in.weight", "decoder.conv_in.weight", "x"), "an autoencoder alone"),
    ("its part", one(f"{VAE}encoder.conv_in.weight", "x", "y"), "an autoencoder alone"),
    ("network", one("down_blocks.0.x", "mid_block.x", "conv_in.weight"), "a network alone"),
    ("text encoder", one("text_model.embeddings.x", "y", "z"), "a text encoder alone"),
    ("T5", one("encoder.block.0.layer.0.x", "y", "z"), "a text encoder alone"),
    ("nothing", {}, "nothing"),
    ("something", one("a", "b", "c"), "another kind"),
]


@pytest.mark.parametrize(("weights", "says"), [row[1:] for row in OTHERS], ids=[row[0] for row in OTHERS])
def test_files_that_hold_no_checkpoint_are_refused_by_name_before_anything_is_fetched(tmp_path, weights, says):
    save_file(weights, tmp_path / "m.safetensors")
    assert says in refusal(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("prefix", "says"), [(VAE, "lacks the autoencoder"), (TEXT, "lacks the text encoder"), (UNET, "alone")]
)
def test_a_checkpoint_without_one_of_its_parts_is_refused_before_anything_is_fetched(tmp_path, prefix, says):
    assert says in refusal(save_single(tmp_path / "m.safetensors", without=(prefix,)))


@pytest.mark.parametrize(
    ("key", "says"),
    [("transformer.token_emb.weight", "another text encoder"), ("roberta.x", "another text encoder"),
     ("model.visual.conv1.weight", "pictures, as for image variations")],
)  # fmt: skip
def test_checkpoints_that_read_something_else_than_clips_texts_are_refused(tmp_path, key, says):
    path = save_single(tmp_path / "m.safetensors", extra=one(f"{TEXT}{key}"), without=(TEXT,))
    assert says in refusal(path)


@pytest.mark.parametrize(
    ("channels", "says"), [(9, "an inpainting model"), (8, "instruct-pix2pix"), (5, "depth-to-image")]
)
def test_kinds_of_sdxl_are_refused_by_name(tmp_path, channels, says):
    assert says in refusal(save_single(tmp_path / "m.safetensors", "sdxl", extra=conv_in(channels)))


@pytest.mark.parametrize(
    ("without", "says"),
    [
        ((SECOND,), "lacks the second text encoder"),
        (("conditioner.embedders.0.",), "lacks the first text encoder"),
        (("conditioner.",), "lacks the text encoder"),
        ((f"{UNET}label_emb.0.2.",), "m.safetensors' could not be read: it lacks 'label_emb.0.2"),
        ((f"{UNET}label_emb.",), "neither sizes nor pooled texts"),
        ((VAE,), "of SDXL: it lacks the autoencoder"),
    ],
)
def test_sdxl_without_one_of_its_parts_is_refused(tmp_path, without, says):
    assert says in refusal(save_single(tmp_path / "m.safetensors", "sdxl", without=without))


def test_a_file_that_says_that_it_predicts_something_else_is_refused(tmp_path):
    path = save_single(tmp_path / "m.safetensors", metadata={"modelspec.prediction_type": "flow"})
    assert "predicts 'flow' by its own word" in refusal(path)


@pytest.mark.parametrize(
    "key",
    [f"{UNET}time_embed.0.bias", f"{VAE}decoder.conv_in.weight", f"{TEXT}transformer.text_model.final_layer_norm.bias"],
)
def test_missing_weights_are_not_made_up(tmp_path, key):
    said = refusal(save_single(tmp_path / "m.safetensors", without=(key,)))
    assert re.search(
        r"the (unet|vae|text_encoder) of .*m.safetensors' lacks \d+ weights? that its kind has, first ", said
    )


def damaged(content):
    return {
        "empty": b"", "cut off": content[:-9], "cut off in its header": content[:200], "longer": content + b"\0",
        "zeros": bytes(len(content)), "a web page": b"<!DOCTYPE html><html></html>" * 9,
        "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
    }  # fmt: skip


@pytest.mark.parametrize("kind", damaged(b""))
def test_damaged_files_are_one_sentence(tmp_path, kind):
    path = save_single(tmp_path / "m.safetensors")
    path.write_bytes(damaged(path.read_bytes())[kind])
    said = refusal(path)
    assert "m.safetensors' could not be read: it is " in said and "fetch" in said
    assert ("git lfs pull" in said) == (kind == "a pointer")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"PK\3\4" * 40, "a pickled checkpoint"), (b"\x80\2}q" * 40, "a pickled"), (b"GGUF" * 40, "a GGUF file")],
)
def test_other_formats_under_the_name_of_safetensors_are_told(tmp_path, content, says):
    (tmp_path / "m.safetensors").write_bytes(content)
    assert says in refusal(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        *((f"m{end}", "is a pickled checkpoint: ") for end in (".ckpt", ".CKPT", ".pt", ".pth", ".bin", ".pkl")),
        ("m.q4.gguf", "is a GGUF file"), ("m.onnx", "is an ONNX graph"), ("m.zip", "is an archive"),
        ("m.json", "is no .safetensors file"), ("m", "is no .safetensors file"),
    ],
)  # fmt: skip
def test_files_of_other_formats_are_refused_by_name_unread(tmp_path, name, says):
    (tmp_path / name).write_bytes(b"x" * 99)
    said = refusal(tmp_path / name)
    assert says in said and ("weights_only=True" in said) == ("pickled" in said)


def test_the_way_to_convert_that_is_documented_gives_the_same_model(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    script = re.search(r"## Pickled checkpoints\n.*?```python\n(.*?)```", text, re.DOTALL)[1]
    single = save_single(tmp_path / "m.safetensors")
    torch.save({"state_dict": {**load_file(single), "steps": 3}, "epoch": 1}, tmp_path / "model.ckpt")
    exec(script.replace('"model.', f'"{tmp_path}/model.'), {})
    assert load(tmp_path / "model.safetensors").fingerprint == load(single).fingerprint


def test_quantised_weights_are_refused(tmp_path):
    extra = {f"{UNET}out.2.weight": torch.zeros(4, 8, 3, 3, dtype=torch.uint8)}
    assert "quantised" in refusal(save_single(tmp_path / "m.safetensors", extra=extra))


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    extra = {f"{UNET}out.2.bias": torch.tensor([0.0, float("nan"), 0.0, 0.0])}
    assert (
        "unet of" in (said := refusal(save_single(tmp_path / "m.safetensors", extra=extra))) and "conv_out.bias" in said
    )


@pytest.mark.parametrize(("scale", "base"), [(0.05, True), (0.2, False)])
def test_single_files_of_sd_2_base_are_told_from_those_that_predict_v(tmp_path, scale, base):
    key = f"{UNET}output_blocks.11.1.transformer_blocks.0.norm1.bias"
    bias = scale * torch.randn(32, generator=torch.Generator().manual_seed(0))
    model = load(save_single(tmp_path / "m.safetensors", "sd2", extra={key: bias}), device="cpu")
    assert (model.prediction_type, model.native_side) == (("epsilon", 128) if base else ("v_prediction", 192))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", ["folder", "original", "diffusers", "inside"])
def test_a_file_without_an_autoencoder_is_read_with_another(tmp_path, kind, given):
    whole, pruned = save_single(tmp_path / "m.safetensors", kind), tmp_path / "pruned.safetensors"
    save_single(pruned, kind, without=(VAE,))
    weights = original_weights(kind)
    original = {key.removeprefix(VAE): value for key, value in weights.items() if key.startswith(VAE)}
    parts_of(kind)["vae"].save_pretrained(tmp_path / "vae")
    save_file(original, tmp_path / "vae.safetensors")
    files = {"folder": tmp_path / "vae", "original": tmp_path / "vae.safetensors", "inside": whole,
             "diffusers": tmp_path / "vae" / "diffusion_pytorch_model.safetensors"}  # fmt: skip
    assert "it lacks the autoencoder" in (said := refusal(pruned)) and "--vae" in said
    if given == "diffusers":  # which says its sizes under other names: those of the class are taken
        assert "the vae of" in refusal(pruned, vae=files[given])
        return
    model = load(pruned, device="cpu", vae=files[given])
    assert model.identity == load(whole, device="cpu").identity
    picture = torch.rand(1, 3, 16, 16)
    close(model.encode(picture), load(whole, device="cpu").encode(picture))


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_is_there_in_averages_alone_is_refused_by_that_name(tmp_path, kind):
    averages = averages_of(original_weights(kind))
    path = save_single(tmp_path / "m.safetensors", kind, extra=averages, without=(UNET,))
    assert "only as training averages it (model_ema.)" in refusal(path)


@pytest.mark.parametrize(
    ("key", "says"),
    [(f"{UNET}odd.weight", f"the unet of .* holds 1 weight more than its kind has, first '{UNET}odd"),
     (f"{UNET}input_blocks.1.2.odd", f"the unet of .*first '{UNET}input_blocks.1.2.odd"),
     (f"{VAE}encoder.odd", f"the vae of .*first '{VAE}encoder.odd"), (f"{VAE}loss.odd", "")],
)  # fmt: skip
def test_weights_that_nothing_uses_are_not_dropped_without_a_word(tmp_path, key, says):
    path = save_single(tmp_path / "m.safetensors", extra=one(key))
    if says:
        assert re.search(says, refusal(path))
    else:
        load(path, device="cpu")
