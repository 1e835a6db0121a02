"""The authors' procedures written out, in settings that their published latents (tests/parity) do not reach."""

import pytest
import torch
from torch.nn import functional

from retouch.parts.inversions import ddim_inversion

pytestmark = pytest.mark.slow

T = 4
UNCONTROLLED = {"num_inference_steps": T, "cross_replace_steps": 0.0, "self_replace_steps": 0.0}


def close(a, b):
    torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def along_the_sphere(start, end, share):
    """Both texts as one long vector each."""
    a, b = start.flatten(), end.flatten()
    angle = torch.arccos(functional.cosine_similarity(a, b, dim=0))
    return ((torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)).view_as(start)


@torch.no_grad()
def two_rows(model, latents, source, target, interp, w, lam=None, quantile=None, rho=0.0, below=0):
    """Source and target side by side as one batch [2, …]; every number is taken over the batch, as theirs are."""
    schedule, texts = model.schedule(T), model.condition([source, target])
    null = model.condition([source, ""]).embeds
    null = along_the_sphere(null[:1], null[1:], interp).expand_as(texts.embeds)
    up = ddim_inversion(model, latents, model.condition([source]), schedule)
    z = up[-1].expand(2, -1, -1, -1)
    for index in reversed(range(T)):
        t = schedule.timesteps[index]
        empty = model.predict_noise(z, t, texts.with_embeds(null))
        delta, kept = model.predict_noise(z, t, texts) - empty, 0.0
        if lam is not None or quantile is not None:
            limit = lam if quantile is None else torch.quantile(delta.abs(), quantile)
            delta = delta.sign() * (delta.abs() - limit).clamp(min=0)
            kept = 1 - functional.max_pool2d((delta.abs() > limit).float(), 3, stride=1, padding=1)
        z = schedule.step_down(z, empty + w * delta, index)
        if t < below:
            z = z - rho * (z - up[index]) * kept
    return z[:1], z[1:]


@pytest.mark.parametrize("interp", [0.3, 0.9])
def test_negative_prompt_inversion_turns_all_tokens_of_the_null_text_by_one_angle(bench, case, interp):
    latents, source, target = case
    expected = two_rows(bench.model, latents, source, target, interp, 4.0)
    out = bench.run("negative-prompt", source, target, latents, npi_interp=interp, guidance_scale=4.0, **UNCONTROLLED)
    close(out.source, expected[0])
    close(out.target, expected[1])


@pytest.mark.parametrize(
    ("settings", "theirs"),
    [
        ({"quantile": 0.4}, {"quantile": 0.7}),
        ({"quantile": 0.4, "npi_interp": 1.0}, {"quantile": 0.7}),
        ({"quantile": 0.2, "inversion_guidance": 0.5}, {"quantile": 0.6, "rho": 0.5}),
        ({"threshold": 0.05, "inversion_guidance": 0.5}, {"lam": 0.05, "rho": 0.5}),
    ],
)
def test_a_guided_source_is_thresholded_with_the_target(bench, case, settings, theirs):
    latents, source, target = case
    settings = {"npi_interp": 0.5, "inversion_guidance": 0.0, "inversion_guidance_below": 600} | settings
    expected = two_rows(bench.model, latents, source, target, settings["npi_interp"], 4.0, below=600, **theirs)
    out = bench.run("prox-npi", source, target, latents, guidance_scale=4.0, **UNCONTROLLED, **settings)
    close(out.source, expected[0])
    close(out.target, expected[1])
