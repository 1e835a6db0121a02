"""Fits: the objective, the weights that come and go, and the file."""

import json
import resource
import signal
from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from retouch.atomic import hidden_beside
from retouch.editor import Editor
from retouch.errors import BadFit, OutputExists, RetouchError
from retouch.fit.fitted import Fit
from retouch.fit.objective import Noising, denoising_loss
from retouch.fit.weights import copied_weights, fitted_weights, low_rank_adapters
from tests.tiny import KINDS, channels, tiny_backbone

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=KINDS)
def model(request, tmp_path_factory):
    return tiny_backbone(tmp_path_factory.mktemp("model"), request.param)


def test_the_masked_loss_is_its_formula(model):
    z, mask = torch.randn(1, channels(model), 8, 8), torch.rand(1, 1, 8, 8)
    text, noising = model.condition(["a cat"]), Noising.draw(model, z, 3, seed=1, stage=0, step=2)
    total = 0.0
    t, last = torch.arange(1001, dtype=torch.float64) / 1000, 0.999
    cosine = torch.cos((t + 0.008) / 1.008 * torch.pi / 2) ** 2  # Nichol and Dhariwal's, of pixel models
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    betas = (1 - cosine[1:] / cosine[:-1]).clamp(max=last) if model.name == "if" else betas
    alphas = torch.cumprod(1 - betas, 0)
    for noise, t in zip(noising.noise, noising.timesteps.tolist(), strict=True):
        noisy = alphas[t].sqrt() * z + (1 - alphas[t]).sqrt() * noise
        error = (noise - model.predict_noise(noisy.float(), t, text)) * mask
        total = total + (error**2).sum() / error.numel() / 3
    torch.testing.assert_close(denoising_loss(model, z, text, noising, mask), total, atol=1e-5, rtol=1e-4)
    ones = denoising_loss(model, z, text, noising, torch.ones(1, 1, 8, 8))
    torch.testing.assert_close(denoising_loss(model, z, text, noising), ones)


def test_noise_levels_are_spread_evenly_and_depend_on_the_step_alone(model):
    z = torch.zeros(1, channels(model), 8, 8)
    first, again, other = (Noising.draw(model, z, 4, 3, 0, step) for step in (5, 5, 6))
    assert torch.equal(first.noise, again.noise) and torch.equal(first.timesteps, again.timesteps)
    assert not torch.equal(first.noise, other.noise)
    assert (first.timesteps // 250).tolist() == [0, 1, 2, 3]
    assert not torch.equal(first.noise, Noising.draw(model, z, 4, 3, 1, 5).noise)  # another stage


@pytest.mark.parametrize("rank", [0, 2])
def test_fitted_weights_act_inside_and_leave_no_trace(model, rank):
    unet, z, text = model.unet, torch.randn(1, channels(model), 8, 8), model.condition(["a cat"])
    own, described, plain = dict(unet.named_parameters()), repr(unet), model.predict_noise(z, 500, text)
    chosen = low_rank_adapters(unet, rank, 1) if rank else copied_weights(unet)
    with chosen as variables:
        torch.testing.assert_close(model.predict_noise(z, 500, text), plain)  # nothing learnt yet
        assert all(v.requires_grad for v in variables.values())
        with torch.no_grad():
            for v in variables.values():
                v += 0.05 * torch.randn(v.shape, generator=torch.Generator().manual_seed(0))
        changed = model.predict_noise(z, 500, text).detach()
        kept = {name: value.detach().clone() for name, value in variables.items()}
    assert not torch.allclose(changed, plain, atol=1e-3)
    torch.testing.assert_close(model.predict_noise(z, 500, text), plain, rtol=0, atol=0)
    with pytest.raises(RuntimeError, match="on purpose"), fitted_weights(unet, kept, rank):
        torch.testing.assert_close(model.predict_noise(z, 500, text), changed)
        raise RuntimeError("on purpose")
    assert repr(unet) == described and "peft_config" not in vars(unet)
    assert all(parameter is own[name] for name, parameter in unet.named_parameters())
    assert not any(parameter.requires_grad for parameter in unet.parameters())


def test_adapters_are_the_same_for_the_same_seed_and_leave_the_random_state(model):
    state = torch.get_rng_state()
    values = []
    for _ in range(2):
        with low_rank_adapters(model.unet, 2, 7) as variables:
            values.append({name: value.detach().clone() for name, value in variables.items()})
    assert values[0].keys() == values[1].keys() and len(values[0]) > 8
    assert all(torch.equal(value, values[1][name]) for name, value in values[0].items())
    assert torch.equal(torch.get_rng_state(), state)


RECIPE = {
    "model": "m", "picture": "p", "target": "a cat", "source": None, "seed": 0, "parameters": {"adapter_rank": 0},
}  # fmt: skip
FIT = Fit(
    "imagic", RECIPE, {"optimised": torch.randn(1, 5, 3)}, {"conv.weight": torch.ones(2)},
    steps={"embedding": 3}, losses={"embedding": 0.5}, stopped="budget", message="early",
    seconds=1.5,
)  # fmt: skip


def test_a_fit_comes_back_from_its_file(tmp_path):
    FIT.save(tmp_path / "fit.safetensors")
    back = Fit.load(tmp_path / "fit.safetensors")
    assert torch.equal(back.embeds["optimised"], FIT.embeds["optimised"])
    assert torch.equal(back.network["conv.weight"], torch.ones(2))
    for name in ("method", "recipe", "rank", "steps", "losses", "stopped", "message", "seconds"):
        assert getattr(back, name) == getattr(FIT, name)
    with pytest.raises(OutputExists, match="--force"):
        FIT.save(tmp_path / "fit.safetensors")
    FIT.save(tmp_path / "fit.safetensors", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["fit.safetensors"]


def test_the_checkpoint_stays_until_the_fit_is_written(tmp_path):
    checkpoint = tmp_path / "checkpoint"
    checkpoint.touch()
    made = replace(FIT, checkpoint=checkpoint)
    with pytest.raises(BadFit, match="cannot be written"):
        made.save(checkpoint / "fit.safetensors")
    replace(made, stopped="interrupted").save(tmp_path / "unfinished.safetensors")
    assert checkpoint.exists()
    made.save(tmp_path / "fit.safetensors")
    assert not checkpoint.exists()


def test_a_full_disk_leaves_the_old_file_and_no_half_one(tmp_path):
    FIT.save(tmp_path / "fit.safetensors")
    before, limits = (tmp_path / "fit.safetensors").read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        with pytest.raises(BadFit, match=r"cannot be written: .*; name another place"):
            FIT.save(tmp_path / "fit.safetensors", force=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [path.name for path in tmp_path.iterdir()] == ["fit.safetensors"]
    assert (tmp_path / "fit.safetensors").read_bytes() == before


@pytest.mark.parametrize("kind", ["edit", "fit"])
def test_work_is_not_lost_when_its_result_cannot_be_written(model, tmp_path, kind):
    checkpoint, picture, said = tmp_path / "checkpoint", Image.new("RGB", (64, 64), "teal"), []
    output = "result.png" if kind == "edit" else "result.safetensors"

    def work():
        run = Editor(model).edit if kind == "edit" else Editor(model).fit
        return run(
            picture, target="a red cat", method="imagic", checkpoint=checkpoint, detail=said.append, batch_size=1,
            embedding_steps=2, network_steps=2, num_inference_steps=2,
        )  # fmt: skip

    with pytest.raises(RetouchError):
        work().save(checkpoint / output)
    assert checkpoint.exists() and len(said) == 4
    work().save(tmp_path / output)
    assert not checkpoint.exists() and len(said) == 4  # the second run had nothing left to do


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "there is no file"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:-4]), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b'"retouch_fit":"1"', b'"retouch_fit":"9"')), "not a"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"embeds/", b"emboss/")), "damaged"),
    ],
    ids=["missing", "empty", "cut off", "newer", "other names"],
)
def test_a_damaged_fit_is_one_clear_sentence(tmp_path, spoil, says):
    path = tmp_path / "fit.safetensors"
    FIT.save(path)
    spoil(path)
    with pytest.raises(BadFit, match=says) as caught:
        Fit.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def rewritten(path, change):
    """The file of a fit with its tensors and what it says about itself changed by hand."""
    with safe_open(path, "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    about = json.loads(metadata["about"])
    about = change(about, tensors) or about
    save_file(tensors, path, {"retouch_fit": "1", "about": json.dumps(about)})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda about, _: about.pop("recipe") and None, "'recipe' is missing"),
        (lambda about, _: about.update(colour="red"), "'colour' is unknown"),
        (lambda about, _: [about], "says nothing about itself"),
        (lambda about, _: about.update(recipe=[1]), r"'recipe' is \[1\]"),
        (lambda about, _: about["recipe"].pop("target") and None, "recipe's 'target' is None"),
        (lambda about, _: about["recipe"].update(target=" "), "recipe's 'target' is ' '"),
        (lambda about, _: about["recipe"].update(seed=-1), "recipe's 'seed' is -1"),
        (lambda about, _: about["recipe"].update(parameters=None), "recipe's 'parameters' is None"),
        (lambda about, _: about["recipe"]["parameters"].update(adapter_rank=4), "rank is 0 and .* adapter_rank 4"),
        (lambda about, _: about.update(rank="4"), "'rank' is '4'"),
        (lambda about, _: about.update(rank=-1), "'rank' is -1"),
        (lambda about, _: about.update(rank=True), "'rank' is True"),
        (lambda about, _: about.update(steps={"embedding": -3}), "'steps' is {'embedding': -3}"),
        (lambda about, _: about.update(steps=[3]), r"'steps' is \[3\]"),
        (lambda about, _: about.update(losses={"embedding": float("nan")}), "'losses' is"),
        (lambda about, _: about.update(stopped="asleep"), "'stopped' is 'asleep'"),
        (lambda about, _: about.update(stopped=["budget"]), "'stopped' is"),
        (lambda about, _: about.update(seconds=float("inf")), "'seconds' is inf"),
        (lambda about, _: about.update(method=None), "'method' is None"),
        (
            lambda _, tensors: tensors.update({"network/conv.weight": torch.tensor([1, torch.nan])}),
            "that are no numbers",
        ),
        (lambda _, tensors: tensors.update({"embeds/optimised": torch.ones(1, 5, 3).int()}), "holds int32"),
        (lambda _, tensors: tensors.pop("network/conv.weight") is None, "of the tensors"),
        (lambda _, tensors: tensors.update({"other/x": torch.ones(1)}), "'other/x' is unknown"),
    ],
)
def test_an_inconsistent_fit_is_one_clear_sentence(tmp_path, change, says):
    path = tmp_path / "fit.safetensors"
    FIT.save(path)
    rewritten(path, change)
    with pytest.raises(BadFit, match=says) as caught:
        Fit.load(path)
    assert str(caught.value).startswith(f"{path} is damaged (") and "\n" not in str(caught.value)


def test_a_fit_of_yesterday_is_read(tmp_path):
    path = tmp_path / "fit.safetensors"
    FIT.save(path)
    rewritten(path, lambda about, _: about.pop("tensors") and None)  # which once was not written
    assert Fit.load(path).recipe == FIT.recipe


@pytest.fixture(scope="module", params=[0, 2])
def made(request, model):
    fit = Editor(model).fit(
        Image.new("RGB", (64, 64), "teal"), target="a red cat", method="imagic", batch_size=1, embedding_steps=1,
        network_steps=1, adapter_rank=request.param,
    )  # fmt: skip
    return fit


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda fit: {"rank": 5}, "at rank 5|of rank 5|are .*, the network's"),
        (lambda fit: {"network": {**fit.network, "nowhere.weight": torch.ones(2)}}, "no weights 'nowhere.weight'"),
        (lambda fit: {"network": {name: value[:1] for name, value in fit.network.items()}}, "the network's"),
        (lambda fit: {"embeds": {**fit.embeds, "target": torch.zeros(1, 5, 3)}}, "its text 'target' is"),
        (
            lambda fit: {"embeds": {name: v for name, v in fit.embeds.items() if "target" not in name}},
            "no text 'target'",
        ),
        (lambda fit: {"embeds": {**fit.embeds, "target:colour": torch.zeros(1, 5)}}, "'target:colour' is .* none"),
        (lambda fit: {"recipe": {**fit.recipe, "model": "0123"}}, "for the checkpoint 0123"),
        (lambda fit: {"recipe": {**fit.recipe, "parameters": {"batch_size": 0}}}, "damaged .*batch_size is 0"),
        (lambda fit: {"recipe": {**fit.recipe, "parameters": {"colour": 0}}}, "damaged .*no parameter 'colour'"),
        (lambda fit: {"method": "ddim"}, "made by ddim, which fits nothing"),
    ],
)
def test_a_fit_that_does_not_belong_to_the_model_is_refused_before_any_work(model, made, change, says):
    before, described = model.evaluations, repr(model.unet)
    changed = replace(made, **change(made))
    if changed.rank == 5 and not made.rank:
        changed = replace(changed, network=dict(list(made.network.items())[:3]))
    with pytest.raises(BadFit, match=says) as caught:
        Editor(model).edit(Image.new("RGB", (64, 64), "teal"), fit=changed, num_inference_steps=1)
    assert "\n" not in str(caught.value) and model.evaluations == before and repr(model.unet) == described


def test_a_fit_in_half_precision_serves_as_well(model, made):
    halved = replace(made, embeds={name: value.half() for name, value in made.embeds.items()})
    assert Editor(model).edit(Image.new("RGB", (64, 64), "teal"), fit=halved, num_inference_steps=1).image.size == (
        64,
        64,
    )


def test_a_name_as_long_as_can_be_serves_every_file(model, tmp_path):
    picture, settings = Image.new("RGB", (64, 64), "teal"), {"embedding_steps": 1, "network_steps": 0}
    place = tmp_path / f"{'x' * (255 - len('.safetensors'))}.safetensors"
    checkpoint = hidden_beside(place, ".checkpoint")
    fit = Editor(model).fit(picture, target="a red cat", checkpoint=checkpoint, **settings)
    fit.save(place)
    assert Fit.load(place).recipe == fit.recipe and not checkpoint.exists()
    for longer in (place.with_name(f"x{place.name}"), tmp_path / "a\0b"):
        with pytest.raises(BadFit, match="cannot be written"):
            fit.save(longer)
        with pytest.raises(BadFit, match=r"no file|damaged"):
            Fit.load(longer)


def test_of_two_fits_under_one_name_the_second_is_refused(tmp_path):
    place = tmp_path / "fit.safetensors"
    FIT.save(place)
    with pytest.raises(OutputExists, match="--force"):
        replace(FIT, method="other").save(place)
    assert Fit.load(place).method == "imagic"
