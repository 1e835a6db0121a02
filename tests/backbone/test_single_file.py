"""Single files: read as what they are, and refused by name before anything is fetched."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from retouch.backbone.load import load
from retouch.errors import BadModel
from tests.single_file import class_folder, save_single
from tests.tiny import save_tiny

pytestmark = pytest.mark.slow

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model."


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that has the configuration of Stable Diffusion 1.5; the list of what was asked of it."""
    folder, asked = class_folder(save_tiny(tmp_path / "class")), []

    def fetched(name, **how):
        asked.append(name)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetched)
    return asked


@pytest.fixture
def no_hub(monkeypatch):
    def asked(name, **how):
        raise AssertionError(f"the hub was asked for {name}")

    monkeypatch.setattr("huggingface_hub.snapshot_download", asked)


def refusal(path, **how):
    with pytest.raises(BadModel) as caught:
        load(path, device="cpu", **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_single_file_is_the_model_that_it_was_made_of(tmp_path, hub):
    single, folder = load(save_single(tmp_path / "m.safetensors"), device="cpu"), load(save_tiny(tmp_path / "m"))
    assert single.fingerprint == folder.fingerprint and single.identity == single.fingerprint
    assert hub == ["stable-diffusion-v1-5/stable-diffusion-v1-5"]
    z, text = torch.randn(1, 4, 8, 8), single.condition(["a cat"])
    torch.testing.assert_close(
        single.predict_noise(z, 500, text), folder.predict_noise(z, 500, folder.condition(["a cat"]))
    )
    assert single.schedule(20).timesteps == folder.schedule(20).timesteps


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
def test_a_file_that_says_that_it_predicts_v_is_read_so(tmp_path, hub, keys, metadata, expected):
    model = load(save_single(tmp_path / "m.safetensors", extra=keys, metadata=metadata), device="cpu")
    config = model.schedule_config
    assert (config["prediction_type"], bool(config.get("rescale_betas_zero_snr"))) == expected
    last = model.schedule(20).timesteps[-1]
    assert (last == 999) == expected[1]  # trailing: sampling begins where all is noise
    assert (float(model.schedule(20).alphas_cumprod[999]) < 1e-5) == expected[1]
    assert model.identity == model.fingerprint  # the file's own word


def test_what_the_user_says_goes_before_what_a_file_says(tmp_path, hub):
    marks = {"v_pred": torch.empty(0), "ztsnr": torch.empty(0)}
    path = save_single(tmp_path / "m.safetensors", extra=marks)
    model = load(path, device="cpu", prediction="eps", zero_snr=False)
    assert model.prediction_type == "epsilon" and not model.schedule_config["rescale_betas_zero_snr"]
    assert model.identity.endswith(" prediction=epsilon")
    silent = save_single(tmp_path / "silent.safetensors")
    assert load(silent, device="cpu", prediction="v").schedule_config["prediction_type"] == "v_prediction"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_loading_a_single_file_prints_nothing(tmp_path, hub, capfd, dtype):
    path = save_single(tmp_path / "m.safetensors")
    capfd.readouterr()
    load(path, device="cpu", dtype=dtype)
    assert capfd.readouterr() == ("", "")


def test_v_is_turned_into_the_noise_that_it_stands_for(tmp_path, hub):
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
    ("LCM", one(f"{UNET}time_embed.cond_proj.weight"), "latent consistency"),
    ("EDM", one("edm_mean"), "EDM"),
    ("GLIGEN", one(f"{UNET}position_net.linears.0.weight"), "GLIGEN"),
    ("video", one(f"{UNET}input_blocks.1.1.time_stack.0.x"), "video"),
    ("Zero123", one("cc_projection.weight"), "Zero123"),
    ("ControlNet", one("control_model.time_embed.0.weight"), "ControlNet"),
    ("SDXL", one("conditioner.embedders.1.model.ln_final.weight"), "SDXL"),
    ("refiner", one("conditioner.embedders.0.model.ln_final.weight"), "refiner"),
]


@pytest.mark.parametrize(("extra", "says"), [row[1:] for row in CHANGED], ids=[row[0] for row in CHANGED])
def test_checkpoints_of_other_kinds_are_refused_by_name_before_anything_is_fetched(tmp_path, no_hub, extra, says):
    assert says in refusal(save_single(tmp_path / "m.safetensors", extra=extra))


OTHERS = [
    ("SD3", one(f"{UNET}joint_blocks.0.context_block.adaLN_modulation.1.bias"), "Stable Diffusion 3"),
    ("SD3 network", one("joint_blocks.0.x_block.attn.qkv.weight"), "Stable Diffusion 3"),
    ("FLUX", one(f"{UNET}double_blocks.0.img_attn.norm.key_norm.scale"), "FLUX"),
    ("FLUX network", one("double_blocks.0.img_attn.norm.key_norm.scale", "single_blocks.0.linear1.bias"), "FLUX"),
    ("another transformer", one(f"{UNET}blocks.0.attn.qkv_x.weight", f"{VAE}x", f"{TEXT}x"), "no U-Net"),
    ("SDXL network", one(f"{UNET}label_emb.0.0.weight", shape=(8, 2816)), "SDXL"),
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
def test_files_that_hold_no_checkpoint_are_refused_by_name_before_anything_is_fetched(tmp_path, no_hub, weights, says):
    save_file(weights, tmp_path / "m.safetensors")
    assert says in refusal(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("prefix", "says"), [(VAE, "lacks the autoencoder"), (TEXT, "lacks the text encoder"), (UNET, "alone")]
)
def test_a_checkpoint_without_one_of_its_parts_is_refused_before_anything_is_fetched(tmp_path, no_hub, prefix, says):
    assert says in refusal(save_single(tmp_path / "m.safetensors", without=(prefix,)))


@pytest.mark.parametrize(
    ("key", "says"),
    [("transformer.token_emb.weight", "another text encoder"), ("roberta.x", "another text encoder"),
     ("model.visual.conv1.weight", "pictures, as for image variations")],
)  # fmt: skip
def test_checkpoints_that_read_something_else_than_clips_texts_are_refused(tmp_path, no_hub, key, says):
    path = save_single(tmp_path / "m.safetensors", extra=one(f"{TEXT}{key}"), without=(TEXT,))
    assert says in refusal(path)


def test_a_file_that_says_that_it_predicts_something_else_is_refused(tmp_path, hub):
    path = save_single(tmp_path / "m.safetensors", metadata={"modelspec.prediction_type": "flow"})
    assert "predicts 'flow' by its own word" in refusal(path)


@pytest.mark.parametrize(
    "key",
    [f"{UNET}time_embed.0.bias", f"{VAE}decoder.conv_in.weight", f"{TEXT}transformer.text_model.final_layer_norm.bias"],
)
def test_missing_weights_are_not_made_up(tmp_path, hub, key):
    assert "m.safetensors' could not be read" in refusal(save_single(tmp_path / "m.safetensors", without=(key,)))


def damaged(content):
    return {
        "empty": b"", "cut off": content[:-9], "cut off in its header": content[:200], "longer": content + b"\0",
        "zeros": bytes(len(content)), "a web page": b"<!DOCTYPE html><html></html>" * 9,
        "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
    }  # fmt: skip


@pytest.mark.parametrize("kind", damaged(b""))
def test_damaged_files_are_one_sentence(tmp_path, no_hub, kind):
    path = save_single(tmp_path / "m.safetensors")
    path.write_bytes(damaged(path.read_bytes())[kind])
    said = refusal(path)
    assert "m.safetensors' could not be read: it is " in said and "fetch" in said
    assert ("git lfs pull" in said) == (kind == "a pointer")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"PK\3\4" * 40, "a pickled checkpoint"), (b"\x80\2}q" * 40, "a pickled"), (b"GGUF" * 40, "a GGUF file")],
)
def test_other_formats_under_the_name_of_safetensors_are_told(tmp_path, no_hub, content, says):
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
def test_files_of_other_formats_are_refused_by_name_unread(tmp_path, no_hub, name, says):
    (tmp_path / name).write_bytes(b"x" * 99)
    said = refusal(tmp_path / name)
    assert says in said and ("weights_only=True" in said) == ("pickled" in said)


def test_the_way_to_convert_that_is_documented_gives_the_same_model(tmp_path, hub):
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    script = re.search(r"```python\n(import torch.*?)```", text, re.DOTALL)[1]
    single = save_single(tmp_path / "m.safetensors")
    torch.save({"state_dict": {**load_file(single), "steps": 3}, "epoch": 1}, tmp_path / "model.ckpt")
    exec(script.replace('"model.', f'"{tmp_path}/model.'), {})
    assert load(tmp_path / "model.safetensors").fingerprint == load(single).fingerprint


def test_quantised_weights_are_refused(tmp_path, no_hub):
    extra = {f"{UNET}out.2.weight": torch.zeros(4, 8, 3, 3, dtype=torch.uint8)}
    assert "quantised" in refusal(save_single(tmp_path / "m.safetensors", extra=extra))


def test_weights_that_are_no_numbers_are_refused(tmp_path, hub):
    extra = {f"{UNET}out.2.bias": torch.tensor([0.0, float("nan"), 0.0, 0.0])}
    assert (
        "unet of" in (said := refusal(save_single(tmp_path / "m.safetensors", extra=extra))) and "conv_out.bias" in said
    )


def test_the_configuration_of_a_class_that_was_fetched_before_is_read_without_the_hub(tmp_path, monkeypatch):
    place = tmp_path / "cache" / "models--stable-diffusion-v1-5--stable-diffusion-v1-5"
    class_folder(save_tiny(place / "snapshots" / "abc"))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.HfApi.repo_info", lambda *_, **__: pytest.fail("the hub was asked"))
    assert load(save_single(tmp_path / "m.safetensors"), device="cpu").native_side == 16


def test_a_configuration_that_was_never_fetched_is_asked_for_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    assert "configuration of its class" in refusal(save_single(tmp_path / "m.safetensors"), offline=True)


@pytest.mark.parametrize(("scale", "width", "base"), [(0.05, 1024, True), (0.2, 1024, False), (0.05, 768, False)])
def test_single_files_of_sd_2_base_are_told_from_those_that_predict_v(tmp_path, scale, width, base):
    from retouch.backbone.headers import read_header
    from retouch.backbone.single_file import predicts_noise

    block = f"{UNET}output_blocks.11.1.transformer_blocks.0"
    bias = scale * torch.randn(320, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "m.safetensors"
    save_file({f"{block}.norm1.bias": bias, f"{block}.attn2.to_k.weight": torch.zeros(320, width)}, path)
    assert predicts_noise(path, read_header("m", path)) == base
