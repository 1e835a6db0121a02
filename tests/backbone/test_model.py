"""Backbones of every kind: loading, layers, encoding, predicting, counting."""

import json

import pytest
import torch

from retouch.backbone.condition import Condition
from retouch.backbone.load import load
from retouch.errors import BadModel
from retouch.methods.registry import method_named, methods
from retouch.parts.job import Job
from tests.small import short
from tests.tiny import KINDS, channels, save_tiny, tiny_backbone

pytestmark = pytest.mark.slow


@pytest.fixture(params=KINDS)
def model(request, tmp_path):
    return tiny_backbone(tmp_path, request.param)


def test_an_sd1_network_has_sixteen_self_attention_layers_six_down_one_mid_nine_up(tmp_path):
    model = tiny_backbone(tmp_path, "sd1")
    for kind in ("self", "cross"):
        layers = model.attention_layers(kind=kind)
        assert [sum(layer.place == place for layer in layers) for place in ("down", "mid", "up")] == [6, 1, 9]
        assert [layer.downsampling for layer in layers] == [1, 1, 2, 2, 4, 4, 8, 4, 4, 4, 2, 2, 2, 1, 1, 1]
        assert [layer.order for layer in layers] == list(range(16))
    assert all(hasattr(model.unet.get_submodule(layer.name), "to_q") for layer in model.attention_layers())


def test_layers_are_listed_in_the_order_the_network_runs_them(model):
    ran = []
    for layer in model.attention_layers():
        model.unet.get_submodule(layer.name).register_forward_hook(lambda *_, name=layer.name: ran.append(name))
    model.predict_noise(torch.zeros(1, channels(model), 8, 8), 1, model.condition(["x"]))
    assert ran == [layer.name for layer in model.attention_layers()]


def test_sizes_come_from_the_model(model):
    levels = len(model.unet.config.block_out_channels)
    cell = 1 if model.name == "if" else 2
    assert (model.vae_factor, model.native_side, model.pixel_multiple) == (cell, 16, cell * 2 ** (levels - 1))
    latents = model.encode(torch.zeros(2, 3, 16, 32))
    assert latents.shape == (2, channels(model), 16 // cell, 32 // cell) and model.decode(latents).shape == (
        2,
        3,
        16,
        32,
    )
    assert torch.equal(latents, model.encode(torch.zeros(2, 3, 16, 32)))  # the mean, never a sample
    assert model.condition(["a cat", ""]).embeds.shape == (2, model.max_tokens, model.text_width)


def test_evaluations_count_rows(model):
    embeds = model.condition(["x", "y", "z"])
    model.predict_noise(torch.zeros(3, channels(model), 8, 8), torch.tensor([1, 500, 999]), embeds)
    model.predict_noise(torch.zeros(1, channels(model), 8, 8), 1, embeds.split()[0])
    assert model.evaluations == 4


def test_rows_with_their_own_timesteps_equal_rows_on_their_own(model):
    z, embeds = (
        torch.randn(2, channels(model), 8, 8, generator=torch.Generator().manual_seed(0)),
        model.condition(["x", "y"]),
    )
    together = model.predict_noise(z, torch.tensor([3, 700]), embeds)
    apart = [model.predict_noise(z[i : i + 1], t, embeds.split()[i]) for i, t in enumerate((3, 700))]
    torch.testing.assert_close(together, torch.cat(apart), atol=1e-5, rtol=1e-4)


def test_predictions_are_converted_by_the_textbook(tmp_path):
    z, noise = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    models = {kind: tiny_backbone(tmp_path / kind, kind) for kind in KINDS}
    a = models["sd1"].schedule(1).alphas_cumprod[600].float()
    raw = noise
    for kind, expected in (
        ("sd1", raw),
        ("sd2", a.sqrt() * raw + (1 - a).sqrt() * z),
        ("sample", (z - a.sqrt() * raw) / (1 - a).sqrt()),
    ):
        models[kind].unet.forward = lambda *args, **kwargs: (raw,)
        torch.testing.assert_close(
            models[kind].predict_noise(z, 600, Condition(torch.zeros(1, 1, 16))), expected, atol=1e-5, rtol=1e-4
        )


def test_gradients_flow_where_the_caller_wants_them(model):
    z = torch.zeros(1, channels(model), 8, 8, requires_grad=True)
    model.predict_noise(z, 10, model.condition(["x"])).sum().backward()
    assert z.grad.abs().sum() > 0
    assert all(p.grad is None for p in model.unet.parameters())


def test_what_a_long_prompt_loses_is_known(tmp_path):
    model = tiny_backbone(tmp_path, "sd2")
    assert model.truncated("a cat") == ""
    prompt = "abcdefghijklmnopqrstuvwxyz"
    assert prompt.endswith(model.truncated(prompt)) and len(model.truncated(prompt)) == len(prompt) - (
        model.max_tokens - 2
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_loads_and_its_fingerprint_names_the_weights(tmp_path, kind):
    save_tiny(tmp_path / "m", kind)
    one, two = load(str(tmp_path / "m")), load(str(tmp_path / "m"))
    assert one.fingerprint == two.fingerprint and len(one.fingerprint) == 16
    with torch.no_grad():
        next(two.unet.parameters()).view(-1)[0] += 1
    del two.__dict__["fingerprint"]
    assert one.fingerprint != two.fingerprint
    embeds = one.condition(["a cat"])
    ones = torch.ones(1, channels(one), 8, 8)
    assert torch.equal(one.predict_noise(ones, 5, embeds), one.predict_noise(ones, 5, embeds))


def test_half_precision_files_run_in_single_precision_on_the_cpu(tmp_path):
    save_tiny(tmp_path / "m")
    for part in ("unet", "vae", "text_encoder"):
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from transformers import CLIPTextModel

        kind = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel}[part]
        kind.from_pretrained(tmp_path / "m" / part).half().save_pretrained(tmp_path / "m" / part)
    model = load(str(tmp_path / "m"))
    assert model.dtype == model.vae.dtype == model.condition(["x"]).embeds.dtype == torch.float32


def spoil(folder, what):
    match what:
        case "no unet":
            (folder / "unet").rename(folder / "not_unet")
        case "two text encoders":
            (folder / "text_encoder_2").mkdir()
        case "broken weights":
            next((folder / "unet").glob("*.safetensors")).write_bytes(b"nonsense")
        case "inpainting":
            path = folder / "vae" / "config.json"
            config = json.loads(path.read_text()) | {"latent_channels": 3}
            path.write_text(json.dumps(config))
            for file in (folder / "vae").glob("*.safetensors"):
                file.unlink()
            from diffusers import AutoencoderKL

            AutoencoderKL.from_config(config).save_pretrained(folder / "vae")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("no unet", "lacks unet"),
        ("two text encoders", "SDXL"),
        ("broken weights", "could not be read"),
        ("inpainting", "channels"),
    ],
)
def test_folders_of_another_kind_are_refused_in_one_sentence(tmp_path, what, says):
    save_tiny(tmp_path / "m")
    spoil(tmp_path / "m", what)
    with pytest.raises(BadModel, match=says) as caught:
        load(str(tmp_path / "m"))
    assert "\n" not in str(caught.value) and "m" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [("nowhere", "no model"), ("./no/such", "no model"), ("x.safetensors", "no file"), ("a/b/c", "no model")],
)
def test_names_of_nothing_are_refused(name, says):
    with pytest.raises(BadModel, match=says):
        load(name, offline=True)


def test_pickled_checkpoints_are_never_loaded(tmp_path):
    (tmp_path / "m.ckpt").write_bytes(b"\x80\x04")
    with pytest.raises(BadModel, match="pickled"):
        load(str(tmp_path / "m.ckpt"))


ALIGNED = {"inversion": "latent-align"}
EXACT_FIT = {"early_stop": 0.0, "inner_steps": 2}  # fits that never end early cost what is declared
COSTS = [
    ("ddim", {"guidance_scale": 1.0}, {}),
    ("sdedit", {"strength": 0.4}, {}),
    ("sdedit", {"strength": 0.0}, {}),
    ("sdedit", {"guidance_scale": 1.0}, {}),
    ("prompt-to-prompt", {}, ALIGNED),
    ("prompt-to-prompt", {"guidance_scale": 1.0}, {}),
    ("negative-prompt", {"guidance_scale": 1.0}, {}),
    ("negative-prompt", {"npi_interp": 0.5}, {}),
    ("prox-npi", {"threshold": 0.1}, {}),
    ("prox-npi", {}, {"guidance": "proximal+guiders"}),
    ("prox-npi", {"preset": "style"}, {"guidance": "proximal+guiders"}),
    ("null-text", EXACT_FIT, {}),
    ("null-text", {**EXACT_FIT, "start_step": 1}, {"control": "masactrl"}),
    ("prompt-tuning", EXACT_FIT, {}),
    ("prompt-tuning", EXACT_FIT, {"control": "prompt-to-prompt"}),
    ("masactrl", {"start_step": 0}, ALIGNED),
    ("masactrl", {"start_step": 0, "guidance_scale": 1.0}, {}),
    ("plug-and-play", {}, {"inversion": "ddim"}),
    ("guide-and-rescale", {"preset": "style"}, {}),
    ("guide-and-rescale", {"preset": "style", "guidance_scale": 1.0}, {}),
    ("guide-and-rescale", {"guided_share": 1.0, "feature_strength": 0.0}, {}),
    ("guide-and-rescale", {"attention_strength": 0.0, "feature_strength": 0.0}, {}),
]


@pytest.mark.parametrize("model", ["sd1", "if"], indirect=True)  # in latents, and in pixels
@pytest.mark.parametrize(("name", "settings", "parts"), COSTS, ids=lambda value: str(value))
def test_the_declared_cost_is_right_for_other_settings_too(model, name, settings, parts):
    latents = model.encode(torch.zeros(1, 3, 16, 16))
    method = method_named(name, {"num_inference_steps": 5, **settings}, **parts)
    method.edit(Job(model, latents, "a dog", "a cat", torch.Generator().manual_seed(0), lambda n: None))
    assert model.evaluations == method.evaluations()


def run(model, latents, source, target, name, parts=None, **settings):
    """The outcome of one edit in five steps."""
    method = method_named(name, {"num_inference_steps": 5, **settings}, **(parts or {}))
    return method.edit(Job(model, latents, target, source, torch.Generator().manual_seed(3), lambda n: None))


def test_the_identities_hold_for_every_kind_of_model(model):
    """A few of those that the embedded model is tested on, whatever the network predicts."""
    latents = model.encode(torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    source, target = "a red cat", "a blue dog"
    reconstruction = run(model, latents, source, source, "ddib").target
    close = {"atol": 1e-3, "rtol": 1e-3}
    torch.testing.assert_close(run(model, latents, source, source, "negative-prompt").target, reconstruction, **close)
    aligned = run(model, latents, source, target, "prompt-to-prompt", ALIGNED)
    assert torch.equal(aligned.source, latents)
    assert torch.equal(run(model, latents, None, target, "sdedit", strength=0.0).target, latents)
    kept = run(model, latents, source, target, "prox-npi", quantile=1.0).target
    torch.testing.assert_close(kept, latents, **close)


def test_the_empty_end_of_npi_interp_is_prompt_to_prompt(model):
    latents = model.encode(torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    ends = run(model, latents, "a cat", "a dog", "negative-prompt", npi_interp=1.0)
    plain = run(model, latents, "a cat", "a dog", "prompt-to-prompt")
    torch.testing.assert_close(ends.target, plain.target, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", list(methods()))
def test_every_method_edits_with_every_kind_of_model(model, name):
    """No constants of one checkpoint: other levels, prompt lengths, prediction types and shapes of picture."""
    latents = model.encode(torch.zeros(1, 3, 32, 16))
    method = method_named(name, short(name, 6))
    processors = dict(model.unet.attn_processors)
    job = Job(model, latents, "a blue cat", "a red cat", torch.Generator().manual_seed(0), lambda n: None)
    out = method.edit(job)
    assert out.target.shape == latents.shape and torch.isfinite(out.target).all()
    assert model.evaluations == method.evaluations()
    assert model.unet.attn_processors == processors
