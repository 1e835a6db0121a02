"""What a model folder's configurations may say, and how those that retouch cannot edit with are refused."""

import json
import re
import shutil

import pytest
import torch

from retouch.backbone.load import load
from retouch.errors import BadModel, BadParameter
from tests.tiny import save_tiny


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("whole") / "m")


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "m")


def change(folder, file, **fields):
    path = folder / file
    content = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "gone"}))


UNET, SCHEDULER = "unet/config.json", "scheduler/scheduler_config.json"
VAE, TEXT = "vae/config.json", "text_encoder/config.json"
LIBRARIES = re.compile(
    r"\n|ignore_mismatched|Validation error|Must provide|Cannot load|does not exist\.|object|torch\.Size|<class"
)
"""Words of the libraries that have no place in a sentence."""
REFUSED = [
    (UNET, {"time_cond_proj_dim": "x"}, "time_cond_proj_dim 'x', expected a whole number"),
    (UNET, {"class_embed_type": "projection"}, "unCLIP"),
    (UNET, {"num_class_embeds": 1000}, "class or a noise level"),
    (UNET, {"addition_embed_type": "text_time"}, "SDXL"),
    (UNET, {"in_channels": 9}, "inpainting"),
    (UNET, {"dual_cross_attention": True}, "Versatile Diffusion"),
    (UNET, {"class_embeddings_concat": True}, "class or a noise level"),
    (UNET, {"in_channels": 5}, "depth"),
    (UNET, {"in_channels": 8}, "instruct-pix2pix"),
    (UNET, {"out_channels": 8}, "takes 4 channels and gives 8"),
    (UNET, {"sample_size": "64"}, "sample_size '64', expected a whole number"),
    (SCHEDULER, {"_class_name": "FlowMatchEulerDiscreteScheduler"}, "FlowMatchEulerDiscreteScheduler"),
    (SCHEDULER, {"_class_name": "EDMEulerScheduler"}, "EDMEulerScheduler"),
    (SCHEDULER, {"beta_start": "gone"}, "does not walk DDPM's betas"),
    (SCHEDULER, {"use_flow_sigmas": True}, "a flow-matching"),
    (SCHEDULER, {"beta_start": "x"}, "beta_start 'x', expected a number"),
    (SCHEDULER, {"num_train_timesteps": "x"}, "num_train_timesteps 'x', expected a whole number"),
    (SCHEDULER, {"prediction_type": "flow"}, "predicts 'flow'"),
    (SCHEDULER, {"num_train_timesteps": None}, "num_train_timesteps None, expected a whole number"),
    (SCHEDULER, {"num_train_timesteps": 0}, "num_train_timesteps 0, expected a whole number in 1"),
    (SCHEDULER, {"steps_offset": []}, "steps_offset"),
    (SCHEDULER, {"steps_offset": 1_000_000}, "steps_offset"),
    (UNET, {"layers_per_block": 1_000_000}, "layers_per_block"),  # it would be built before it is compared
    (UNET, {"sample_size": 100_000}, "sample_size"),
    (SCHEDULER, {"trained_betas": []}, "trained_betas .*, expected 1000 numbers in 0..1"),
    (SCHEDULER, {"trained_betas": [0.1, "x"]}, "trained_betas .*, expected 1000 numbers in 0..1"),
    (SCHEDULER, {"rescale_betas_zero_snr": "no"}, "rescale_betas_zero_snr 'no', expected true or false"),
    (SCHEDULER, {"beta_schedule": "x"}, "scheduler/scheduler_config.json of .*beta_schedule 'x', expected linear or"),
    (SCHEDULER, {"timestep_spacing": "x"}, "timestep_spacing 'x', expected leading or trailing or linspace"),
    (SCHEDULER, {"beta_start": 1}, "beta_start 1, expected a number between 0 and 1"),
    (SCHEDULER, {"beta_start": 0.5}, "beta_start 0.5, expected at most beta_end 0.012"),
    (SCHEDULER, {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}, "samples pure noise"),
    (UNET, {"sample_size": [8, 8, 8]}, "sample_size .8, 8, 8., expected a side or two, height and width"),
    (UNET, {"sample_size": [8, None]}, "sample_size .8, None., expected a side or two"),
    (UNET, {"in_channels": None}, "in_channels None"),
    (UNET, {"out_channels": {}}, "out_channels {}, expected"),
    (UNET, {"block_out_channels": [8, "x"]}, "block_out_channels"),
    (UNET, {"attention_head_dim": -1}, "attention_head_dim -1, expected a whole number"),
    (UNET, {"norm_eps": "x"}, "norm_eps 'x', expected a number"),
    (UNET, {"_class_name": "UNetMotionModel"}, "the unet of .* is a UNetMotionModel"),
    (UNET, {"attention_type": "gated"}, "GLIGEN"),
    (UNET, {"encoder_hid_dim": 768}, "IP-Adapter"),
    (VAE, {"_class_name": "VQModel"}, "the vae of .* is a VQModel"),
    (VAE, {"in_channels": 6}, "in_channels 6 .sound, or pictures with depth"),
    (VAE, {"latent_channels": 16}, "takes 4 channels but its autoencoder gives 16"),
    (VAE, {"scaling_factor": None}, "scaling_factor None, expected a number"),
    (VAE, {"shift_factor": "x"}, "shift_factor 'x', expected a number"),
    (VAE, {"latents_mean": [0.1] * 4}, "scales every channel .*latents_mean"),
    (TEXT, {"model_type": "t5"}, "the text_encoder of .* is a t5"),
    (TEXT, {"hidden_size": 8}, "do not belong together"),
    (TEXT, {"eos_token_id": None}, "eos_token_id None"),
    (TEXT, {"eos_token_id": 99999}, "eos_token_id 99999, expected a token of the vocabulary, below vocab_size 515"),
    (TEXT, {"num_attention_heads": 3}, "num_attention_heads 3, expected a divisor of hidden_size 16"),
    (TEXT, {"hidden_act": "foo"}, "text_encoder/config.json of .*hidden_act 'foo', expected quick_gelu or"),
    (TEXT, {"attention_dropout": "x"}, "attention_dropout 'x', expected a number"),
    (UNET, {"attention_head_dim": 3}, "attention_head_dim 3, expected divisors of block_out_channels .8, 8, 16, 16."),
    (UNET, {"attention_head_dim": [1, 2]}, "attention_head_dim .1, 2., expected one for each of the 4"),
    (UNET, {"num_attention_heads": 2}, "num_attention_heads 2, expected null"),
    (UNET, {"time_embedding_type": "foo"}, "time_embedding_type 'foo', expected positional or fourier"),
    (UNET, {"down_block_types": None}, "down_block_types None, expected a list, each CrossAttnDownBlock2D or"),
    (UNET, {"down_block_types": ["DownBlock2D"]}, "down_block_types .'DownBlock2D'., expected one for each of the 4"),
    (UNET, {"up_block_types": ["AttnUpBlock2D"] * 4}, "up_block_types .*, expected a list, each CrossAttnUpBlock2D or"),
    (UNET, {"mid_block_type": "foo"}, "mid_block_type 'foo', expected UNetMidBlock2DCrossAttn or"),
    (UNET, {"act_fn": "foo"}, "act_fn 'foo', expected silu or"),
    (UNET, {"norm_num_groups": 3}, "norm_num_groups 3, expected a divisor of block_out_channels"),
    (UNET, {"block_out_channels": 8}, "block_out_channels 8, expected a list"),
    (UNET, {"upcast_attention": "x"}, "upcast_attention 'x', expected true or false"),
    (UNET, {"transformer_layers_per_block": [1]}, "transformer_layers_per_block .1., expected one for each of the 4"),
    (VAE, {"block_out_channels": [8]}, "down_block_types .*, expected one for each of the 1 block_out_channels"),
    (VAE, {"sample_size": "x"}, "vae/config.json of .*sample_size 'x', expected a whole number"),
    (VAE, {"force_upcast": "x"}, "force_upcast 'x', expected true or false"),
    ("tokenizer/tokenizer_config.json", {"bos_token": 3}, "tokenizer/tokenizer_config.json .*bos_token 3"),
    ("tokenizer/tokenizer_config.json", {"model_max_length": "x"}, "model_max_length 'x'"),
]


@pytest.mark.parametrize(("file", "fields", "says"), REFUSED, ids=[f"{fields}" for _, fields, _ in REFUSED])
def test_what_retouch_cannot_edit_with_is_refused_by_name_before_weights_are_read(folder, file, fields, says):
    change(folder, file, **fields)
    for weights in folder.rglob("*.safetensors"):
        weights.unlink()
    with pytest.raises(BadModel, match=says) as caught:
        load(folder)
    assert not LIBRARIES.search(str(caught.value))


@pytest.mark.parametrize("file", [UNET, SCHEDULER, VAE, TEXT])
@pytest.mark.parametrize(
    ("content", "says"),
    [(b"{}", "m'"), (b"[1]", "holds a list"), (b"{", "no JSON"), (b"\xff\xfe", "no JSON"), (None, "no readable")],
)  # fmt: skip
def test_damaged_configurations_are_one_sentence(folder, file, content, says):
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(BadModel, match=says) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_without_a_vocabulary_is_refused(folder):
    for file in (folder / "tokenizer").iterdir():
        file.unlink()
    with pytest.raises(BadModel, match="has no vocabulary"):
        load(folder)


@pytest.mark.parametrize("missing", ["merges.txt", "vocab.json"])
def test_half_a_vocabulary_is_refused(folder, missing):
    (folder / "tokenizer" / "tokenizer.json").unlink()
    (folder / "tokenizer" / "vocab.json").write_text("{}")
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer" / missing).unlink()
    with pytest.raises(BadModel, match="has no vocabulary"):
        load(folder)


@pytest.mark.parametrize("content", ["", "{", "{}", '{"a": 0}', "[]"])
def test_a_damaged_vocabulary_is_refused(folder, content):
    (folder / "tokenizer" / "tokenizer.json").write_text(content)
    with pytest.raises(BadModel, match="m'") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_part_is_named(folder, part):
    shutil.rmtree(folder / part)
    with pytest.raises(BadModel, match=f"it lacks {part}"):
        load(folder)


def test_pickled_weights_in_a_folder_are_refused(folder):
    (folder / "vae" / "diffusion_pytorch_model.safetensors").rename(folder / "vae" / "diffusion_pytorch_model.bin")
    with pytest.raises(BadModel, match=r"pickled weights only for its vae.*weights_only=True"):
        load(folder)


def test_configurations_of_2022_are_repaired_as_diffusers_does(folder):
    change(folder, UNET, sample_size=32, _diffusers_version="0.6.0")
    change(folder, SCHEDULER, steps_offset="gone", clip_sample=True)
    model = load(folder)
    assert model.native_side == 64 * model.vae_factor
    assert model.schedule(50).timesteps[:2] == (1, 21)


def test_todays_small_models_keep_their_size(folder):
    assert load(folder).native_side == 8 * load(folder).vae_factor


def test_a_precision_may_be_named(folder):
    model = load(folder, device="cpu", dtype="bfloat16")
    assert model.dtype == model.vae.dtype == torch.bfloat16
    assert model.fingerprint == load(folder, device="cpu").fingerprint  # of the checkpoint, not of the precision
    assert load(folder, device="cpu", dtype="float16").dtype == torch.float32  # half precision is for GPUs
    with pytest.raises(BadParameter, match="'int8' is not known: give one of float32"):
        load(folder, dtype="int8")


def test_the_embedded_text_encoder_has_the_names_that_older_libraries_expect():
    from safetensors import safe_open

    from retouch.backbone.load import EMBEDDED_FOLDER

    with safe_open(EMBEDDED_FOLDER / "text_encoder" / "model.safetensors", "pt") as file:
        assert all(name.startswith("text_model.") for name in file.keys())  # noqa: SIM118


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [
        ("StableDiffusion3Pipeline", "a Stable Diffusion 3 model"),
        ("FluxPipeline", "a FLUX model"),
        ("PixArtSigmaPipeline", "a PixArt model"),
        ("QwenImageEditPipeline", "a Qwen-Image model"),
        ("KolorsPipeline", "a Kolors model"),
        ("StableUnCLIPImg2ImgPipeline", "an unCLIP model"),
        ("StableDiffusionUpscalePipeline", "an upscaler"),
        ("StableVideoDiffusionPipeline", "a video model"),
        ("KandinskyV22Pipeline", "a Kandinsky model"),
    ],
)
def test_a_folder_for_another_pipeline_is_refused_by_its_name(folder, pipeline, says):
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    with pytest.raises(BadModel, match=f"{says}.*{pipeline}"):
        load(folder)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"text_encoder_3"}, "Stable Diffusion 3"),
        ({"text_encoder_2"}, "FLUX"),
        (set(), "PixArt, Qwen-Image"),
    ],
)
def test_a_transformer_is_refused_by_what_lies_beside_it(tmp_path, parts, says):
    for part in {"transformer", "vae", "text_encoder", "tokenizer", "scheduler"} | parts:
        (tmp_path / "m" / part).mkdir(parents=True)
    with pytest.raises(BadModel, match=f"{says}.*its network is a transformer|network is a transformer.*{says}"):
        load(tmp_path / "m")


@pytest.mark.parametrize("index", [{"_class_name": "StableDiffusionImg2ImgPipeline"}, {"_class_name": 7}, {"x": 1}])
def test_an_index_that_names_no_other_kind_changes_nothing(folder, index):
    (folder / "model_index.json").write_text(json.dumps(index))
    assert load(folder, device="cpu").fingerprint


@pytest.mark.parametrize(("variant", "others"), [("fp16", ["non_ema"]), ("bf16", ["non_ema"]), ("non_ema", [])])
def test_where_there_are_variants_alone_the_best_of_them_is_read(folder, variant, others):
    whole = load(folder, device="cpu").fingerprint
    path = folder / UNET.replace("config.json", "diffusion_pytorch_model.safetensors")
    for other in others:
        path.with_suffix(f".{other}.safetensors").write_bytes(b"not this one")
    path.rename(path.with_suffix(f".{variant}.safetensors"))
    assert load(folder, device="cpu").fingerprint == whole


DISAGREEING = [
    (TEXT, {"vocab_size": 1000}, "vocab_size 1000, expected 515, as its weights have it"),
    (TEXT, {"max_position_embeddings": 10}, "max_position_embeddings 10, expected 77, as its weights have it"),
    (TEXT, {"intermediate_size": 33}, "intermediate_size 33, expected 32, as its weights have it"),
    (UNET, {"time_embedding_dim": 3}, "time_embedding_dim 3, expected 32, as its weights have it"),
    (UNET, {"conv_in_kernel": 4}, "conv_in_kernel 4, expected 3, as its weights have it"),
    (UNET, {"use_linear_projection": True}, "use_linear_projection True, expected false, as its weights have it"),
    (
        UNET,
        {"reverse_transformer_layers_per_block": [1]},
        "reverse_transformer_layers_per_block .1., expected one that",
    ),
    (UNET, {"layers_per_block": 1}, "'up_blocks.1.*' of the unet of .* is .32,., and its unet/config.json describes"),
    (UNET, {"transformer_layers_per_block": 2}, "the unet of .* lacks 320 weights that its unet/config.json describes"),
    (TEXT, {"dtype": "foo"}, "text_encoder/config.json of .*dtype 'foo', expected one that such a part"),
    (TEXT, {"num_hidden_layers": 3}, "the text_encoder of .* lacks 16 weights that its text_encoder/config.json"),
    (
        TEXT,
        {"num_hidden_layers": 1},
        "the text_encoder of .* holds 16 weights more than .*'encoder.layers.1.layer_norm1",
    ),
    (UNET, {"mid_block_type": None}, "the unet of .* holds 46 weights more than its unet/config.json .*'mid_block.att"),
    (UNET, {"down_block_types": ["DownBlock2D"] * 4}, "the unet of .* weights more than .*'down_blocks.0.attentions"),
    (VAE, {"use_post_quant_conv": False}, "the vae of .* holds 2 weights more than .*'post_quant_conv.bias'"),
]


@pytest.mark.parametrize(("file", "fields", "says"), DISAGREEING, ids=[f"{fields}" for _, fields, _ in DISAGREEING])
def test_a_configuration_that_its_weights_contradict_is_refused(folder, file, fields, says):
    change(folder, file, **fields)
    with pytest.raises(BadModel, match=says) as caught:
        load(folder, device="cpu")
    assert not LIBRARIES.search(str(caught.value))


def rewrite(path, **tensors):
    from safetensors.torch import load_file, save_file

    save_file(load_file(path) | tensors, path, {"format": "pt"})


def test_what_is_left_over_without_harm_is_left(folder):
    weights = folder / "text_encoder" / "model.safetensors"
    plain = load(folder, device="cpu").fingerprint
    more = {"text_model.embeddings.position_ids": torch.arange(77)[None], "text_projection.weight": torch.eye(16),
            "logit_scale": torch.tensor(4.6), "vision_model.post_layernorm.bias": torch.zeros(4)}  # fmt: skip
    rewrite(weights, **more)
    assert load(folder, device="cpu").fingerprint == plain
    rewrite(weights, odd=torch.zeros(1))
    with pytest.raises(BadModel, match=r"the text_encoder of .* holds 1 weight more than .*first 'odd'"):
        load(folder, device="cpu")


def test_the_names_of_older_libraries_are_known(folder):
    from safetensors.torch import load_file, save_file

    plain = load(folder, device="cpu").fingerprint
    text, vae = folder / "text_encoder" / "model.safetensors", folder / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({f"text_model.{key.removeprefix('text_model.')}": value for key, value in load_file(text).items()}, text)
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = load_file(vae)
    for new, name in names.items():
        old = {key.replace(f"attentions.0.{new}.", f"attentions.0.{name}."): value for key, value in old.items()}
    save_file(old, vae)
    assert load(folder, device="cpu").fingerprint == plain


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"weight_map": {"x": "nowhere.safetensors"}}'])
@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model", "text_encoder/model"])
def test_whole_weights_are_read_whatever_an_index_beside_them_says(folder, part, content):
    plain = load(folder, device="cpu").fingerprint
    (folder / f"{part}.safetensors.index.json").write_text(content)
    assert load(folder, device="cpu").fingerprint == plain


@pytest.mark.parametrize("index", ["{", '{"weight_map": {}}', None])
@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model", "text_encoder/model"])
def test_shards_are_read_for_what_they_hold(folder, part, index):
    from safetensors.torch import load_file, save_file

    plain, path = load(folder, device="cpu").fingerprint, folder / f"{part}.safetensors"
    weights = load_file(path)
    names = sorted(weights)
    path.unlink()
    for number, some in enumerate((names[::2], names[1::2]), 1):
        save_file({key: weights[key] for key in some}, folder / f"{part}-0000{number}-of-00002.safetensors")
    if index is not None:
        (folder / f"{part}.safetensors.index.json").write_text(index)
    assert load(folder, device="cpu").fingerprint == plain
    (folder / f"{part}-00002-of-00002.safetensors").unlink()
    with pytest.raises(BadModel, match=r"the (unet|text_encoder) of .* lacks \d+ weights"):
        load(folder, device="cpu")


@pytest.mark.parametrize(("said", "side"), [(None, 64), ("gone", 64), ([8, 8], 8), ([8, 32], 16)])
def test_the_native_size_is_read_in_all_of_diffusers_forms(folder, said, side):
    change(folder, UNET, sample_size=said)
    model = load(folder, device="cpu")
    assert model.native_side == side * model.vae_factor


@pytest.mark.parametrize("file", ["tokenizer.json", "vocab.json"])
@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_damaged_vocabulary_is_named(folder, file, content):
    if file == "vocab.json":
        vocabulary = json.loads((folder / "tokenizer" / "tokenizer.json").read_text())["model"]
        (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\nc a\n")
        (folder / "tokenizer" / "tokenizer.json").unlink()
        assert vocabulary["vocab"]
    (folder / "tokenizer" / file).write_text(content)
    with pytest.raises(BadModel, match=f"tokenizer/{file} of") as caught:
        load(folder, device="cpu")
    assert "\n" not in str(caught.value)


def test_weights_of_whole_numbers_are_refused(folder):
    rewrite(folder / UNET.replace("config.json", "diffusion_pytorch_model.safetensors"),
            **{"conv_in.bias": torch.zeros(8, dtype=torch.int32)})  # fmt: skip
    with pytest.raises(BadModel, match=r"the unet of .* holds whole numbers, as in 'conv_in.bias'"):
        load(folder, device="cpu")


def with_network(folder, **fields):
    """The folder with a random network of these fields."""
    from diffusers import UNet2DConditionModel

    config = json.loads((folder / UNET).read_text())
    known = {key: value for key, value in config.items() if not key.startswith("_")}
    shutil.rmtree(folder / "unet")
    torch.manual_seed(0)
    UNet2DConditionModel(**known | fields).save_pretrained(folder / "unet")
    return folder


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"mid_block_type": None}, ()), ({"mid_block_type": "UNetMidBlock2D"}, ()),
        ({"layers_per_block": [1, 1, 2, 1]}, ()), ({"sample_size": (8, 8)}, ()),
        ({"transformer_layers_per_block": [1, [1, 2], [2, 1], 1],
          "reverse_transformer_layers_per_block": [1, [2, 1, 1], [1, 2, 1], 1]}, ()),
        ({"only_cross_attention": True}, ("plug-and-play", "masactrl")),
        ({"down_block_types": ["DownBlock2D"] * 4, "up_block_types": ["UpBlock2D"] * 4},
         ("plug-and-play", "masactrl")),
    ],
)  # fmt: skip
def test_networks_of_odd_shapes_edit_or_are_refused_in_a_sentence(folder, fields, refused):
    from PIL import Image

    from retouch.editor import Editor
    from retouch.errors import RetouchError

    editor, picture = Editor(load(with_network(folder, **fields), device="cpu")), Image.new("RGB", (16, 16), "red")
    for name in ("ddim", "prompt-to-prompt", "plug-and-play", "masactrl", "guide-and-rescale"):
        how = {"source": "a red cat", "target": "a blue cat", "method": name, "num_inference_steps": 5}
        if name in refused:
            with pytest.raises(RetouchError, match=r"attention layer|attends"):
                editor.edit(picture, **how)
        else:
            editor.edit(picture, **how)
