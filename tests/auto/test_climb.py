"""The ladder: which rungs are tried, when it ends, and which edit is taken, by verifiers that are told what to say."""

import pytest
from PIL import Image

from retouch.auto.climb import climb
from retouch.auto.ladder import BY_KIND, rungs_for
from retouch.auto.verify import Verdict
from retouch.backbone.recommended import Recommended
from retouch.backbone.rungs import Ladder, Rung
from retouch.errors import BadParameter, BadPrompt
from retouch.parts.inversions import Inversions
from retouch.request import Request
from tests.tiny import tiny_backbone

SHORT = {"num_inference_steps": 2}
RUNGS = [Rung("ddim", SHORT), Rung("prox-npi", SHORT), Rung("sdedit", {**SHORT, "strength": 1.0}, seed=1)]
FAILING = Rung("prompt-to-prompt", {**SHORT, "reweight": "zebra=2"})


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_backbone(tmp_path_factory.mktemp("tokenizer"))


def request(**given):
    picture = Image.new("RGB", (16, 16), "red")
    return Request(**{"image": picture, "source": "a red cat", "target": "a blue cat", **given})


def scored(*scores):
    """A verifier that gives the edits these scores in turn; those above 0 pass."""
    left = iter(scores)

    def verify(_image):
        score = next(left)
        return Verdict(score, score, None, "" if score > 0 else "asked", score)

    return verify


def tried(climbed):
    return [one.rung.method for one in climbed.tries]


def test_it_ends_with_the_first_edit_that_is_verified(model):
    climbed = climb(model, request(), RUNGS, scored(1))
    assert tried(climbed) == ["ddim"] and climbed.best()[0].passed


def test_the_next_is_tried_where_one_was_not_verified(model):
    climbed = climb(model, request(), RUNGS, scored(-1, 2))
    assert tried(climbed) == ["ddim", "prox-npi"]
    assert climbed.best()[0].rung.method == "prox-npi"


def test_where_none_is_verified_the_best_is_taken(model):
    climbed = climb(model, request(), RUNGS, scored(-3, -1, -2))
    assert tried(climbed) == ["ddim", "prox-npi", "sdedit"]
    assert [one.rung.method for one in climbed.best()] == ["prox-npi", "sdedit", "ddim"]
    assert not climbed.best()[0].passed


def test_of_equals_the_cheaper_is_taken(model):
    assert climb(model, request(), RUNGS, scored(-1, -1, -1)).best()[0].rung.method == "ddim"


def test_without_a_verifier_only_the_first_is_tried(model):
    climbed = climb(model, request(), RUNGS, None)
    assert tried(climbed) == ["ddim"] and climbed.tries[0].verdict is None


def test_rungs_share_an_inversion_and_the_cost_says_so(model):
    alone = [climb(model, request(), [rung], None).evaluations for rung in RUNGS[:2]]
    climbed = climb(model, request(), RUNGS[:2], scored(-1, 1))
    assert climbed.evaluations == sum(alone) - SHORT["num_inference_steps"]
    assert climbed.evaluations == sum(one.result.evaluations for one in climbed.tries)


def test_milder_and_stronger_runs_of_one_method_share_what_they_have_in_common(model):
    ten = {"num_inference_steps": 10}
    mild, strong = Rung("edit-friendly", {**ten, "skip": 0.5}), Rung("edit-friendly", {**ten, "skip": 0.0})
    alone = climb(model, request(), [strong], None)
    inversions = Inversions()
    climbed = climb(model, request(inversions=inversions), [mild, strong], scored(-1, 1))
    assert inversions.shared == 8  # four of five levels were found in a batch that both have
    assert climbed.tries[1].result.evaluations == alone.evaluations - 8
    assert climbed.tries[1].result.image.tobytes() == alone.tries[0].result.image.tobytes()


def test_other_seeds_scales_and_prompts_share_no_noise_maps(model):
    inversions, ten = Inversions(), {"num_inference_steps": 10}
    for given, settings in (
        ({}, {}),
        ({"seed": 1}, {}),
        ({"source": "a cat"}, {}),
        ({}, {"source_guidance_scale": 1.0}),
    ):
        climb(model, request(inversions=inversions, **given), [Rung("edit-friendly", {**ten, **settings})], None)
    assert inversions.shared == 0


def test_a_rung_has_its_own_seed(model):
    climbed = climb(model, request(seed=2**63 - 1), RUNGS, scored(-1, -1, 1))
    assert [one.seed for one in climbed.tries] == [2**63 - 1, 2**63 - 1, 0]
    assert climbed.tries[2].result.recipe["seed"] == 0


def test_what_one_method_cannot_do_the_next_does(model):
    climbed = climb(model, request(), [FAILING, *RUNGS], scored(1))
    assert tried(climbed) == ["prompt-to-prompt", "ddim"]
    assert "zebra" in climbed.tries[0].error and climbed.tries[0].figures()["error"]
    assert climbed.best()[0].rung.method == "ddim"


def test_where_none_can_the_first_says_why(model):
    with pytest.raises(BadPrompt, match="zebra"):
        climb(model, request(), [FAILING, Rung("ddim", {"num_inference_steps": 0})], scored())


def test_progress_never_goes_back_and_ends_at_its_total(model):
    seen, said = [], []
    climb(model, request(progress=lambda *at: seen.append(at), detail=said.append), RUNGS, scored(-1, -1, 1))
    assert [done for done, _ in seen] == [1, 2, 3, 4, 6, 7, 8, 9, 10] and seen[-1] == (10, 10)  # an inversion is shared
    assert all(done <= total for done, total in seen)
    assert said == ["ddim, 1 of 3", "prox-npi, 2 of 3", "sdedit, 3 of 3"]


def test_an_interruption_is_passed_on(model):
    def interrupt(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        climb(model, request(progress=interrupt), RUNGS, scored())


def test_more_pictures_than_rungs_come_with_further_seeds(model):
    climbed = climb(model, request(), RUNGS[2:], scored(1, -1, 2), least=3)
    assert [one.seed for one in climbed.tries] == [1, 3, 5]
    assert [one.verdict.score for one in climbed.best()] == [2, 1, -1]


def test_enough_pictures_are_not_enough_where_none_is_verified(model):
    assert len(climb(model, request(), RUNGS, scored(-1, -1, 1), least=2).tries) == 3
    assert len(climb(model, request(), RUNGS, scored(1, -1), least=2).tries) == 2


def recommending(model, monkeypatch, **ladder):
    monkeypatch.setattr(model, "recommended", Recommended(ladder=Ladder(**ladder)))
    return model


def test_a_model_that_recommends_nothing_gets_a_ladder_for_the_kind_of_change(model):
    found = rungs_for(model, "a cat on a beach", "a cat in the snow", {})
    assert [one.method for one in found] == [one.method for one in BY_KIND["place"]]


def test_a_model_recommends_by_the_words_that_change(model, monkeypatch):
    places = frozenset({"beach", "snow"})
    recommending(model, monkeypatch, rungs=RUNGS, when_changed=[(places, RUNGS[:1])])
    assert rungs_for(model, "a cat on a beach", "a dog on a beach", {}) == RUNGS
    assert rungs_for(model, "a cat on a beach", "a cat in the snow", {}) == RUNGS[:1]


def test_settings_go_to_the_methods_that_have_them(model, monkeypatch):
    recommending(model, monkeypatch, rungs=RUNGS)
    found = rungs_for(model, "a cat", "a dog", {"num_inference_steps": 4})
    assert [one.settings["num_inference_steps"] for one in found] == [4, 4, 4]
    assert [one.method for one in rungs_for(model, "a cat", "a dog", {"strength": "0.5"})] == ["sdedit"]
    assert rungs_for(model, "a cat", "a dog", {"skip": 0.1})[0].method == "edit-friendly"


def test_rungs_that_settings_make_the_same_are_tried_once(model, monkeypatch):
    recommending(model, monkeypatch, rungs=[Rung("ddim"), Rung("ddim", {"guidance_scale": 9.0})])
    assert len(rungs_for(model, "a cat", "a dog", {"guidance_scale": 3})) == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"zebra": 1}, "has a parameter 'zebra'"),
        ({"skip": 0.1, "quantile": 0.1}, "no method has all of skip, quantile"),
        ({"guidance_scale": -1}, "guidance_scale is -1"),
    ],
)
def test_settings_that_no_method_takes_are_refused(model, settings, says):
    with pytest.raises(BadParameter, match=says):
        rungs_for(model, "a cat", "a dog", settings)
