"""A compiled network: the same edits, and nothing promised where there is nothing to compile with."""

import numpy as np
import pytest
import torch
from PIL import Image

from retouch import Editor
from retouch.backbone.compiled import check_compiler, compile_model, prepare_network
from retouch.backbone.load import load
from retouch.errors import BadParameter
from retouch.estimate import peak_of
from tests.small import short
from tests.tiny import tiny_backbone

PICTURE = Image.linear_gradient("L").resize((16, 16)).convert("RGB")
TEXTS = {"source": "a red cat on a mat", "target": "a blue cat on a mat"}


@pytest.mark.parametrize(
    "kind, name",
    [("if", "plug-and-play"), ("sd1", "imagic")],
)
def test_edits_of_a_compiled_network_are_those_of_the_network(tmp_path, kind, name):
    """Blocks that edits change, gradients and adapters included; traced in full, computed by torch's own operators."""
    model = tiny_backbone(tmp_path, kind)
    given = {**short(name, 2), **TEXTS, "method": name, "keep": "off", "size": 16}
    given |= {"adapter_rank": 2} if name == "imagic" else {}
    plain = Editor(model).edit(PICTURE, **given)
    traced = []

    def backend(graph, example):
        traced.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compile_model(model, backend)
    found = Editor(model).edit(PICTURE, **given)
    assert traced
    assert np.abs(np.asarray(found.image, int) - np.asarray(plain.image, int)).max() <= 1
    assert found.recipe["compiled"] is True and "compiled" not in plain.recipe
    assert found.evaluations == plain.evaluations


@pytest.mark.parametrize("kind, name", [("if", "plug-and-play"), ("sd1", "guide-and-rescale")])
def test_edits_with_channels_last_are_those_with_channels_first(tmp_path, kind, name):
    model = tiny_backbone(tmp_path, kind)
    given = {**short(name, 2), **TEXTS, "method": name, "keep": "off", "size": 16}
    plain = Editor(model).edit(PICTURE, **given)
    prepare_network(model, channels_last=True)
    found = Editor(model).edit(PICTURE, **given)
    assert model.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    assert np.abs(np.asarray(found.image, int) - np.asarray(plain.image, int)).max() <= 1


def test_what_an_edit_takes_is_estimated_of_a_compiled_network_too(tmp_path):
    model = tiny_backbone(tmp_path, "sd1")
    method = Editor(model).method_for("ddim", *TEXTS.values(), short("ddim", 2))
    plain = peak_of(model, method, (16, 16), **TEXTS)
    compile_model(model)
    assert peak_of(model, method, (16, 16), **TEXTS) == plain


def test_without_a_compiler_it_is_refused_before_the_model_is_read(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(BadParameter, match=r"a C\+\+ compiler, and there is none"):
        load("no such model", compile=True, device="cpu")
    with pytest.raises(BadParameter, match="compile is 'no', expected True or False"):
        load("no such model", compile="no")
    with pytest.raises(BadParameter, match="not for mps"):
        check_compiler(torch.device("mps"))
