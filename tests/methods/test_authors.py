"""The authors' procedures written out, in settings that their published latents (tests/parity) do not reach."""

import pytest
import torch
from torch.nn import functional

from retouch.inversion.null_text import null_text_inversion
from retouch.methods.registry import methods
from retouch.parameters import parameters_of
from retouch.parts.inversions import ddim_inversion
from retouch.prompts import find_words

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
def two_rows(model, latents, source, target, interp, w, lam=None, quantile=None, rho=0.0, below=0, recon=0.0):
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
        noise = empty + w * delta
        original = schedule.level(index).original(z, noise)
        if t < below:
            original = original - recon * (original - latents) * kept
        z = schedule.level(index - 1).add_noise(original, noise)
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
        ({"quantile": 0.4, "reconstruction_guidance": 0.3}, {"quantile": 0.7, "recon": 0.3}),
    ],
)
def test_a_guided_source_is_thresholded_with_the_target(bench, case, settings, theirs):
    latents, source, target = case
    below = {"inversion_guidance_below": 600, "reconstruction_guidance_below": 600}
    settings = {"npi_interp": 0.5, "inversion_guidance": 0.0, **below} | settings
    expected = two_rows(bench.model, latents, source, target, settings["npi_interp"], 4.0, below=600, **theirs)
    out = bench.run("prox-npi", source, target, latents, guidance_scale=4.0, **UNCONTROLLED, **settings)
    close(out.source, expected[0])
    close(out.target, expected[1])


def test_prox_npis_defaults_are_the_authors_example(bench, case):
    """Their 0.7 over both rows, soft thresholding, and inversion guidance of both rows below t = 400."""
    latents, source, target = case
    expected = two_rows(bench.model, latents, source, target, 0.0, 4.0, quantile=0.7, rho=1.0, below=400)
    out = bench.run("prox-npi", source, target, latents, guidance_scale=4.0, **UNCONTROLLED)
    close(out.source, expected[0])
    close(out.target, expected[1])
    known = {p.name: p.default for p in parameters_of(methods()["prox-npi"])}
    assert known["inversion_guidance_below"] == known["reconstruction_guidance_below"] == 400


def test_both_guidances_act_on_the_source_that_local_blend_copies(bench, case):
    latents, source, target = case
    settings = {"num_inference_steps": T, "guidance_scale": 4.0}
    both = {"inversion_guidance": 0.5, "reconstruction_guidance": 0.3}
    expected = two_rows(bench.model, latents, source, target, 0.0, 4.0, quantile=0.7, rho=0.5, below=400, recon=0.3)
    close(bench.run("prox-npi", source, target, latents, **settings, **both).source, expected[0])
    whole = bench.run("prox-npi", source, target, latents, blend_words="auto", **settings)
    free = bench.run("prox-npi", source, target, latents, inversion_guidance=0.0, **settings)
    outside = (whole.mask == 0).expand_as(latents)
    assert 0 < outside.float().mean() < 1
    assert torch.equal(whole.target[outside], whole.source[outside])
    close(whole.source, latents)
    assert not torch.allclose(free.source, latents, atol=1e-2)


def reference_null_texts(model, up, source, schedule, *, w, inner, enough):
    """The path of the fit: after every timestep on with what Adam's last step leads to."""
    text, null = model.condition([source]), model.condition([""])
    embeds, path = null.embeds, [up[-1]]
    for number, index in enumerate(reversed(range(T))):
        t, here = schedule.timesteps[index], path[-1]
        embeds = embeds.clone().requires_grad_()
        optimiser = torch.optim.Adam([embeds], lr=0.01 * (1 - number / (2 * T)))
        with torch.no_grad():
            asked = model.predict_noise(here, t, text)

        def below(tried, t=t, here=here, asked=asked, index=index):
            empty = model.predict_noise(here, t, null.with_embeds(tried))
            return schedule.step_down(here, empty + w * (asked - empty), index)

        for _ in range(inner):
            with torch.enable_grad():
                loss = functional.mse_loss(below(embeds), up[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if loss < enough * (1 + 2 * number):
                break
        embeds = embeds.detach()
        with torch.no_grad():
            path.append(below(embeds))
    return path[::-1]


@pytest.mark.parametrize(("inner", "enough"), [(1, 0.0), (2, 1.0), (2, 0.0)])
def test_null_texts_may_be_those_of_the_last_step(bench, case, inner, enough):
    latents, source, _ = case
    model, schedule = bench.model, bench.model.schedule(T)
    said, null = model.condition([source, ""]).split()
    up = ddim_inversion(model, latents, said, schedule)
    expected = reference_null_texts(model, up, source, schedule, w=4.0, inner=inner, enough=enough)
    found, best = (
        null_text_inversion(
            model, up, said, null, schedule, guidance_scale=4.0, inner_steps=inner, early_stop=enough, keep=keep
        )
        for keep in ("last", "best")
    )
    for ours, theirs in zip(found.path, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=0)  # Adam's first steps blow rounding up
    assert all(last <= first for first, last in best.losses)
    if enough:
        assert not torch.allclose(found.path[0], best.path[0], atol=1e-2)


class MaskedSharing:
    """Mutual self-attention of rows [source ∅, target ∅, source, target] within masks of one word, by whole maps."""

    def __init__(self, layers, word, start, threshold):
        self.layers, self.word, self.start, self.threshold = layers, word, start, threshold
        self.number, self.seen = 0, []

    def inside(self, row, cells):
        heat = torch.stack(self.seen).mean(0)[row]
        heat = (heat - heat.min()) / (heat.max() - heat.min())
        side = int(len(heat) ** 0.5)
        return functional.interpolate(heat.view(1, 1, side, side), int(cells**0.5)).flatten() >= self.threshold

    def processor(self, layer):
        def attend(attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
            context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
            q, k, v = (
                x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
                for x in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
            )
            probs = (q @ k.mT * attn.scale).softmax(-1)
            if layer.kind == "cross" and layer.downsampling == 2:
                self.seen.append(probs[..., self.word].mean(1))
            out = probs @ v
            if layer.kind == "self" and layer.order in self.layers and self.number >= self.start:
                keys, queries = (self.inside(row, q.shape[-2]) for row in (2, 3))
                for source, target in ((0, 1), (2, 3)):
                    scores = q[target] @ k[source].mT * attn.scale
                    front = scores.masked_fill(~keys, -torch.inf).softmax(-1) @ v[source]
                    back = scores.masked_fill(keys, -torch.inf).softmax(-1) @ v[source]
                    out[target] = torch.where(queries[:, None], front, back)
            return attn.to_out[0](out.transpose(1, 2).flatten(2))

        return attend


@torch.no_grad()
@pytest.mark.parametrize(("levels", "layers"), [(1, (8, 9)), (2, (6, 7, 8, 9))])
def test_masactrl_splits_by_the_maps_of_the_current_step(bench, case, levels, layers):
    latents, source, target = case
    model, schedule = bench.model, bench.model.schedule(T)
    up = ddim_inversion(model, latents, model.condition([source]), schedule)
    places = [find_words(model.tokens(text), "house")[0] for text in (source, target)]
    assert places[0] == places[1]
    theirs, own = MaskedSharing(layers, places[0], 1, 0.3), dict(model.network.attn_processors)
    texts, z = model.condition(["", "", source, target]), up[-1].expand(2, -1, -1, -1)
    model.network.set_attn_processor({f"{x.name}.processor": theirs.processor(x) for x in model.attention_layers()})
    try:
        for index in reversed(range(T)):
            empty, text = model.predict_noise(z.repeat(2, 1, 1, 1), schedule.timesteps[index], texts).chunk(2)
            z = schedule.step_down(z, empty + 4 * (text - empty), index)
            theirs.number, theirs.seen = theirs.number + 1, []
    finally:
        model.network.set_attn_processor(own)
    settings = {"start_step": 1, "decoder_levels": levels, "mask_words": "house", "mask_threshold": 0.3}
    out = bench.run("masactrl", source, target, latents, num_inference_steps=T, guidance_scale=4.0, **settings)
    close(out.source, z[:1])
    close(out.target, z[1:])
