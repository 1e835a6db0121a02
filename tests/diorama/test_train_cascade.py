"""Training the pixel cascade: every stage runs, goes on after an interruption, and diffusers opens the result."""

import shutil

import pytest
import torch
from diffusers import DDPMScheduler, IFPipeline, IFSuperResolutionPipeline
from safetensors.torch import load_file

from retouch.backbone.load import load
from retouch.diorama.captions import KNOWN_WORDS
from retouch.diorama.train import run
from retouch.diorama.train.loop import Loop
from retouch.diorama.train.pixels.network import PixelRecipe, scheduler
from retouch.diorama.train.pixels.noising import Noising
from retouch.diorama.train.recipe import read

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cascade")]

WEIGHTS = "diffusion_pytorch_model.safetensors"


def quiet(line):
    """Progress lines are nobody's business here."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cascade")
    run("cascade", "tiny", folder, threads=1, report=quiet)
    return folder


def test_the_result_is_a_cascade_that_retouch_and_diffusers_open(trained):
    model = load(trained / "cascade")
    assert (model.native_side, model.vae_factor, model.prediction_type) == (128, 4, "v_prediction")
    assert all(len(model.tokens(word).words[0].tokens) == 1 for word in KNOWN_WORDS)
    base = IFPipeline.from_pretrained(trained / "cascade", torch_dtype=torch.float32)
    second = IFSuperResolutionPipeline.from_pretrained(trained / "cascade" / "super_resolution")
    told, null = base.encode_prompt("a red cat")
    torch.testing.assert_close(model.condition(["a red cat"]).embeds, told, atol=1e-4, rtol=1e-4)
    base.set_progress_bar_config(disable=True)
    second.set_progress_bar_config(disable=True)
    texts = {"prompt_embeds": told, "negative_prompt_embeds": null, "num_inference_steps": 2, "output_type": "pt"}
    small = base(**texts).images
    assert small.shape == (1, 3, 32, 32) and second(image=small, **texts).images.shape == (1, 3, 128, 128)


@pytest.mark.parametrize("stage", ["t5", "base", "super_resolution"])
def test_a_stage_that_was_interrupted_ends_as_if_it_was_not(trained, tmp_path, stage, monkeypatch):
    file, learn = "model.safetensors" if stage == "t5" else WEIGHTS, Loop.learn
    folder = tmp_path / "again"
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("*.checkpoint.safetensors", "cascade", stage))

    def interrupted(self, *given, **more):
        learn(self, *given, **more)
        if self.step == 3:
            self.save()
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Loop, "learn", interrupted)
        run(stage, "tiny", folder, threads=1, report=quiet)
    run(stage, "tiny", folder, threads=1, report=quiet)
    one, other = (load_file(where / stage / file) for where in (trained, folder))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_losses_are_zero_for_a_network_that_knows_the_answer():
    noising = Noising.of(scheduler(1.0), torch.device("cpu"))
    random = torch.Generator().manual_seed(0)
    original, noise = torch.randn(2, 4, 3, 8, 8, generator=random)
    timestep = torch.tensor([0, 10, 500, 900])
    noisy, alpha = noising.noisy(original, noise, timestep), noising.alphas_cumprod[timestep].view(-1, 1, 1, 1)
    for prediction, answer in (
        ("epsilon", noise),
        ("v_prediction", alpha.sqrt() * noise - (1 - alpha).sqrt() * original),
    ):
        told = torch.cat([answer, torch.zeros_like(noise)], 1)
        settings = PixelRecipe(
            **{**vars(read(PixelRecipe, "tiny", "base")), "prediction": prediction, "variance_weight": 0.0}
        )
        loss, mse = noising.loss(settings, told, noisy, noise, timestep, torch.ones(4, 1, 8, 8))
        assert float(loss) < 1e-4 and float(mse) < 1e-4


def test_the_bound_is_least_where_the_variance_is_the_true_one():
    """Between its bounds, whose logarithms the second half of the channels interpolates as diffusers' DDPM reads it."""
    noising, random = Noising.of(scheduler(1.0), torch.device("cpu")), torch.Generator().manual_seed(0)
    noise, timestep = torch.randn(3, 3, 8, 8, generator=random), torch.tensor([5, 20, 50])
    at = {share: noising.bound(noise, torch.full_like(noise, share), noise, timestep) for share in (-1.0, 0.0, 1.0)}
    assert torch.allclose(at[-1.0], torch.zeros(3), atol=1e-4)  # the mean is known, and the true variance said
    assert (at[0.0] > at[-1.0]).all() and (at[1.0] > at[0.0]).all()
    theirs = DDPMScheduler.from_config(scheduler(1.0).config)
    log = theirs._get_variance(500, torch.tensor(-1.0))
    alpha, before, beta = theirs.alphas_cumprod[500], theirs.alphas_cumprod[499], theirs.betas[500]
    torch.testing.assert_close(log.exp(), beta * (1 - before) / (1 - alpha), atol=1e-6, rtol=1e-3)
