"""DiffEdit: the mask from two prompts, the way part of the way up, and what holds exactly outside and inside it."""

import pytest
import torch
from PIL import Image

from retouch.control.diffedit import binarised
from retouch.editor import Editor
from retouch.methods.registry import method_named, methods
from retouch.parts.inversions import Inversions, ddim_inversion

pytestmark = pytest.mark.slow

T = 6


def test_a_region_is_what_differs_by_half_of_three_times_the_mean():
    contrast = torch.tensor([[[[0.0, 0.1, 0.2], [0.0, 0.3, 4.0], [0.2, 0.1, 0.1]]]])  # mean 5/9, half of three: 5/6
    assert binarised(contrast, 0.5).flatten().tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0]
    assert binarised(contrast * 7, 0.1).flatten().tolist() == [0, 0, 1, 0, 1, 1, 1, 0, 0]
    assert torch.equal(binarised(contrast, 0.0), (contrast > 0).float()) and not binarised(contrast, 1.0).any()
    assert not binarised(torch.zeros(1, 1, 2, 2), 0.0).any()


def test_the_mask_is_the_contrast_of_both_prompts_over_ten_noises_written_out(bench, case):
    latents, source, target = case
    model, schedule = bench.model, bench.model.schedule(T)
    generator, total, index = torch.Generator().manual_seed(4), torch.zeros(1, 1, *latents.shape[-2:]), T // 2 - 1
    with torch.no_grad():
        for _ in range(10):
            noisy = schedule.add_noise(latents, torch.randn(latents.shape, generator=generator), index)
            old, new = (
                model.predict_noise(noisy, schedule.timesteps[index], model.condition([text]))
                for text in (source, target)
            )
            total += (new - old).abs().mean(1, keepdim=True)
    expected = (total.clamp(max=3 * total.mean()) / (3 * total.mean()) > 0.5).float()
    out = bench.run("diffedit", source, target, latents, seed=4, num_inference_steps=T)
    assert 0 < expected.mean() < 1 and (out.mask != expected).float().mean() < 0.01  # a cell may lie on the edge


def test_outside_its_mask_the_picture_is_kept_to_the_last_bit(bench, case):
    latents, source, target = case
    out = bench.run("diffedit", source, target, latents, num_inference_steps=T)
    outside = (out.mask == 0).expand_as(latents)
    assert 0 < outside.float().mean() < 1
    assert torch.equal(out.target[outside], latents[outside])
    assert not torch.allclose(out.target[~outside], latents[~outside], atol=0.1)


def test_equal_prompts_differ_nowhere_and_return_the_autoencoders_picture(bench, case):
    latents, source, _ = case
    out = bench.run("diffedit", source, source, latents, num_inference_steps=T, mask_threshold=0.0)
    assert not out.mask.any() and torch.equal(out.target, latents)
    assert out.notes == [
        "nowhere do the two prompts differ enough for the picture to change: lower mask_threshold, or give a mask."
    ]


def test_the_user_hears_that_nothing_may_change(bench, case):
    latents, source, target = case
    picture = Editor(bench.model).decode(latents)
    ask = {"source": source, "target": target, "method": "diffedit", "num_inference_steps": 4}
    unchanged = Editor(bench.model).edit(picture, mask_threshold=1.0, **ask)
    assert any("nowhere do the two prompts differ enough" in note for note in unchanged.notes)
    assert not any("nowhere" in note for note in Editor(bench.model).edit(picture, mask_threshold=0.2, **ask).notes)
    same = Editor(bench.model).edit(picture, **{**ask, "target": source})
    assert any("expect the picture back" in note for note in same.notes)


@pytest.mark.parametrize("under", ["null", "source"])
def test_a_mask_of_everything_is_the_ddim_edit_from_part_of_the_way(bench, case, under):
    latents, source, target = case
    settings = {"num_inference_steps": T, "encoding_ratio": 0.6, "encoded_under": under}
    plain = bench.run("ddim", source, target, latents, parts={"inversion": "part-way"}, **settings)
    everything = torch.ones(1, 1, *latents.shape[-2:])
    out = bench.run("diffedit", source, target, latents, mask=everything, **settings)
    assert torch.equal(out.target, plain.target) and torch.equal(out.mask, everything)


def test_a_mask_by_hand_takes_the_place_of_its_own_and_costs_nothing(bench, case):
    latents, source, target = case
    mask, before = torch.zeros(1, 1, *latents.shape[-2:]), bench.model.evaluations
    mask[..., : latents.shape[-1] // 2] = 1
    out = bench.run("diffedit", source, target, latents, mask=mask, num_inference_steps=T)
    assert torch.equal(out.mask, mask) and not out.notes
    assert torch.equal(out.target[..., latents.shape[-1] // 2 :], latents[..., latents.shape[-1] // 2 :])
    assert bench.model.evaluations - before == 4 + 2 * 4


def test_the_bar_counts_the_search_for_the_mask_and_without_a_step_nothing_is_searched(bench, case):
    latents, source, target = case
    editor, mask = Editor(bench.model), Image.new("L", (16, 16), 255)
    picture = editor.decode(latents)
    ask = {"source": source, "method": "diffedit", "num_inference_steps": 4, "mask_noises": 3}
    for more in ({"target": target}, {"target": source}, {"target": target, "mask": mask}):
        seen = []
        editor.edit(picture, progress=lambda done, total, seen=seen: seen.append((done, total)), **ask, **more)
        assert seen[-1][0] == seen[-1][1] and [done for done, _ in seen] == sorted(done for done, _ in seen)
    none = editor.edit(picture, target=target, encoding_ratio=0.1, **ask)
    assert none.evaluations == 0
    settings = {"encoding_ratio": 0.1, "num_inference_steps": 4}
    assert editor.method_for("diffedit", source, target, settings).evaluations() == 0


def test_the_mask_is_the_seeds(bench, case):
    latents, source, target = case
    settings = {"num_inference_steps": 4, "mask_noises": 1}
    one, again, other = (
        bench.run("diffedit", source, target, latents, seed=seed, **settings).mask for seed in (1, 1, 2)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_part_of_the_way_up_is_the_beginning_of_the_whole_way(bench, case):
    latents, source, _ = case
    text, schedule = bench.model.condition([source]), bench.model.schedule(T)
    whole = ddim_inversion(bench.model, latents, text, schedule)
    part = ddim_inversion(bench.model, latents, text, schedule, levels=4)
    assert len(part) == 5 and all(torch.equal(a, b) for a, b in zip(part, whole, strict=False))
    kept, before = Inversions(), bench.model.evaluations
    for levels in (4, 4, None):
        found = kept.get(bench.model, latents, source, text, T, lambda steps: None, levels)
        assert torch.equal(found[-1], whole[levels or T])
    assert bench.model.evaluations - before == 4 + T and kept.shared == 4


def test_part_way_at_one_under_the_source_prompt_is_ddim_and_at_zero_the_picture(bench, case):
    latents, source, target = case
    parts, plain = {"inversion": "part-way"}, bench.run("ddim", source, target, latents, num_inference_steps=T)
    settings = {"num_inference_steps": T, "encoded_under": "source"}
    whole = bench.run("ddim", source, target, latents, parts=parts, encoding_ratio=1.0, **settings)
    torch.testing.assert_close(whole.target, plain.target, atol=1e-4, rtol=0)
    none = bench.run("ddim", source, target, latents, parts=parts, encoding_ratio=0.0, **settings)
    assert torch.equal(none.target, latents)


@pytest.mark.parametrize("name", ["negative-prompt", "ddib", "sdedit", "null-text"])
def test_its_mask_keeps_the_rest_of_other_methods_edits(bench, case, name):
    latents, source, target = case
    small = {"inner_steps": 1} if name == "null-text" else {}
    out = bench.run(name, source, target, latents, parts={"control": "diffedit"}, num_inference_steps=6, **small)
    outside = (out.mask == 0).expand_as(latents)
    assert 0 < outside.float().mean() < 1 and torch.equal(out.target[outside], latents[outside])


def test_without_a_source_prompt_the_contrast_is_with_the_empty_one(bench, case):
    latents, _, target = case
    assert not methods()["diffedit"].needs_source
    none, empty = (bench.run("diffedit", text, target, latents, num_inference_steps=4) for text in (None, ""))
    assert torch.equal(none.mask, empty.mask) and 0 < none.mask.mean() < 1


def test_the_published_settings():
    method = method_named("diffedit")
    assert (method.encoding_ratio, method.encoded_under, method.guidance_scale) == (0.8, "null", 7.5)
    assert (method.mask_strength, method.mask_noises, method.mask_threshold) == (0.5, 10, 0.5)
    assert method.evaluations() == 40 + 20 + 2 * 40
