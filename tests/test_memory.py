"""Memory: what is estimated is what is used, the settings give the same pictures, and too little is said before."""

import numpy as np
import pytest
import torch
from PIL import Image

from retouch import Editor
from retouch.backbone.live_bytes import LiveBytes
from retouch.backbone.load import load
from retouch.backbone.saving import Turns, save_memory, take_turns
from retouch.backbone.turn import clean_state, turn
from retouch.backbone.weightless import without_values
from retouch.errors import BadParameter, RetouchError
from retouch.estimate import Peak, check_memory, peak_of
from retouch.parts.job import Job
from tests.small import short
from tests.tiny import save_cascade, save_tiny, tiny_backbone

PICTURE = Image.linear_gradient("L").resize((16, 16)).convert("RGB")
TEXTS = {"source": "a red cat on a mat", "target": "a blue cat on a mat"}
CPU = torch.device("cpu")
BY_GRADIENTS = ("guide-and-rescale", "null-text", "prompt-tuning", "imagic", "layer-diffusion")


def weights(model):
    return [one for part in model.modules.values() for one in (*part.parameters(), *part.buffers())]


def used(model, method, side):
    """What one real edit takes at its most, weights included."""
    before = weights(model)
    counted = LiveBytes(before, lambda: sum(one.numel() * one.element_size() for one in before))
    with clean_state(CPU), counted:
        pixels = torch.rand(1, 3, side, side) * 2 - 1
        latents = model.encode(pixels)
        foreground = torch.zeros_like(latents[:, :1])
        foreground[..., :2, :] = 1
        generator = torch.Generator().manual_seed(0)
        job = Job(model, latents, TEXTS["target"], TEXTS["source"], generator, lambda done: None, picture=pixels,
                  foreground=foreground if method.name == "layer-diffusion" else None)  # fmt: skip
        outcome = method.edit(job)
        with torch.no_grad():
            model.decode(outcome.target)
    return counted.peak


@pytest.mark.parametrize(
    "kind, name",
    [
        ("sd1", "prox-npi"), ("sd1", "edit-friendly"), ("if", "imagic"), ("sdxl", "guide-and-rescale"),
    ],
)  # fmt: skip
def test_the_estimate_is_what_a_real_edit_takes(tmp_path, kind, name):
    """At its settings but for fewer steps than usual, of which the estimate takes fewer still."""
    model = tiny_backbone(tmp_path, kind)
    side = 64 if model.vae_factor > 1 else 32
    method = Editor(model).method_for(name, *TEXTS.values(), short(name, 4))
    assert peak_of(model, method, (side, side), **TEXTS).total == pytest.approx(used(model, method, side), rel=0.15)


@pytest.mark.slow
def test_whatever_a_method_takes_gradients_of_there_is_an_estimate_and_the_model_stays_as_it_is(tmp_path):
    model = tiny_backbone(tmp_path, "sd1")
    before = [(id(one), one.clone()) for one in weights(model)]
    for name in ("ledits-pp", "null-text", "e4c"):
        method = Editor(model).method_for(
            name, *TEXTS.values(), {**short(name, 5), "iterations": 1} if name == "e4c" else short(name, 5)
        )
        peak = peak_of(model, method, (16, 16), **TEXTS)
        assert peak.total > peak.weights > 0, name
    assert all(id(one) == number and torch.equal(one, value) for one, (number, value) in zip(weights(model), before))
    assert model.evaluations == 0


def test_recomputing_takes_less_and_parts_that_wait_are_not_counted(tmp_path):
    model = tiny_backbone(tmp_path, "sd1")
    method = Editor(model).method_for("guide-and-rescale", *TEXTS.values(), short("guide-and-rescale", 2))
    fast, balanced, low = (peak_of(model, method, (128, 128), said).total for said in ("fast", "balanced", "low"))
    assert low < balanced < 0.8 * fast


def test_more_memory_is_counted_while_tensors_live_and_not_afterwards():
    with LiveBytes() as counted:
        one = torch.zeros(1000)
        view = one[10:]
        assert counted.now == 4000
        both = one + 1
        assert counted.now == 8000
        del one, both
        assert counted.now == 4000
        del view
    assert counted.now == 0 and counted.peak == 8000


@pytest.mark.parametrize("kind, memory", [("sd1", "low"), ("sdxl", "balanced"), ("if", "low")])
def test_the_settings_give_the_same_picture(tmp_path, kind, memory):
    folder = save_cascade(tmp_path / "m", 0) if kind == "if" else save_tiny(tmp_path / "m", kind)
    if kind == "if":
        (folder / "retouch.json").write_text('{"settings": {}, "super_resolution": {"num_inference_steps": 2}}')
    plain, saving = (Editor.from_pretrained(folder, device="cpu", memory=said) for said in (None, memory))
    for name in ("edit-friendly", "guide-and-rescale", "null-text", "imagic"):
        given = {**short(name, 2), **TEXTS, "method": name, "keep": "off", "size": 16}
        given |= {"super_resolution_steps": 1} if (kind, name) == ("if", "imagic") else {}
        found = [one.edit(PICTURE, **given) for one in (plain, saving)]
        assert np.abs(np.subtract(*(np.asarray(one.image, int) for one in found))).mean() < 1, name
        assert "memory" not in found[1].recipe and found[0].evaluations == found[1].evaluations


def test_gateways_recomputed_lead_to_the_same_gradients(tmp_path):
    folder = save_tiny(tmp_path / "m", "sd1")
    found = []
    for memory in ("fast", "balanced"):
        editor = Editor.from_pretrained(folder, device="cpu", memory=memory)
        result = editor.edit(PICTURE, **TEXTS, method="e4c", mode="structure", num_inference_steps=4, iterations=2,
                             gateways=2, learning_rate=0.05, clip="diorama", keep="off", size=16)  # fmt: skip
        found.append((np.asarray(result.image, int), result.evaluations))
    assert np.abs(found[0][0] - found[1][0]).max() <= 2 and found[0][1] == found[1][1]


def test_only_the_part_at_work_is_there_and_one_that_is_fitted_stays(tmp_path):
    model, moves = tiny_backbone(tmp_path, "sd1"), []

    class Noted(Turns):
        def move(self, name, place):
            moves.append((name, place.type))

    turns = Noted(model.modules, torch.device("meta"))
    take_turns(turns)
    moves.clear()
    condition = model.condition(["a cat"])
    model.predict(torch.zeros(1, 4, 8, 8), 5, condition)
    assert turns.here == {"unet"} and ("text_encoder", "cpu") in moves
    model.unet.conv_in.weight.requires_grad_(True)
    model.decode(torch.zeros(1, 4, 8, 8)), model.encode(torch.zeros(1, 3, 16, 16))
    assert turns.here == {"unet", "vae"}


def test_only_tiles_of_the_autoencoder_are_in_the_recipe(tmp_path, monkeypatch):
    monkeypatch.setattr("retouch.backbone.saving.TILED_ABOVE", 16)
    editor = Editor(tiny_backbone(tmp_path, "sd1"))
    save_memory(editor.model, "low")
    given = {**TEXTS, "method": "ddim", "num_inference_steps": 1, "keep": "off"}
    assert "memory" not in editor.edit(PICTURE, **given, size=16).recipe
    assert editor.edit(PICTURE, **given, size=32).recipe["memory"] == "low"


def test_too_little_memory_is_said_before_the_work_with_what_would_fit(tmp_path):
    model = tiny_backbone(tmp_path, "sd1")
    method = Editor(model).method_for("guide-and-rescale", *TEXTS.values(), short("guide-and-rescale", 2))
    there = sum(one.numel() * one.element_size() for one in weights(model))
    need = int(1.1 * peak_of(model, method, (16, 16), "balanced", **TEXTS).total)
    with pytest.raises(RetouchError, match=r"guide-and-rescale at 16x16 takes about .* --memory balanced would fit"):
        check_memory(model, method, (16, 16), *TEXTS.values(), free=need + 1000 - there)
    with pytest.raises(RetouchError, match=r"no setting would fit"):
        check_memory(model, method, (16, 16), *TEXTS.values(), free=-there)
    check_memory(model, method, (16, 16), *TEXTS.values(), free=100 * there)
    check_memory(model, method, (16, 16), *TEXTS.values())  # a CPU does not say
    assert model.memory == "fast" and isinstance(peak_of(model, method, (16, 16)), Peak)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA"), MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_memory_that_runs_out_is_a_sentence(tmp_path, error):
    model = tiny_backbone(tmp_path, "sd1")
    with (
        pytest.raises(RetouchError, match="too little free memory for 'sd1': load the model with memory=low"),
        turn(model),
    ):
        raise error
    with pytest.raises(RuntimeError, match="shapes"), turn(model):
        raise RuntimeError("shapes differ")


def test_a_setting_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(BadParameter, match="memory is 'tiny', expected fast, balanced or low"):
        load(memory="tiny")


def test_a_double_has_no_values_and_its_schedule_has(tmp_path):
    model = tiny_backbone(tmp_path, "sd1")
    timesteps = model.schedule(3).timesteps
    with clean_state(CPU), without_values(model, [3]) as double, LiveBytes():
        out = double.predict(torch.zeros(2, 4, 8, 8), 500, double.condition(["a", "b"]))
        assert type(out).__name__ == "FakeTensor" and out.shape == (2, 4, 8, 8)
        assert double.schedule(3).timesteps == timesteps
