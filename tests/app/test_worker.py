"""What the process with the model does: edits that are seen and end when told to, fits that are kept, marks."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from retouch.app.tasks import Caption, Detail, Edit, Ended, Found, Loading, Mark, Preview, Progress, Refused, Sweep
from retouch.app.worker import Bench, _answer
from retouch.diorama import paint, scene_for
from retouch.picture import from_bytes, mask_from_bytes, png_bytes

pytestmark = pytest.mark.slow
SOURCE, TARGET = "a red cat sitting on a beach", "a blue cat sitting on a beach"


@pytest.fixture(scope="module")
def bench():
    return Bench(Loading())


@pytest.fixture(scope="module")
def scene():
    return paint(scene_for(SOURCE, 3))


@pytest.fixture(scope="module")
def picture(scene):
    return png_bytes(scene[0])


def done(bench, task, ends=lambda news: False):
    """What comes out, and what was said meanwhile; told to end by the first news for which ``ends`` is true."""
    told, ended = [], threading.Event()

    def tell(news):
        told.append(news)
        if ends(news):
            ended.set()

    return _answer(bench, task, tell, ended), told


def edit(picture, **more):
    return Edit(picture, SOURCE, TARGET, **{"method": "ddim", "settings": {"num_inference_steps": 8}, **more})


def test_an_edit_says_how_far_it_is_and_shows_what_it_leads_to(bench, picture):
    (made,), told = done(bench, edit(picture, seed=5))
    steps = [news.done for news in told if isinstance(news, Progress)]
    shown = [from_bytes(news.picture, "it").image for news in told if isinstance(news, Preview)]
    assert steps == list(range(1, 17)) and shown and shown[0].size == (128, 128)
    assert made.recipe["target"] == TARGET and made.recipe["seed"] == 5 and made.untouched and made.changed


def test_an_edit_that_is_told_to_end_takes_no_further_step_and_the_next_is_as_ever(bench, picture):
    (before,), _ = done(bench, edit(picture))
    answer, told = done(bench, edit(picture), ends=lambda news: isinstance(news, Progress) and news.done == 10)
    assert answer == Ended() and max(news.done for news in told if isinstance(news, Progress)) == 10
    (after,), _ = done(bench, edit(picture))
    assert np.array_equal(
        np.asarray(from_bytes(before.picture, "a").image), np.asarray(from_bytes(after.picture, "b").image)
    )


def test_auto_and_fits_end_when_told_to_too(bench, picture):
    answer, told = done(bench, edit(picture, method="auto", settings={}), ends=lambda news: isinstance(news, Preview))
    assert answer == Ended() and told
    fitting = Sweep(edit(picture, method="imagic", settings={}), (0.7,), (0,))
    answer, told = done(bench, fitting, ends=lambda news: isinstance(news, Progress) and news.done == 3)
    assert answer == Ended() and max(news.done for news in told if isinstance(news, Progress)) == 3


def test_a_sweep_fits_once_and_further_seeds_come_from_the_same_fit(bench, picture):
    one = edit(picture, method="imagic", settings={"embedding_steps": 2, "network_steps": 2, "num_inference_steps": 4})
    first, told = done(bench, Sweep(one, (0.5, 1.0), (0, 1)))
    again, told_again = done(bench, Sweep(one, (0.7,), (7,)))
    assert (first[0].recipe["parameters"]["eta"], first[0].recipe["seed"]) == (0.5, 0)
    assert len(first) == 4 and len(again) == 1 and again[0].recipe["seed"] == 7
    assert Detail("fitting") in told and Detail("fitting") not in told_again


def test_a_mask_holds_every_pixel_outside_it(bench, scene, picture):
    mask = Image.new("L", (128, 128))
    mask.paste(255, (0, 0, 64, 128))
    (made,), _ = done(bench, edit(picture, mask=png_bytes(mask)))
    before, after = np.asarray(scene[0]), np.asarray(from_bytes(made.picture, "it").image)
    assert np.array_equal(before[:, 64:], after[:, 64:]) and not np.array_equal(before, after)


@pytest.mark.parametrize("task", [{"word": "cat", "prompt": SOURCE}, {"points": ((64.0, 80.0),)}])
def test_a_thing_is_marked_by_a_word_and_by_a_click(bench, scene, picture, task):
    found, _ = done(bench, Mark(picture, **task))
    assert isinstance(found, Found)
    marked, there = (np.asarray(one) > 127 for one in (mask_from_bytes(found.mask, "it").image, scene[1].convert("L")))
    assert (marked & there).sum() > 0.5 * (marked | there).sum()


def test_a_picture_is_described(bench, picture):
    words, _ = done(bench, Caption(picture))
    assert "red cat" in words


def test_what_cannot_be_done_is_a_sentence_and_so_is_a_lack_of_memory(bench, picture, monkeypatch):
    answer, _ = done(bench, edit(picture, settings={"guidance_scale": 99.0}))
    assert isinstance(answer, Refused) and "guidance_scale" in answer.sentence
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")):
        with monkeypatch.context() as patched:
            patched.setattr(bench.editor, "edit", lambda *_, **__: (_ for _ in ()).throw(error))  # noqa: B023
            answer, _ = done(bench, edit(picture))
        assert isinstance(answer, Refused) and "too little memory" in answer.sentence
    assert not isinstance(done(bench, edit(picture))[0], Refused)


def test_parts_a_foreground_and_a_region_in_numbers_are_those_of_the_edit(bench, scene, picture):
    subject = png_bytes(scene[1].convert("L"))
    asked = edit(
        picture, method="masactrl", parts={"guidance": "proximal"}, foreground=subject, region=(20, 20, 110, 120)
    )
    (made,), _ = done(bench, asked)
    assert made.recipe["parts"]["guidance"] == "proximal" and made.recipe["foreground"]
    assert list(made.recipe["region"]) == [20, 20, 110, 120]


def test_a_fit_is_made_anew_for_another_foreground(bench, scene, picture):
    short = {"embedding_steps": 1, "network_steps": 1, "num_inference_steps": 2}
    one = edit(picture, method="layer-diffusion", settings=short, foreground=png_bytes(scene[1].convert("L")))
    for asked, fits in ((one, True), (one, False), (replace(one, foreground=None), True)):
        _, told = done(bench, Sweep(asked, (), (0,)))
        assert (Detail("fitting") in told) == fits
