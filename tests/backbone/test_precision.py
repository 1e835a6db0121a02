"""Half precision: every family edits in it, what overflows is computed anew or named."""

import numpy as np
import pytest
import torch
from PIL import Image

from retouch.backbone.precision import Watch, through_autoencoder
from retouch.editor import Editor
from retouch.errors import RetouchError
from tests.tiny import tiny_backbone

PICTURE = Image.linear_gradient("L").resize((16, 16)).convert("RGB")
TEXTS = {"source": "a red cat", "target": "a blue cat"}
SHORT = {"num_inference_steps": 3, "keep": "off"}


def backbone(tmp_path, kind, dtype):
    model = tiny_backbone(tmp_path, kind)
    for part in model.modules.values():
        part.to(dtype)
    return model


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl", "if"])
@pytest.mark.parametrize("method", ["prompt-to-prompt", "guide-and-rescale", "null-text", "edit-friendly"])
def test_every_family_edits_in_half_precision(tmp_path, kind, dtype, method):
    inner = {"inner_steps": 1} if method == "null-text" else {}
    wide = Editor(tiny_backbone(tmp_path / "wide", kind)).edit(PICTURE, method=method, **TEXTS, **SHORT, **inner)
    half = Editor(backbone(tmp_path / "half", kind, dtype)).edit(PICTURE, method=method, **TEXTS, **SHORT, **inner)
    assert half.recipe["dtype"] == str(dtype).removeprefix("torch.") and "dtype" not in wide.recipe
    gap = np.abs(np.asarray(wide.image, int) - np.asarray(half.image, int))
    assert gap.mean() < (
        12 if dtype == torch.float16 else 25
    )  # random networks magnify rounding; another model's picture is some 47 levels away


def test_an_autoencoder_that_overflows_is_computed_in_float32_and_said_so(tmp_path):
    model = backbone(tmp_path, "sd1", torch.float16)
    with torch.no_grad():
        model.vae.decoder.conv_in.weight.mul_(3e4)  # beyond float16, which a group norm takes back in float32
        model.vae.decoder.conv_in.bias.mul_(3e4)
    found = Editor(model).edit(PICTURE, method="ddim", **TEXTS, **SHORT)
    assert any("the autoencoder overflows in float16" in note for note in found.notes)
    again = Editor(model).edit(PICTURE, method="ddim", **TEXTS, **SHORT)
    assert model.vae.dtype == model.dtype == torch.float16 and again.notes == found.notes
    assert np.array_equal(np.asarray(found.image), np.asarray(again.image))


def test_the_autoencoder_goes_back_to_its_own_type():
    vae = torch.nn.Linear(1, 1).half()
    vae.dtype = torch.float16
    before, said = vae.weight.clone(), []

    def compute(values):
        return values * 1e3 * 1e3

    result = through_autoencoder(vae, torch.ones(1), compute, said.append)
    assert result.item() == 1e6 and len(said) == 1
    assert vae.weight.dtype == torch.float16 and torch.equal(vae.weight, before)


def test_an_autoencoder_that_is_damaged_is_no_matter_of_precision():
    vae = torch.nn.Linear(1, 1).half()
    vae.dtype = torch.float16
    with pytest.raises(RetouchError, match="in float32, too"):
        through_autoencoder(vae, torch.ones(1), lambda values: values / 0, [].append)


def test_a_network_that_overflows_is_named_with_the_step_and_what_to_do(tmp_path):
    model = backbone(tmp_path, "sd1", torch.float16)
    with torch.no_grad():
        model.unet.conv_out.weight.mul_(torch.inf)
    for method in ("ddim", "sdedit"):
        with pytest.raises(RetouchError, match=r"network of .* overflows in float16 at step 1 of 3 .*--dtype bfloat16"):
            Editor(model).edit(PICTURE, method=method, **TEXTS, num_inference_steps=3, **(
                {"strength": 1.0} if method == "sdedit" else {}))  # fmt: skip
    assert not any(module._forward_hooks for module in model.unet.modules())


def test_a_text_encoder_that_overflows_is_named(tmp_path):
    model = backbone(tmp_path, "sd1", torch.bfloat16)
    with torch.no_grad():
        next(p for n, p in model.text_encoder.named_parameters() if n.endswith("final_layer_norm.weight")).fill_(
            torch.nan
        )
    with pytest.raises(RetouchError, match=r"text encoder of .* overflows in bfloat16: load it in float32"):
        Editor(model).edit(PICTURE, method="ddim", **TEXTS)


def test_in_full_precision_guidance_or_the_file_is_to_blame(tmp_path):
    watch = Watch()
    watch.check("m", torch.float32)
    watch.seen(torch.zeros(2), 9)
    watch.seen(torch.tensor([1.0, torch.nan]), 5)
    with pytest.raises(RetouchError, match=r"not numbers at step 2 of 2 \(timestep 5\): try a lower guidance_scale"):
        watch.check("m", torch.float32)


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl", "if"])
def test_every_family_is_fitted_in_half_precision(tmp_path, kind):
    """In bfloat16: torch mixes float16 with it on GPUs alone, and a model on a CPU is never loaded in float16."""
    found = Editor(backbone(tmp_path, kind, torch.bfloat16)).edit(
        PICTURE, method="imagic", **TEXTS, **SHORT, embedding_steps=2, network_steps=2, adapter_rank=2
    )
    assert found.recipe["fit"]["steps"]["network"] == 2 and not found.recipe["fit"]["stopped"]
