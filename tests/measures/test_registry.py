"""The table of measures: what runs here, what cannot, and what every measure promises."""

import pytest
import torch

from retouch.backbone.clip import Clip
from retouch.diorama import paint, scene_for
from retouch.errors import BadModel, BadParameter
from retouch.measures.batch import Batch, picture_tensor
from retouch.measures.models import Models
from retouch.measures.registry import measures_for, names
from retouch.quantity import rank
from tests.measures.stand_ins import disks, near, pictures, random_torchvision, random_vit, without

INPUTS = pictures(3, 40, 40) * 0.3 + torch.linspace(0, 0.7, 40)
SOURCES = ["a red cat sitting on a beach", None, "a dog"]  # what needs the second is NaN
TARGETS = ["a blue cat sitting on a beach", "a blue cat", "a bird in a forest"]


def batch(masks=True, edits=None, which=slice(None)):
    edits = near(INPUTS) if edits is None else edits
    return Batch(
        INPUTS[which], edits[which], disks(3, 40, 40)[which] if masks else None, SOURCES[which], TARGETS[which]
    )


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """All measures, with random networks where there are no weights."""
    vit = random_vit(tmp_path_factory.mktemp("vit"))
    measures_for("diorama", ["all"], dino=vit)  # transformers asks for torchvision once, and must not find the stand-in
    with pytest.MonkeyPatch.context() as patched:
        random_torchvision(patched)
        able, unable = measures_for("diorama", ["all"], dino=vit)
    assert not unable
    return able


def test_every_name_is_a_measure_and_its_values_are_those_of_its_pictures_one_by_one(everything):
    assert [measure.name for measure in everything] == names("all")
    together = batch()
    for measure in everything:
        values = measure.take(together)
        assert values.shape == (3,) and values.dtype == torch.float32
        alone = torch.cat([measure.take(batch(which=slice(i, i + 1))) for i in range(3)])
        assert torch.allclose(values, alone, rtol=2e-3, atol=1e-5, equal_nan=True), measure.name
        undefined = [False, measure.name.startswith("directional") or measure.name == "clip_score.outside", False]
        assert values.isnan().tolist() == undefined, measure.name


def test_without_masks_what_wants_them_is_nan_and_all_else_as_before(everything):
    without_masks, with_masks = batch(masks=False), batch()
    for measure in everything:
        values = measure.take(without_masks)
        if measure.masked:
            assert values.isnan().all(), measure.name
        else:
            assert torch.equal(values.nan_to_num(), measure.take(with_masks).nan_to_num()), measure.name


def test_the_better_value_is_the_one_of_the_better_preserved_picture(everything):
    small, large = batch(edits=near(INPUTS, 0.02)), batch(edits=near(INPUTS, 0.3))
    for measure in everything:
        if "clip" in measure.name or "directional" in measure.name:
            assert measure.better == ("zero" if measure.name == "directional_similarity.outside" else "higher")
            continue
        if measure.name.startswith(("untouched", "shift")):  # noise touches every pixel, and moves none
            assert (measure.take(batch(edits=INPUTS)) == (1 if measure.better == "higher" else 0)).all()
            continue
        difference = rank(measure.take(small), measure.better) - rank(measure.take(large), measure.better)
        assert (difference > 0).all(), measure.name


def test_inside_and_outside_together_are_the_whole(everything):
    compute = {measure.name: measure.take for measure in everything}
    share = disks(3, 40, 40).mean((1, 2, 3))
    for name in ("mse", "ssim"):
        inside, outside, whole = (compute[name + part](batch()) for part in (".inside", ".outside", ""))
        assert torch.allclose(share * inside + (1 - share) * outside, whole, rtol=1e-4)


def test_an_edit_is_judged_by_clip_inside_by_what_is_inside_and_outside_by_what_is_outside():
    """A red cat that became blue, and one that stayed while all around it became a forest."""
    scenes = [paint(scene_for(f"a {colour} cat sitting {where}", 3)) for colour, where in
              (("red", "on a beach"), ("blue", "on a beach"), ("red", "in a forest"))]  # fmt: skip
    beach, blue, forest = (picture_tensor(image) for image, _ in scenes)
    mask = (blue != beach).any(0, keepdim=True).float()
    around = torch.where(mask > 0, beach, forest)
    texts = ["a red cat sitting on a beach"], ["a blue cat sitting on a beach"]
    measures, _ = measures_for("diorama", [f"{name}.{part}" for name in ("clip_score", "directional_similarity")
                                           for part in ("inside", "outside")])  # fmt: skip
    found = [
        {measure.name: float(measure.take(Batch(beach[None], edit[None], mask[None], *texts))) for measure in measures}
        for edit in (blue, around, beach)
    ]
    right, wrong, nothing = found
    assert right["clip_score.inside"] > wrong["clip_score.inside"] + 3
    assert right["directional_similarity.inside"] > 0.2 and right["directional_similarity.outside"] == 0
    assert right["clip_score.outside"] == nothing["clip_score.outside"] > wrong["clip_score.outside"] + 3
    assert nothing["directional_similarity.inside"] == nothing["directional_similarity.outside"] == 0
    everything = Batch(beach[None], blue[None], torch.ones_like(mask)[None], *texts)
    by_name = {measure.name: measure.take for measure in measures}
    assert (
        by_name["clip_score.outside"](everything).isnan()
        and by_name["directional_similarity.outside"](everything).isnan()
    )


def test_clip_looks_at_a_picture_once_however_many_measures_ask(monkeypatch):
    looked = []
    look = Clip.look
    monkeypatch.setattr(Clip, "look", lambda self, images: looked.append(len(images)) or look(self, images))
    measures, _ = measures_for("diorama", ["clip_score", "directional_similarity", "pie.clip_score"])
    together = batch()
    for measure in measures:
        measure.take(together)
    assert looked == [3, 3]  # inputs and edits
    assert torch.equal(measures[0].take(together), measures[2].take(together)) and looked == [3, 3]


def test_what_cannot_run_is_named_with_its_reason(monkeypatch, tmp_path):
    without(monkeypatch, "torchvision")
    able, unable = measures_for(None, ["all"], dino=str(tmp_path))
    reasons = dict(unable)
    assert {measure.name for measure in able} | set(reasons) == set(names()) and len(able) + len(unable) == len(names())
    assert all(measure.take(batch()).isfinite().all() for measure in able)
    for name, reason in reasons.items():
        expected = "torchvision" if "lpips" in name else "ViT" if "structure" in name else "no CLIP model was given"
        assert expected in reason and reason.endswith("."), name
    _, unable = measures_for(str(tmp_path), ["clip_score"])
    assert "give a folder with a transformers CLIP model" in dict(unable)["clip_score"]


def test_a_model_that_nobody_needs_is_not_touched_and_an_absent_one_is_asked_for_once(monkeypatch, tmp_path):
    from retouch.backbone import load

    asked = []
    monkeypatch.setattr("retouch.backbone.clip.helper_folder", lambda *a: asked.append(a) or load.helper_folder(*a))
    able, _ = measures_for(str(tmp_path), ["psnr", "mse.outside"])
    assert [measure.name for measure in able] == ["psnr", "mse.outside"] and not asked
    _, unable = measures_for(str(tmp_path))
    assert len(unable) == 3 and len(asked) == 1


def test_a_named_model_that_a_measure_of_another_package_cannot_have_is_refused():
    def theirs(models):
        raise BadModel(f"no {models.clip}.")

    def its_own(models):
        raise BadModel("nothing to look with.")

    models = Models("somewhere")
    for load in (its_own, theirs):
        with pytest.raises(BadModel):
            models.get(load)
    models.check_named([None, its_own])
    with pytest.raises(BadModel, match=r"no somewhere\."):
        models.check_named([its_own, theirs])
    models = Models(None)
    with pytest.raises(BadModel):
        models.get(theirs)
    models.check_named([theirs])  # nobody named one


def test_what_is_named_after_a_region_wants_masks(everything):
    assert all(measure.masked for measure in everything if measure.name.endswith(("side", "edited")))


def test_groups_and_names_go_together_each_measure_once():
    able, unable = measures_for("diorama")
    assert not unable and [measure.name for measure in able] == names("default")
    able, _ = measures_for(None, ["psnr", "default", "psnr"])
    assert [measure.name for measure in able][:3] == ["psnr", "psnr.outside", "ssim"]
    assert set(names("pie-bench")) == {
        "pie.structure_distance", "pie.psnr", "pie.lpips", "pie.mse", "pie.ssim", "pie.clip_score",
        "pie.clip_score.edited",
    }  # fmt: skip
    assert measures_for(None, []) == ([], [])


def test_an_unknown_name_is_one_sentence_with_all_that_there_are():
    with pytest.raises(
        BadParameter, match=r"no measure 'beauty'; the groups are default, keeping, pie-bench, all, and .*lpips.vgg"
    ):
        measures_for(None, ["psnr", "beauty"])
