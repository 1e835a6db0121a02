"""Many edits at once are the edits one at a time: every method, every family, mixed sizes, failures."""

import threading

import numpy as np
import pytest
from PIL import Image

from retouch import Editor, EditResult, list_methods
from retouch.diorama.pairs import edit_pair
from retouch.errors import BadParameter, BadPrompt, RetouchError
from retouch.methods.registry import methods
from tests.small import short
from tests.tiny import tiny_backbone

PICTURES = [Image.linear_gradient("L").resize(size).convert("RGB").rotate(angle) for size, angle in
            (((16, 16), 0), ((16, 16), 90), ((24, 16), 0))]  # fmt: skip
TEXTS = {"source": "a red cat on a mat", "target": "a blue cat on a mat"}
STEADY = [name for name in list_methods() if not methods()[name].optimises]


@pytest.fixture(scope="module", params=["sd1", "sdxl", "if"])
def editor(request, tmp_path_factory):
    return Editor(tiny_backbone(tmp_path_factory.mktemp(request.param), request.param))


@pytest.fixture(scope="module")
def diorama():
    return Editor.from_pretrained("diorama")


def gap(one, other):
    return int(np.abs(np.asarray(one.image, int) - np.asarray(other.image, int)).max())


@pytest.mark.parametrize("method", STEADY)
def test_edits_at_once_are_edits_one_at_a_time(editor, method):
    """Three pictures of two sizes; a batch moves the last bits, of which random networks make a level or two."""
    given = [{"image": picture, "seed": seed, **TEXTS} for seed, picture in enumerate(PICTURES)]
    common = {"method": method, "keep": "off", **short(method, 5 if "masactrl" in method else 3)}
    try:
        alone = [editor.edit(**one, **common) for one in given]
    except RetouchError as error:
        pytest.skip(f"this family has no {method}: {error}")
    before = editor.model.evaluations
    together = editor.edit_many(given, **common)
    assert [gap(*pair) <= 3 for pair in zip(alone, together)] == [True] * 3
    assert [one.evaluations for one in together] == [one.evaluations for one in alone]
    assert editor.model.evaluations - before == sum(one.evaluations for one in alone)
    assert [one.recipe for one in together] == [one.recipe for one in alone]


def test_the_network_is_asked_once_a_step_for_all_pictures(editor, monkeypatch):
    asked, own = [], editor.model.predict
    monkeypatch.setattr(editor.model, "predict", lambda z, *rest: asked.append(len(z)) or own(z, *rest))
    given = [{"image": PICTURES[i % 2], **TEXTS} for i in range(4)]
    editor.edit_many(given, method="prompt-to-prompt", num_inference_steps=3, guidance_scale=2.0)
    assert len(asked) == 6 and set(asked[:3]) == {4} and set(asked[3:]) <= {12, 16}
    asked.clear()
    editor.edit_many(given, batch=2, method="ddim", num_inference_steps=3, keep="off", guidance_scale=1.0)
    assert asked == [2] * 12


def test_the_network_is_left_as_it_was(editor):
    processors = dict(editor.model.network.attn_processors)
    editor.edit_many(
        [{"image": picture, **TEXTS} for picture in PICTURES], method="plug-and-play", num_inference_steps=2
    )
    assert editor.model.network.attn_processors == processors
    assert not any(module._forward_hooks for module in editor.model.network.modules())
    assert threading.active_count() < 4 or not any(t.name.startswith("edit ") for t in threading.enumerate())


def test_an_edit_that_cannot_be_made_leaves_the_others_alone(editor):
    given = [{"image": PICTURES[0], **TEXTS}, {"image": PICTURES[1], "target": "a dog", "source": " "},
             {"image": "nowhere.png", **TEXTS}, {**TEXTS}, {"image": PICTURES[1], **TEXTS}]  # fmt: skip
    common = {"method": "ddim", "num_inference_steps": 2}
    found = editor.edit_many(given, failed="return", **common)
    assert [isinstance(one, RetouchError) for one in found] == [False, True, True, True, False]
    assert str(found[2]).startswith("edit 3: ") and "nowhere.png" in str(found[2])
    assert gap(found[4], editor.edit(**given[4], **common)) <= 3


def test_the_first_edit_that_cannot_be_made_ends_all(editor, monkeypatch):
    asked = []
    monkeypatch.setattr(editor.model, "predict", lambda *_: asked.append(1))
    given = [{"image": PICTURES[0], **TEXTS}, {"image": PICTURES[0], **TEXTS, "target": ""}]
    with pytest.raises(BadPrompt, match="edit 2: "):
        editor.edit_many(given, method="ddim", num_inference_steps=2)
    assert not asked


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"batch": True}, {"failed": "never"}, {"method": "nonsense"}])
def test_what_is_wrong_with_all_is_said_in_a_sentence(editor, wrong):
    with pytest.raises(BadParameter):
        editor.edit_many([{"image": PICTURES[0], **TEXTS}], **wrong)


def test_no_edits_are_no_results(editor):
    assert editor.edit_many([]) == []


def test_an_interrupt_ends_all_and_leaves_the_model_usable(editor):
    def interrupt(*_):
        raise KeyboardInterrupt

    given = [{"image": picture, **TEXTS, "progress": interrupt} for picture in PICTURES]
    with pytest.raises(KeyboardInterrupt):
        editor.edit_many(given, method="ddim", num_inference_steps=2)
    editor.edit(PICTURES[0], method="ddim", num_inference_steps=2, **TEXTS)


def test_an_edit_begun_from_within_one_is_refused(editor):
    said = []

    def meddle(*_):
        try:
            editor.edit(PICTURES[0], method="ddim", num_inference_steps=2, **TEXTS)
        except RetouchError as error:
            said.append(str(error))

    editor.edit_many(
        [{"image": p, **TEXTS, "progress": meddle} for p in PICTURES[:2]], method="ddim", num_inference_steps=2
    )
    assert said and all("going on in this thread" in one for one in said)


@pytest.mark.slow
def test_auto_chooses_for_each_picture_of_a_batch_as_it_would_alone(diorama):
    pairs = [edit_pair(kind, 300) for kind in ("colour", "accessory", "place")]
    given = [{"image": p.picture, "source": p.source_prompt, "target": p.target_prompt} for p in pairs]
    together, alone = diorama.edit_many(given), [diorama.edit(**one) for one in given]
    assert [one.recipe["method"] for one in together] == [one.recipe["method"] for one in alone]
    assert all(gap(*pair) <= 3 for pair in zip(together, alone))
    assert all(one.drawn.size == (128, 128) for one in together)


@pytest.mark.slow
def test_methods_that_train_weights_go_one_at_a_time(diorama):
    pair = edit_pair("colour", 301)
    given = {"image": pair.picture, "source": pair.source_prompt, "target": pair.target_prompt}
    short_fit = {"embedding_steps": 2, "network_steps": 2, "num_inference_steps": 3}
    plain = {"method": "ddim", "num_inference_steps": 3}
    found = diorama.edit_many([{**given, "method": "imagic", **short_fit}, {**given, **plain}, {**given, **plain}])
    assert [one.recipe["method"] for one in found] == ["imagic", "ddim", "ddim"]
    assert gap(found[0], diorama.edit(**given, method="imagic", **short_fit)) <= 1


def test_an_edit_that_is_none_or_names_no_method_is_said_by_its_number(editor):
    good = {"image": Image.new("RGB", (16, 16)), "target": "a cat", "method": "sdedit", "num_inference_steps": 1}
    for wrong, says in (("cat.png", "expected a mapping"), ({**good, "method": "nope"}, "there is no method 'nope'")):
        with pytest.raises(BadParameter, match=f"edit 2: .*{says}"):
            editor.edit_many([good, wrong])
        first, second = editor.edit_many([good, wrong], failed="return")
        assert isinstance(first, EditResult) and isinstance(second, BadParameter)


@pytest.mark.parametrize("batch", [1, 2])
def test_what_a_preview_raises_comes_out_with_the_edits_number(editor, batch):
    def broken(*_):
        raise ZeroDivisionError

    good = {"image": Image.new("RGB", (16, 16)), "target": "a cat", "method": "sdedit", "num_inference_steps": 2}
    with pytest.raises(ZeroDivisionError) as raised:
        editor.edit_many([good, {**good, "preview": broken}], batch=batch, failed="return")
    assert raised.value.__notes__ == ["in edit 2"]
