"""Live pipelines: edited with as their owner has them, and left as they were found."""

import threading

import numpy as np
import pytest
import torch
from accelerate import cpu_offload
from diffusers import (
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
)
from diffusers.models.attention_processor import AttnProcessor, IPAdapterAttnProcessor2_0
from peft import LoraConfig
from PIL import Image

from retouch.backbone.load import load
from retouch.editor import Editor
from retouch.errors import BadFit, BadModel, BadParameter, RetouchError
from retouch.methods.registry import methods
from retouch.parts.inversions import Inversions
from tests.live import KINDS, same, state, tiny_pipe
from tests.small import short
from tests.tiny import save_tiny

PICTURE = Image.linear_gradient("L").resize((16, 16)).convert("RGB")
TEXTS = {"source": "a red cat on a mat", "target": "a blue cat on a mat"}


def edit(editor, method="prompt-to-prompt", **more):
    return editor.edit(PICTURE, **TEXTS, method=method, **{"keep": "off", **short(method, 2), **more})


def alike(one, other):
    """Whether two edits give one picture: where weights lie in memory moves the last bit of what comes of them."""
    return np.abs(np.asarray(one.image, int) - np.asarray(other.image, int)).max() <= 2


def with_lora(pipe, name="style", seed=1, weight=1.0):
    """The pipeline with a random adapter loaded by diffusers' own means."""
    torch.manual_seed(seed)
    pipe.unet.add_adapter(LoraConfig(r=2, init_lora_weights=False, target_modules=["to_q", "to_k", "to_out.0"]), name)
    pipe.unet.set_adapters([name], [weight])
    return pipe


@pytest.fixture
def pipe(tmp_path):
    return tiny_pipe(tmp_path)


@pytest.mark.parametrize("model", ("sd1", "sdxl"))
@pytest.mark.parametrize("name", methods())
def test_every_method_leaves_the_pipeline_as_it_was(tmp_path, model, name):
    pipe = tiny_pipe(tmp_path, model=model)
    pipe.unet.train()
    pipe.unet.conv_in.requires_grad_(False)
    pipe.unet.set_attn_processor(AttnProcessor())
    handle = pipe.unet.mid_block.register_forward_hook(lambda *_: None)
    before = state(pipe)
    edit(Editor(pipe), name, num_inference_steps=5)
    assert same(before, state(pipe))
    handle.remove()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", ("sd1", "sd2", "sample", "sdxl"))
def test_a_pipeline_edits_as_its_folder_does(tmp_path, kind, model):
    live, folder = Editor(tiny_pipe(tmp_path / "a", kind, model)), save_tiny(tmp_path / "b", model)
    loaded = Editor(load(folder, device="cpu"))
    assert live.model.fingerprint == loaded.model.fingerprint and live.model.identity == loaded.model.identity
    assert alike(edit(live), edit(loaded))


def test_an_edit_that_fails_midway_leaves_the_pipeline_as_it_was(pipe):
    editor, calls = Editor(pipe), []

    def fails(*_):
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("out of luck")

    handle = pipe.unet.up_blocks[1].register_forward_hook(fails)
    before = state(pipe)
    with pytest.raises(RuntimeError, match="out of luck"):
        edit(editor)
    assert len(calls) == 3 and same(before, state(pipe))
    handle.remove()


@pytest.mark.parametrize("rank", (0, 2))
@pytest.mark.parametrize("lora", (False, True))
@pytest.mark.parametrize("model", ("sd1", "sdxl"))
def test_fits_leave_the_pipeline_as_it_was_also_after_an_exception(tmp_path, rank, lora, model):
    pipe = tiny_pipe(tmp_path, model=model)
    if lora:
        with_lora(pipe)
    pipe.unet.enable_gradient_checkpointing()
    editor, before = Editor(pipe), state(pipe)
    how = {"embedding_steps": 1, "network_steps": 2, "adapter_rank": rank, "gradient_checkpointing": True}
    fit = editor.fit(PICTURE, target="a blue cat", **how)
    assert same(before, state(pipe)) and fit.network and not any("style" in name for name in fit.network)
    assert editor.edit(PICTURE, fit=fit, num_inference_steps=2).image.size == (16, 16)
    assert same(before, state(pipe))

    def fails(words):
        if words.startswith("network"):
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        editor.fit(PICTURE, target="a blue cat", detail=fails, **how)
    assert same(before, state(pipe))


def test_adapters_act_are_named_and_bind_fits(pipe):
    editor = Editor(pipe)
    plain, checkpoint = edit(editor, "ddim"), editor.model.fingerprint
    fit = editor.fit(PICTURE, target="a blue cat", embedding_steps=1, network_steps=0)
    with_lora(pipe, weight=0.5)
    styled = edit(editor, "ddim")
    assert styled.image.tobytes() != plain.image.tobytes()
    assert styled.recipe["fingerprint"] == checkpoint == plain.recipe["fingerprint"]
    (adapter,) = styled.recipe["read_as"]["adapters"]
    assert (adapter["name"], adapter["weight"]) == ("style", 0.5) and "read_as" not in plain.recipe
    with pytest.raises(BadFit, match=r"adapters=.*make a fit with this model"):
        editor.edit(PICTURE, fit=fit, num_inference_steps=2)
    pipe.unet.set_adapters(["style"], [1.0])
    (stronger,) = edit(editor, "ddim").recipe["read_as"]["adapters"]
    assert stronger["weight"] == 1 and stronger["fingerprint"] != adapter["fingerprint"]
    pipe.unet.set_adapters(["style"], [0.0])
    assert "read_as" not in edit(editor, "ddim").recipe
    pipe.unet.disable_adapters()
    again = edit(editor, "ddim")
    assert again.image.tobytes() == plain.image.tobytes() and "read_as" not in again.recipe


def test_an_inversion_is_not_shared_with_what_the_pipeline_was_before(pipe):
    editor, inversions = Editor(pipe), Inversions()
    edit(editor, "ddim", inversions=inversions)
    edit(editor, "ddim", inversions=inversions)
    assert inversions.shared == 2
    with_lora(pipe)
    kept = edit(editor, "ddim", inversions=inversions)
    assert inversions.shared == 2 and kept.image.tobytes() == edit(editor, "ddim").image.tobytes()


def test_the_scheduler_s_own_settings_are_taken_at_every_call(pipe):
    editor = Editor(pipe)
    usual = edit(editor, "ddim")
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, prediction_type="v_prediction", beta_end=0.02)
    other = edit(editor, "ddim")
    assert editor.model.prediction_type == "v_prediction" and other.image.tobytes() != usual.image.tobytes()
    betas = torch.linspace(0.00085**0.5, 0.02**0.5, 1000, dtype=torch.float64) ** 2
    expected = (1 - betas).cumprod(0)
    torch.testing.assert_close(editor.model.schedule(2).alphas_cumprod, expected, rtol=1e-4, atol=1e-7)
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    edit(editor, "ddim")
    pipe.scheduler = FlowMatchEulerDiscreteScheduler()
    with pytest.raises(BadModel, match="FlowMatchEulerDiscreteScheduler"):
        edit(editor, "ddim")


def offloaded(pipe, how):
    if how == "model":
        pipe.enable_model_cpu_offload(device="cpu")
    else:  # what enable_sequential_cpu_offload does, which itself wants another device than the cpu
        for module in (pipe.unet, pipe.vae, pipe.text_encoder):
            cpu_offload(module, torch.device("cpu"), offload_buffers=len(module._parameters) > 0)
    return pipe


@pytest.mark.parametrize("how", ("model", "sequential"))
@pytest.mark.parametrize("name", ("prompt-to-prompt", "null-text", "guide-and-rescale"))
def test_an_offloaded_pipeline_edits_as_it_does_otherwise(tmp_path, how, name):
    usual, pipe = Editor(tiny_pipe(tmp_path / "a")), offloaded(tiny_pipe(tmp_path / "b"), how)
    editor, before = Editor(pipe), state(pipe)
    result = edit(editor, name)
    assert same(before, state(pipe)) and editor.model.fingerprint == usual.model.fingerprint
    assert alike(result, edit(usual, name))


def test_weights_that_are_offloaded_one_by_one_are_not_fitted(pipe):
    editor = Editor(offloaded(pipe, "sequential"))
    with pytest.raises(BadParameter, match="offloaded module by module"):
        editor.fit(PICTURE, target="a blue cat", embedding_steps=1, network_steps=1)


def test_half_precision_stays(pipe):
    pipe.to(torch.bfloat16)
    editor, before = Editor(pipe), state(pipe)
    edit(editor, "ddim")
    assert editor.model.dtype == torch.bfloat16 and same(before, state(pipe))


def test_an_autoencoder_that_overflows_computes_in_float32_and_stays_in_float16(pipe, capfd):
    pipe.vae.half()
    editor, before, kinds = Editor(pipe), state(pipe), []
    handle = pipe.vae.decoder.register_forward_hook(lambda _module, _inputs, output: kinds.append(output.dtype))
    capfd.readouterr()
    edit(editor, "ddim")
    assert capfd.readouterr() == ("", "")
    handle.remove()
    assert set(kinds) == {torch.float32} and same(before, state(pipe))
    assert pipe.vae.dtype == torch.float16


def test_weights_stored_in_eight_bits_are_computed_with(pipe):
    pipe.unet.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    editor, before = Editor(pipe), state(pipe)
    assert edit(editor, "ddim").image.size == (16, 16) and editor.model.dtype == torch.float32
    assert same(before, state(pipe))


def test_what_surrounds_a_call_changes_nothing(pipe):
    editor = Editor(pipe)
    usual = edit(editor)
    with torch.inference_mode():
        assert edit(editor).image.tobytes() == usual.image.tobytes()
    with torch.no_grad():
        edit(editor, "null-text")
        assert not torch.is_grad_enabled()


def test_two_editors_of_one_pipeline_wait_for_each_other(pipe):
    one, other = Editor(pipe), Editor(StableDiffusionPipeline.from_pipe(pipe))
    usual, results = edit(one), []
    threads = [threading.Thread(target=lambda e=e: results.append(edit(e))) for e in (one, other, one)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.image.tobytes() for result in results] == [usual.image.tobytes()] * 3
    with pytest.raises(RetouchError, match="going on in this thread"):
        edit(one, progress=lambda *_: edit(other))


def test_the_pipeline_makes_the_same_pictures_afterwards(pipe):
    def made():
        return pipe("a cat", num_inference_steps=2, generator=torch.Generator().manual_seed(0), output_type="np").images

    before = made()
    edit(Editor(pipe))
    assert (made() == before).all()


def test_a_compiled_network_is_edited_inside(pipe):
    usual = edit(Editor(pipe))
    pipe.unet = torch.compile(pipe.unet, backend="eager")
    assert edit(Editor(pipe)).image.tobytes() == usual.image.tobytes()


def test_how_texts_are_read_is_said_of_a_pipeline(tmp_path):
    folder, pipe = save_tiny(tmp_path / "m"), tiny_pipe(tmp_path / "pipe")
    live, loaded = (
        Editor(pipe, clip_skip=1, long_prompts=True),
        load(folder, device="cpu", clip_skip=1, long_prompts=True),
    )
    assert live.model.identity == loaded.identity and edit(live, "ddim").recipe["read_as"]["clip_skip"] == 1
    torch.testing.assert_close(live.model.condition(["a cat"]).embeds, loaded.condition(["a cat"]).embeds)
    with pytest.raises(BadParameter, match=r"clip_skip is 2, expected a whole number in 0\.\.1"):
        Editor(pipe, clip_skip=2)
    with pytest.raises(BadParameter, match="said when a model is loaded"):
        Editor(loaded, clip_skip=1)


def test_a_textual_inversion_of_the_pipeline_is_understood(pipe):
    torch.manual_seed(0)
    pipe.load_textual_inversion({"<cat>": torch.randn(2, 16)}, token="<cat>")
    model = Editor(pipe).model
    expected = pipe.encode_prompt("a <cat> on a mat", "cpu", 1, False)[0]
    torch.testing.assert_close(model.condition(["a <cat> on a mat"]).embeds, expected, rtol=0, atol=1e-5)


def test_a_token_without_a_vector_is_refused(pipe):
    pipe.tokenizer.add_tokens(["<dog>"])
    with pytest.raises(BadModel, match=r"the tokenizer of .* knows 516 tokens and its text encoder 515"):
        Editor(pipe)


def test_other_pipelines_are_refused_by_their_class(pipe, tmp_path):
    other = StableDiffusionInpaintPipeline(
        **{k: v for k, v in pipe.components.items() if k != "image_encoder"}, requires_safety_checker=False
    )
    with pytest.raises(BadModel, match=r"^a StableDiffusionInpaintPipeline cannot be edited with, .*from_pipe\(pipe\)"):
        Editor(other)
    with pytest.raises(BadParameter, match="not of a UNet2DConditionModel"):
        Editor(pipe.unet)
    refiner = tiny_pipe(tmp_path, "image", "sdxl")
    refiner.register_to_config(requires_aesthetics_score=True)
    with pytest.raises(BadModel, match="is SDXL's refiner"):
        Editor(refiner)
    pipe.text_encoder = None
    with pytest.raises(BadModel, match="lacks its text_encoder"):
        Editor(pipe)


def test_an_ip_adapter_is_refused_by_name(pipe):
    editor = Editor(pipe)
    name = next(key for key in pipe.unet.attn_processors if "attn2" in key)
    before = dict(pipe.unet.attn_processors)
    pipe.unet.set_attn_processor({**before, name: IPAdapterAttnProcessor2_0(16, 16)})
    for refused in (lambda: edit(editor), lambda: Editor(pipe)):
        with pytest.raises(BadModel, match=r"IP-Adapter loaded \(IPAdapterAttnProcessor2_0\).*unload_ip_adapter"):
            refused()
    pipe.unet.set_attn_processor(before)
    edit(editor)


def test_a_processor_of_its_owner_s_is_kept_or_refused_by_name(pipe):
    class Own(AttnProcessor):
        calls = 0

        def __call__(self, *args, **kwargs):
            Own.calls += 1
            return super().__call__(*args, **kwargs)

    usual = edit(Editor(pipe), "ddim")
    pipe.unet.set_attn_processor(Own())
    editor, before = Editor(pipe), state(pipe)
    assert edit(editor, "ddim").image.size == usual.image.size and Own.calls
    for name in ("prompt-to-prompt", "null-text", "plug-and-play", "e4c", "guide-and-rescale"):
        evaluations = editor.model.evaluations
        with pytest.raises(RetouchError, match="a processor of its owner's, Own, which this edit would replace"):
            edit(editor, name)
        assert editor.model.evaluations == evaluations, "it was refused after work"
    assert same(before, state(pipe))


def test_processors_and_freeu_are_named_and_bind_fits(pipe):
    class Scaled(AttnProcessor):
        def __init__(self, scale):
            self.scale = scale

        def __call__(self, *args, **kwargs):
            return self.scale * super().__call__(*args, **kwargs)

    editor = Editor(pipe)
    plain, checkpoint, identities = edit(editor, "ddim"), editor.model.fingerprint, {editor.model.identity}
    fit = editor.fit(PICTURE, target="a blue cat", embedding_steps=1, network_steps=0)
    for scale in (0.5, 0.25):
        pipe.unet.set_attn_processor(Scaled(scale))
        (told,) = edit(editor, "ddim").recipe["read_as"]["processors"]
        assert (told["class"], told["layers"]) == ("Scaled", 32)
        identities.add(editor.model.identity)
    with pytest.raises(BadFit, match=r"Scaled.*make a fit with this model"):
        editor.edit(PICTURE, fit=fit, num_inference_steps=2)
    pipe.unet.set_attn_processor(AttnProcessor())
    for b1 in (1.5, 1.4):
        pipe.enable_freeu(s1=0.9, s2=0.2, b1=b1, b2=1.6)
        told = edit(editor, "ddim").recipe["read_as"]
        assert told == {"freeu": [{"s1": 0.9, "s2": 0.2, "b1": b1, "b2": 1.6}]}
        identities.add(editor.model.identity)
    with pytest.raises(BadFit, match=r"freeu=.*make a fit with this model"):
        editor.edit(PICTURE, fit=fit, num_inference_steps=2)
    pipe.disable_freeu()
    assert alike(edit(editor, "ddim"), plain) and len(identities) == 5
    assert editor.model.fingerprint == checkpoint and editor.model.identity in identities


def test_fused_projections_are_the_same_model(pipe):
    editor, checkpoint = Editor(pipe), Editor(pipe).model.identity
    plain = [edit(editor, name) for name in ("ddim", "prompt-to-prompt")]
    pipe.fuse_qkv_projections()
    with editor.model.working():
        assert editor.model.identity == checkpoint
    for name, usual in zip(("ddim", "prompt-to-prompt"), plain, strict=True):
        assert alike(edit(editor, name), usual)
    with pytest.raises(BadParameter, match=r"fused copies of its weights.*unfuse_qkv_projections"):
        editor.fit(PICTURE, target="a blue cat", embedding_steps=1, network_steps=1)
    pipe.unfuse_qkv_projections()
    before = state(pipe)
    fit = editor.fit(PICTURE, target="a blue cat", embedding_steps=1, network_steps=1)
    assert editor.model.identity == checkpoint and not any("to_qkv" in name for name in fit.network)
    assert same(before, state(pipe))
