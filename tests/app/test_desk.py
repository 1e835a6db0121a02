"""The desk: what visitors ask becomes jobs, and what comes out goes into their own visits."""

import io

import numpy as np
import pytest
from PIL import Image

from retouch.app.tasks import Caption, Edit, Made, Mark, Sweep
from retouch.app.views import state
from retouch.errors import RetouchError
from retouch.picture import recipe_from_bytes
from tests.app.common import FORM, Told, desk, png, settled, until


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def here(told):
    made = desk(told)
    yield made
    made.close()


@pytest.fixture
def visit(here):
    begun = here.visits.begin()
    here.bring(begun, png(), "cat.png")
    settled(here, begun)
    return begun


def edits(visit):
    return [node for node in visit.nodes.values() if node.made]


def test_a_picture_that_is_brought_is_described_and_the_words_are_a_proposal(here, visit, told):
    assert isinstance(told.done[0], Caption)
    assert visit.form["source"] == "a red square" and "proposal" in visit.said[0]


def test_a_proposal_does_not_replace_what_the_visitor_wrote(here, visit):
    here.edit(visit, {**FORM, "source": "my own words"})
    here.bring(visit, png(colour="green"), "other.png")
    settled(here, visit)
    assert visit.form["source"] == "my own words"


def test_an_edit_goes_under_the_picture_that_it_was_made_from_and_is_shown(here, visit):
    here.edit(visit, FORM)
    settled(here, visit)
    (one,) = edits(visit)
    assert one.parent == visit.current and visit.shown == one.number and one.label == "a blue square"
    assert one.outline and recipe_from_bytes(one.picture, "it")["target"] == "a blue square"


def test_the_same_edit_is_not_made_twice_however_often_the_button_is_pressed(here, visit, told):
    told.free.clear()
    for _ in range(10):
        here.edit(visit, FORM)
    told.free.set()
    settled(here, visit)
    assert len(edits(visit)) == 1


def test_going_on_from_an_edit_makes_it_the_picture_and_its_target_the_source(here, visit):
    here.edit(visit, FORM)
    settled(here, visit)
    first = edits(visit)[0]
    here.go_on(visit, first.number)
    assert visit.current == first.number and visit.form["source"] == "a blue square"
    here.edit(visit, {**FORM, "target": "a green square"})
    settled(here, visit)
    second = edits(visit)[1]
    assert second.parent == first.number and [n.number for n in visit.line(second)][1:] == [first.number, 1]


def test_a_grid_is_a_job_for_every_combination(here, visit):
    here.grid(visit, {**FORM, "target": "a {blue|green} square"}, "0.5, 1", "1-2", ["plain", "free"])
    settled(here, visit)
    assert len(edits(visit)) == 16 and len({node.group for node in edits(visit)}) == 1
    assert "a green square, free, strength 1, seed 2" in {node.label for node in edits(visit)}


def test_a_grid_with_a_wrong_method_adds_nothing(here, visit):
    with pytest.raises(RetouchError, match="no method"):
        here.grid(visit, FORM, "", "", ["plain", "owner/model"])
    assert not [job for job in visit.jobs if isinstance(job.task, Edit)]


def test_a_sweep_is_one_fit_and_an_edit_for_every_eta_and_seed(here, visit, told):
    here.sweep(visit, {**FORM, "method": "fitted"}, "0.5, 1", "1-3")
    settled(here, visit)
    assert isinstance(told.done[-1], Sweep) and len(edits(visit)) == 6
    for more, etas, sentence in (
        ({"method": "plain"}, "1", "makes no fit"),
        ({}, "1.2", "eta"),
        ({"region": "cat"}, "1", "whole picture"),
    ):
        with pytest.raises(RetouchError, match=sentence):
            here.sweep(visit, {**FORM, "method": "fitted", **more}, etas, "")


def test_a_mask_is_kept_when_the_text_changes_and_goes_with_another_picture(here, visit, told):
    here.set_mask(visit, png((8, 6), "white"))
    for target in ("a blue square", "a green square"):
        here.edit(visit, {**FORM, "target": target})
    settled(here, visit)
    assert [task.mask is not None for task in told.done if isinstance(task, Edit)] == [True, True]
    here.bring(visit, png(colour="green"), "other.png")
    assert visit.mask is None


def test_a_mask_becomes_the_foreground_for_the_methods_that_take_one_and_goes_with_another_picture(here, visit, told):
    with pytest.raises(RetouchError, match="no mask to take"):
        here.mask_is_subject(visit)
    here.set_mask(visit, png(colour="white"))
    here.mask_is_subject(visit)
    here.set_beside(visit, "reference", png(colour="green"))
    assert visit.mask is None and state(here, visit)["beside"] == ["foreground", "reference"]
    here.grid(visit, FORM, "", "", ["plain", "fitted"])
    here.sweep(visit, {**FORM, "method": "fitted"}, "0.5", "")
    settled(here, visit)
    plain, fitted = [task for task in told.done if isinstance(task, Edit)]
    sweep = next(task for task in told.done if isinstance(task, Sweep))
    assert plain.foreground is plain.reference is None and fitted.foreground and fitted.reference
    assert sweep.edit.foreground == fitted.foreground
    here.bring(visit, png((20, 20)), "other.png")
    assert list(visit.beside) == ["reference"]
    here.set_beside(visit, "reference", b"")
    assert not visit.beside


def test_a_sweep_with_an_upscaler_is_refused_and_an_edit_is_given_it(here, visit, told):
    form = {**FORM, "upscaler": "owner/upscaler", "region": "1,2,8,9", "parts": {"guidance": "proximal"}}
    with pytest.raises(RetouchError, match="choose no upscaler"):
        here.sweep(visit, {**FORM, "upscaler": "owner/upscaler", "method": "fitted"}, "0.5", "")
    here.edit(visit, form)
    settled(here, visit)
    one = told.done[-1]
    assert (one.upscaler, one.region, one.parts) == ("owner/upscaler", (1, 2, 8, 9), {"guidance": "proximal"})


def test_what_is_marked_is_added_to_what_was_painted(here, visit):
    left = Image.new("L", (16, 12))
    left.paste(255, (0, 0, 4, 12))
    file = io.BytesIO()
    left.save(file, "PNG")
    here.set_mask(visit, file.getvalue())
    here.mark(visit, "square", [], "a red square")
    settled(here, visit)
    assert np.asarray(Image.open(io.BytesIO(visit.mask))).min() == 255 and visit.said == ("found it.",)
    here.set_mask(visit, b"")
    assert visit.mask is None


def test_clicks_are_places_on_the_picture(here, visit, told):
    here.mark(visit, "", [[0, 0], [1.0, 0.5]])
    settled(here, visit)
    marked = [task for task in told.done if isinstance(task, Mark)]
    assert marked[0].points == ((0, 0), (15, 5.5))


@pytest.mark.parametrize("word, points", [("", []), ("a", [[0, 0]]), ("", [[2, 0]]), ("", "x"), ("", [[0]]), (3, [])])
def test_a_mark_of_nothing_is_refused(here, visit, word, points):
    with pytest.raises(RetouchError):
        here.mark(visit, word, points)


def test_a_result_that_is_dropped_brings_its_settings_back(here, visit):
    here.edit(visit, {**FORM, "settings": {"scale": 3}, "seed": "11"})
    settled(here, visit)
    other = here.visits.begin()
    here.bring(other, edits(visit)[0].picture, "blue.png")
    assert other.form["target"] == "a blue square" and other.form["settings"] == {"scale": 3.0}
    assert (
        other.form["seed"] == 11
        and other.brought_since(0)["method"] == "plain"
        and "settings are back" in other.said[0]
    )


def test_cancelling_ends_what_runs_and_what_waits_and_later_edits_are_made(here, visit, told):
    told.free.clear()
    told.seen.clear()
    here.grid(visit, {**FORM, "target": "a {blue|green} square"}, "", "1-4", [])
    assert told.seen.wait(5)
    here.cancel(visit)
    settled(here, visit)
    told.free.set()
    assert {job.state for job in visit.jobs if isinstance(job.task, Edit)} == {"cancelled"} and not edits(visit)
    here.edit(visit, FORM)
    settled(here, visit)
    assert len(edits(visit)) == 1


def test_a_visit_that_is_forgotten_ends_its_jobs_and_what_comes_out_goes_nowhere(told):
    here = desk(told, idle=-1)
    visit = here.visits.begin()
    told.free.clear()
    told.seen.clear()
    here.bring(visit, png(), "cat.png")
    assert told.seen.wait(5)
    here.visits.forget_idle()
    until(lambda: visit.jobs[0].over)
    assert visit.jobs[0].state == "cancelled" and len(here.visits) == 0
    here.close()


def test_a_state_shows_ones_own_and_of_others_only_how_many_are_ahead(here, visit, told):
    told.free.clear()
    told.seen.clear()
    other = here.visits.begin()
    here.bring(other, png(colour="green"), "secret.png")
    assert told.seen.wait(5)
    here.edit(visit, FORM)
    shown = state(here, visit)
    (job,) = shown["jobs"]
    assert job["state"] == "waiting" and job["ahead"] == 1 and job["wait"] >= 0
    assert "secret" not in str(shown) and other.token not in str(shown) and visit.token not in str(shown)
    (running,) = state(here, other)["jobs"]
    assert (running["done"], running["total"], running["previews"]) == (1, 4, 1)
    told.free.set()
    settled(here, visit)
    assert not state(here, visit)["jobs"]


def test_nothing_to_edit_is_said(here):
    with pytest.raises(RetouchError, match="no picture yet"):
        here.edit(here.visits.begin(), FORM)


def test_a_scene_is_painted_and_its_caption_is_its_source(here):
    visit = here.visits.begin()
    here.paint(visit, "a red cat sitting on a beach", 3)
    assert visit.form["source"] == "a photo of a red cat sitting on a beach" and visit.nodes[1].size == (128, 128)
    with pytest.raises(RetouchError, match="nothing to paint"):
        here.paint(visit, "weather", 3)


def test_jobs_that_are_over_hold_no_pictures(here, visit):
    here.edit(visit, FORM)
    settled(here, visit)
    assert all(not getattr(job.task, "picture", b"") and job.result is None for job in visit.jobs)
    assert isinstance(edits(visit)[0].made, Made)
