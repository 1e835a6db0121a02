"""What `retouch bench speed` says is what happened: evaluations, operations, and a model left as it was."""

import json

import pytest
import torch
from typer.testing import CliRunner

from retouch import Editor
from retouch.backbone import shaped
from retouch.backbone.filled import Subject, blank
from retouch.backbone.shipped import configs_of
from retouch.cli.app import commands
from retouch.errors import BadModel, BadParameter, RetouchError
from retouch.speed.measure import SOURCE, TARGET, measure
from retouch.speed.peaks import peak_flops
from retouch.speed.table import headings, rows
from retouch.speed.watched import flops, watched
from tests.tiny import tiny_backbone


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    return Editor(tiny_backbone(tmp_path_factory.mktemp("sd1"), "sd1"))


@pytest.fixture
def small(monkeypatch):
    """Shapes cut down: eight channels where there are 320."""

    def smaller(kind):
        configs = configs_of(kind)
        configs["unet"] |= {"block_out_channels": [32, 32, 64, 64], "sample_size": 8, "attention_head_dim": 8}
        configs["vae"] |= {"block_out_channels": [32, 32, 32, 32]}
        configs["text_encoder"] |= {"num_hidden_layers": 1}
        return configs

    monkeypatch.setattr(shaped, "configs_of", smaller)


def test_the_evaluations_are_those_that_a_method_says(editor):
    names = ["ddim", "guide-and-rescale"]
    found = measure(editor, names, 2, [1], 1)
    told = [editor.method_for(name, SOURCE, TARGET, {"num_inference_steps": 2}) for name in names]
    assert [cost.evaluations for cost in found.methods] == [method.evaluations() for method in told]
    assert [one.with_backward > 0 for one in found.methods] == [False, True]
    assert all(one.flops > 0 and one.seconds > one.around_seconds > 0 for one in found.methods)


def test_operations_are_those_of_the_rows_and_a_backward_pass_adds_its_own(editor):
    with watched(editor.model) as one:
        editor.model.predict(torch.randn(1, 4, 8, 8), 500, editor.model.condition(["a cat"]))
    with watched(editor.model) as three:
        editor.model.predict(torch.randn(3, 4, 8, 8), 500, editor.model.condition(["a cat"] * 3))
    with watched(editor.model) as back:
        editor.model.predict(torch.randn(1, 4, 8, 8).requires_grad_(), 500, editor.model.condition(["a cat"]))
    alone = flops(editor.model, one.calls)
    assert flops(editor.model, three.calls) == 3 * alone and flops(editor.model, one.calls * 2) == 2 * alone
    assert 1.5 * alone < flops(editor.model, back.calls) < 3.5 * alone and back.calls[0].backward


def test_a_watched_model_is_left_as_it_was(editor):
    before = set(vars(editor.model))
    with pytest.raises(ZeroDivisionError), watched(editor.model):
        raise ZeroDivisionError
    assert set(vars(editor.model)) == before


def test_a_batch_without_memory_is_said_to_have_none(editor, monkeypatch):
    own = editor.edit_many

    def edit_many(edits, batch):
        if batch > 2:
            raise RetouchError("cuda has too little free memory") from torch.OutOfMemoryError()
        return own(edits, batch=batch)

    monkeypatch.setattr(editor, "edit_many", edit_many)
    found = measure(editor, ["ddim"], 2, [1, 2, 4], 1)
    assert found.methods[0].rates[2] > 0 and found.methods[0].rates[4] is None
    row = dict(zip(headings(found), rows(found)[0], strict=True))
    assert row["pictures/s, 4 at once"] == "no memory" and row["evaluations"] == "6"


def test_other_failures_end_the_timing(editor, monkeypatch):
    def edit_many(edits, batch):
        raise RetouchError("no such thing")

    monkeypatch.setattr(editor, "edit_many", edit_many)
    with pytest.raises(RetouchError, match="no such thing"):
        measure(editor, ["ddim"], 2, [2], 1)


@pytest.mark.parametrize("kind, millions", [("sd1", 859.5), ("sd2", 865.9), ("sdxl", 2567.5), ("if", 4304.7)])
def test_shapes_are_as_large_as_the_checkpoints(kind, millions):
    """Of Stable Diffusion 1.5 and 2.1, SDXL and IF-I-XL, as their authors say: 860, 865, 2600 and 4300 million."""
    unet = blank(Subject(kind, "unet"), configs_of(kind)["unet"])
    assert sum(p.numel() for p in unet.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_random_models_edit_and_say_no_nonsense(small):
    model = shaped.random_model("sd15-shape", "cpu", "float32")
    out = model.predict(torch.randn(2, 4, 8, 8), 500, model.condition(["a cat", "a dog"]))
    assert out.isfinite().all() and 0.01 < out.std() < 100 and not torch.equal(out[0], out[1])
    again = shaped.random_model("sd15-shape", "cpu", "float32")
    assert torch.equal(again.unet.conv_in.weight, model.unet.conv_in.weight)
    half = shaped.random_model("sd15-shape", "cpu", "bfloat16")
    said = half.predict(torch.randn(1, 4, 8, 8), 9, half.condition([""]))
    assert half.dtype == torch.bfloat16 and said.isfinite().all()


def test_cards_are_known_by_their_names():
    assert peak_flops("NVIDIA H100 80GB HBM3", torch.bfloat16) == 989e12
    assert peak_flops("NVIDIA H100 PCIe", torch.float16) == 756e12
    assert peak_flops("NVIDIA A100-SXM4-80GB", torch.float32) == 19.5e12
    assert peak_flops("Tesla T4", torch.bfloat16) is None and peak_flops("Tesla T4", torch.float16) == 65e12
    assert peak_flops("NVIDIA L4", torch.bfloat16) == 121e12 and peak_flops("Quadro L400", torch.bfloat16) is None
    assert peak_flops("NVIDIA H100 80GB HBM3", torch.float64) is None


def test_the_command_tells_a_table_and_writes_the_figures(small, tmp_path):
    output = tmp_path / "speed.json"
    given = ["bench", "speed", "--model", "sd15-shape", "--random-init", "--steps", "2", "--device", "cpu",
             "--methods", "ddim", "--batches", "1,2", "-q", "-o", str(output)]  # fmt: skip
    done = CliRunner().invoke(commands("bench", "speed"), given, catch_exceptions=False)
    assert done.exit_code == 0 and "sd15-shape at 64x64 in float32, T = 2" in done.output and "ddim" in done.output
    said = json.loads(output.read_text())
    assert said["methods"][0]["evaluations"] == 6 and said["methods"][0]["rates"].keys() == {"1", "2"}
    assert said["peak_flops"] is None and said["methods"][0]["flops_per_second"] > 0


@pytest.mark.parametrize(
    "given, said",
    [
        (["--steps", "0"], "--steps is 0, expected a whole number in 1..1000"),
        (["--repeats", "0"], "--repeats is 0"),
        (["--batches", "1,x"], "--batches is '1,x'"),
        (["--device", "tpu"], "the device 'tpu' is not available"),
        (["--dtype", "int8"], "the precision 'int8' is not known"),
        (["--methods", "paint"], "there is no method 'paint'"),
        (["--model", "sd9-shape"], "--model is 'sd9-shape', and there are random weights for sd15-shape"),
        (["--model", "diorama", "--random-init"], "--model is 'diorama', and there are random weights for"),
        (["-o", "speed.txt"], "must end in .json"),
    ],
)
def test_what_cannot_be_timed_is_said_before_the_work(given, said):
    with pytest.raises((BadParameter, BadModel), match=said.replace(".", r"\.")):
        CliRunner().invoke(commands("bench", "speed"), ["bench", "speed", *given], catch_exceptions=False)
