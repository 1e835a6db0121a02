"""How a model is read, said by the user where its files do not: everywhere a model is named, and in what is kept."""

import json

import pytest
import torch
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from retouch.backbone.load import load
from retouch.backbone.settings import read_model_settings
from retouch.cli.app import commands
from retouch.editor import Editor
from retouch.errors import BadFit, BadModel, BadParameter
from retouch.runs.files import BadRun
from tests.tiny import save_tiny

PICTURE = Image.new("RGB", (16, 16), "red")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("models") / "m")


@pytest.mark.parametrize("said", ["v", "V", "v-prediction", "v_prediction"])
def test_a_model_may_be_read_as_one_that_predicts_v(folder, said):
    plain, told = load(folder, device="cpu"), load(folder, device="cpu", prediction=said)
    z, text = torch.randn(1, 4, 8, 8), plain.condition(["a cat"])
    v, alpha = plain.predict_noise(z, 500, text), float(plain.schedule(1).alphas_cumprod[500])
    assert told.prediction_type == "v_prediction"
    torch.testing.assert_close(told.predict_noise(z, 500, text), alpha**0.5 * v + (1 - alpha) ** 0.5 * z)


def test_what_is_read_otherwise_is_another_identity_of_the_same_checkpoint(folder):
    plain, told = load(folder, device="cpu"), load(folder, device="cpu", prediction="v", native=32)
    assert told.fingerprint == plain.fingerprint == plain.identity
    assert told.identity == f"{plain.fingerprint} prediction=v_prediction native=32" and told.native_side == 32


def test_saying_what_the_files_say_changes_nothing(folder):
    told = load(folder, device="cpu", prediction="eps", zero_snr=False, native=16)
    assert told.identity == load(folder, device="cpu").identity and not told.read_as.changed
    assert "read_as" not in Editor(told).edit(PICTURE, target="a cat", method="sdedit", num_inference_steps=2).recipe


def test_zero_snr_samples_from_pure_noise(folder):
    model = load(folder, device="cpu", prediction="v", zero_snr=True)
    schedule = model.schedule(10)
    assert schedule.timesteps[-1] == 999 and schedule.alpha(9) == pytest.approx(0, abs=1e-12)
    result = Editor(model).edit(PICTURE, source="a dog", target="a cat", method="ddim", num_inference_steps=3)
    assert result.recipe["read_as"] == {"prediction": "v_prediction", "zero_snr": True}
    with pytest.raises(BadModel, match=r"say that it predicts v \(prediction=v\)"):
        load(folder, device="cpu", zero_snr=True)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"prediction": "w"}, "prediction is 'w', expected a choice in epsilon"),
        ({"prediction": 3}, "prediction is 3"),
        ({"native": 17}, "native is 17, expected a multiple of 16"),
        ({"native": "big"}, "native is 'big', expected a whole number"),
        ({"native": 1e9}, "native is 1000000000.0"),
        ({"zero_snr": "perhaps"}, "zero_snr is 'perhaps', expected a yes or no"),
    ],
)
def test_values_that_cannot_be_are_refused_before_weights_are_read(folder, given, says, monkeypatch):
    monkeypatch.setattr("diffusers.UNet2DConditionModel.from_pretrained", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(BadParameter, match=says):
        load(folder, device="cpu", **given)


def test_a_setting_that_there_is_not_is_named():
    with pytest.raises(BadParameter, match=r"a model has no parameter 'predictoin' \(did you mean prediction"):
        read_model_settings({"predictoin": "v"})


def test_a_fit_goes_with_the_model_as_it_was_read(folder):
    plain, told = Editor.from_pretrained(folder, device="cpu"), Editor.from_pretrained(folder, prediction="v")
    quick = {"embedding_steps": 1, "network_steps": 1, "batch_size": 1, "num_inference_steps": 2}
    fit = told.fit(PICTURE, target="a cat", **quick)
    assert told.edit(PICTURE, fit=fit, num_inference_steps=2).recipe["read_as"] == {"prediction": "v_prediction"}
    with pytest.raises(BadFit, match=r"prediction=v_prediction, and .* make a fit with this model"):
        plain.edit(PICTURE, fit=fit, num_inference_steps=2)


def test_a_run_goes_on_only_with_the_model_as_it_was_read(folder, tmp_path):
    from retouch.diorama.suite import DioramaSuite
    from retouch.runs.bench import begin
    from retouch.runs.variants import read_variants

    suite, variants = DioramaSuite(["colour"], count=1), read_variants([], ["sdedit"])
    plain, told = Editor.from_pretrained(folder), Editor.from_pretrained(folder, prediction="v")
    begin(tmp_path / "run", suite, told, variants)
    begin(tmp_path / "run", suite, told, variants)
    with pytest.raises(BadRun, match="prediction=v_prediction"):
        begin(tmp_path / "run", suite, plain, variants)


def test_workers_read_the_model_as_the_driver_does(folder):
    from retouch.runs.model_spec import ModelSpec, editor_of

    spec = ModelSpec(str(folder), "cpu", torch.get_num_threads(), (("prediction", "v_prediction"),))
    assert editor_of(spec).model.prediction_type == "v_prediction"


def test_every_command_that_takes_a_model_takes_how_it_is_read():
    there = get_command(commands("bench")).commands
    taking = {name for name, command in there.items() if any("--model" in p.opts for p in command.params)}
    assert taking >= {"edit", "fit", "sweep", "mask", "compare", "bench"}
    for name in (*taking, "models"):
        assert any("--set-model" in p.opts for p in there[name].params), name


def run(*arguments):
    done = CliRunner().invoke(commands(), [str(argument) for argument in arguments])
    return done.exit_code, done.output, done.exception


def test_the_command_line_says_how_a_model_is_read(folder, tmp_path):
    PICTURE.save(tmp_path / "p.png")
    how = ("--model", folder, "--set-model", "prediction=v", "--set-model", "zero-snr=yes", "--device", "cpu", "-q")
    what = ("--from", "a dog", "--to", "a cat", "--method", "ddim", "--set", "num_inference_steps=2")
    assert run("edit", tmp_path / "p.png", *what, "-o", tmp_path / "o.png", *how)[0] == 0
    recipe = json.loads(run("recipe", tmp_path / "o.png")[1])
    assert recipe["read_as"] == {"prediction": "v_prediction", "zero_snr": True}
    described = json.loads(run("models", folder, "--json", "--set-model", "prediction=v")[1])
    assert json.loads(run("models", folder, "--json", "--prediction", "v")[1]) == described
    assert json.loads(run("models", folder, "--json", "--native", "256")[1])["native_side"] == 256
    code, _, error = run("models", folder, "--prediction", "v", "--set-model", "prediction=v")
    assert code != 0 and "prediction is given by --set-model and by --prediction" in str(error)
    assert described["prediction_type"] == "v_prediction" and not described["zero_snr"]


@pytest.mark.parametrize(("given", "says"), [("v", "--set-model 'v' is not name=value"), ("a=b", "no parameter 'a'")])
def test_a_wrong_setting_on_the_command_line_is_a_sentence(folder, given, says):
    code, _, error = run("models", folder, "--set-model", given)
    assert code != 0 and isinstance(error, BadParameter) and says in str(error)
