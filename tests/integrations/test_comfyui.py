"""The nodes for ComfyUI: schemas that it takes, workflows that make real edits, on a stand-in for its interface."""

import json
import tomllib

import numpy as np
import pytest
import torch
from PIL import Image

import retouch
from retouch.auto.kind import kind_named
from retouch.errors import BadModel, BadParameter, BadPicture
from retouch.methods.registry import methods
from retouch.parameters import parameters_of
from tests.integrations.canvas import EXAMPLES, furnish, prompt_of, text_of, workflow
from tests.integrations.comfyui import PACK, check, execute, host, run
from tests.single_file import save_single

SOURCE, TARGET = "a red cat sitting on a beach", "a blue cat sitting on a beach"
TEXTS = {"source": SOURCE, "target": TARGET}
QUICK = {
    **TEXTS, "method": "ddim", "method.num_inference_steps": 2, "seed": 0, "strength": 1.0, "keep": "auto", "size": 0,
    "recommended": True,
}  # fmt: skip
READING = {"precision": "auto", "device": "auto", "prediction": "auto"}
COMPARED = {"settings": "num_inference_steps=2", "columns": 5, "seed": 0, "strength": 1.0, "keep": "auto", "size": 0}
CAT = np.asarray(Image.open(EXAMPLES / "cat.png").convert("RGB"))
IMAGE = torch.from_numpy(CAT.astype(np.float32) / 255)[None]


@pytest.fixture(scope="module")
def comfy(tmp_path_factory):
    base = furnish(tmp_path_factory.mktemp("comfy") / "host")
    save_single(base / "checkpoints" / "model.safetensors")
    with host(base) as found:
        found.base = base
        yield found


@pytest.fixture(scope="module")
def diorama(comfy):
    return call(comfy, "RetouchLoadModel", name="diorama", **READING)[0]


def call(comfy, node, **given):
    return execute(comfy.nodes[node], given, key="7")


def example(name, **steps):
    prompt = json.loads((EXAMPLES / "api" / f"{name}.json").read_text())
    for node in prompt.values():
        if node["class_type"] == "RetouchEdit":
            node["inputs"] |= steps
    return prompt


def saved(comfy, name):
    return np.asarray(Image.open(comfy.base / "output" / f"{name}_00001_.png"))


def blueness(picture, where):
    pixels = picture[where].astype(float).mean(0)
    return pixels[2] - pixels[0]


def test_the_host_takes_every_schema(comfy):
    own = [node for name, node in comfy.nodes.items() if name.startswith("Retouch")]
    assert len(own) == 6
    for node in own:
        schema = node.define_schema()
        schema.validate()
        assert schema.category == "retouch" and schema.display_name and schema.description
        optional = [one.optional for one in schema.inputs]
        assert optional == sorted(optional)  # as the page shows them, and keeps their values


@pytest.mark.parametrize("fault", [
    {"default": 3}, {"default": 0.5}, {"default": None}, {"min": None}, {"step": 0}, {"id": "a.b"}, {"tooltip": " "},
], ids=str)  # fmt: skip
def test_the_stand_in_refuses_a_field_that_is_wrong(comfy, fault):
    from comfy_api.latest import io

    right = {"id": "a", "default": 1, "min": 0, "max": 2}
    io.Schema("Right", inputs=[io.Int.Input(**right)]).validate()
    with pytest.raises(ValueError):
        io.Schema("Wrong", inputs=[io.Int.Input(**(right | fault))]).validate()
    with pytest.raises(ValueError, match="twice"):
        io.Schema("Twice", inputs=[io.Int.Input(**right)], outputs=[io.Image.Output("a")]).validate()


def test_every_method_is_offered_with_its_declared_parameters(comfy):
    choice = next(one for one in comfy.nodes["RetouchEdit"].define_schema().inputs if one.id == "method")
    assert [option.key for option in choice.options] == ["auto", *methods()]
    for option in choice.options:
        declared = {one.name: one for one in parameters_of(kind_named(option.key)) if not one.loads}
        assert [one.id for one in option.inputs] == list(declared)
        for one in option.inputs:
            its = declared[one.id]
            assert its.help in one.tooltip and one.optional
            if its.optional:
                assert one.default == "auto"
            elif its.kind in ("number", "whole number"):
                assert (one.default, one.min) == (its.default, -1e9 if its.low is None else its.low)
                assert one.max == (1e9 if its.high is None else its.high)
            else:
                assert one.default == its.default


@pytest.mark.parametrize("path", sorted((EXAMPLES / "api").glob("*.json")), ids=lambda path: path.stem)
def test_the_page_sends_the_workflow_of_the_api(comfy, path):
    prompt, page = json.loads(path.read_text()), json.loads((EXAMPLES / path.name).read_text())
    assert (EXAMPLES / path.name).read_text() == text_of(workflow(prompt, comfy.nodes)), (
        "run: python -m tests.integrations.canvas"
    )
    sent = prompt_of(page, comfy.nodes)
    assert sent.keys() == prompt.keys()
    for key, node in prompt.items():
        assert node["inputs"].items() <= sent[key]["inputs"].items()


def test_a_workflow_that_the_host_refuses_does_not_run(comfy):
    for wrong in ({"seed": -1}, {"keep": "all"}, {"method": "none"}, {"method.quantile": 0.5}):
        with pytest.raises(ValueError):
            check(example("edit", **wrong), comfy.nodes)


@pytest.mark.slow
def test_the_example_edits_the_picture(comfy):
    done = run(example("edit"), comfy.nodes)
    _, changed, recipes, _ = done["3"]
    cat = changed[0].numpy() > 0.5
    assert blueness(CAT, cat) < 0 < blueness(saved(comfy, "retouch"), cat)
    assert np.array_equal(saved(comfy, "retouch")[changed[0].numpy() == 0], CAT[changed[0].numpy() == 0])
    (recipe,) = json.loads(recipes)
    assert recipe["method"] == "ddim" and recipe["target"] == TARGET and comfy.own.PreviewAny.seen[-1] == recipes


@pytest.mark.slow
def test_the_example_with_a_mask_changes_the_cat_and_no_byte_beside_it(comfy):
    run(example("mask"), comfy.nodes)
    cat = saved(comfy, "retouch-mask")[..., 0] > 127
    assert 0.05 < cat.mean() < 0.5
    assert blueness(saved(comfy, "retouch"), cat) > 0 and np.array_equal(saved(comfy, "retouch")[~cat], CAT[~cat])


def test_the_example_that_compares_writes_a_sheet_and_a_table(comfy):
    prompt = example("compare")
    prompt["3"]["inputs"]["settings"] = "num_inference_steps=2"
    sheet, edits, table = run(prompt, comfy.nodes)["3"]
    rows = json.loads(table)
    assert [row["method"] for row in rows] == ["edit-friendly", "ddim", "cycle-diffusion"] and len(edits) == 3
    assert all(row["clip_score"] and not row["error"] for row in rows) and sheet.shape[2] > 4 * 128


def test_the_example_that_keeps_takes_over_an_edit_by_another_node(comfy):
    done = run(example("keep", **{"method.num_inference_steps": 4}), comfy.nodes)
    _, changed, untouched = done["4"]
    own = changed[0].numpy() == 0
    assert 0 < untouched < 1 and np.array_equal(saved(comfy, "retouch")[own], CAT[own])
    assert not np.array_equal(saved(comfy, "retouch"), CAT)


def test_the_example_with_the_hosts_own_model_edits_and_leaves_no_file(comfy):
    done = run(example("own-model", size=64, **{"method.num_inference_steps": 2}), comfy.nodes)
    (editor,) = done["3"]
    assert editor.model.prediction_type == "epsilon"
    assert done["4"][0].shape == IMAGE.shape and comfy.sd.written and comfy.management.unloaded
    assert not list((comfy.base / "temp").iterdir())
    assert json.loads(done["4"][2])[0]["model"] == "ComfyUI's model"


def test_the_hosts_model_is_read_as_the_host_samples_it(comfy):
    path = str(comfy.base / "checkpoints" / "model.safetensors")
    for kind, prediction in ((comfy.sampling.V_PREDICTION, "v_prediction"), (comfy.sampling.X0, "sample")):
        loaded = comfy.sd.Loaded(path, kind())
        editor, *_ = call(comfy, "RetouchFromCheckpoint", model=loaded, clip=loaded, vae=loaded, **READING)
        assert editor.model.prediction_type == prediction
    before = len(comfy.sd.written)
    for kind in (comfy.sampling.CONST, comfy.sampling.EDM):
        loaded = comfy.sd.Loaded(path, kind())
        with pytest.raises(BadModel, match="load one of them"):
            call(comfy, "RetouchFromCheckpoint", model=loaded, clip=loaded, vae=loaded, **READING)
    assert len(comfy.sd.written) == before


def test_checkpoints_and_what_the_host_allows_can_be_loaded_and_nothing_else(comfy, monkeypatch):
    monkeypatch.setenv("RETOUCH_MODELS", "owner/model, /models/mine")
    name = next(one for one in comfy.nodes["RetouchLoadModel"].define_schema().inputs if one.id == "name")
    assert {"diorama", "model.safetensors", "owner/model", "/models/mine"} <= set(name.options)
    assert name.default == "diorama"
    with pytest.raises(BadModel, match="not among those allowed"):
        call(comfy, "RetouchLoadModel", name="/etc/passwd", **READING)


def test_a_method_that_fits_runs_although_the_host_allows_no_gradients(comfy, diorama):
    fitted = QUICK | {"method": "null-text", "method.inner_steps": 1, "method.early_stop": 0.0}
    image, _, recipes, _ = call(comfy, "RetouchEdit", model=diorama, image=IMAGE, **fitted)
    assert json.loads(recipes)[0]["method"] == "null-text" and image.shape == IMAGE.shape


def test_a_batch_is_edited_side_by_side_with_a_mask_for_each(comfy, diorama):
    masks = torch.zeros(2, 128, 128)
    masks[0, :64], masks[1, 64:] = 1, 1
    both = torch.cat([IMAGE, IMAGE.flip(2)])
    image, *_ = call(comfy, "RetouchEdit", model=diorama, image=both, mask=masks, side_by_side=2, **QUICK)
    assert torch.equal(image[masks == 0], both[masks == 0]) and not torch.equal(image, both)
    bar = comfy.utils.bars[-1]
    assert bar.node_id == "7" and bar.values == sorted(bar.values) and bar.values[-1] == bar.total


@pytest.mark.parametrize("pictures", [1, 2])
def test_the_user_can_stop_an_edit_between_two_steps(comfy, diorama, pictures):
    given = {"model": diorama, "image": IMAGE.expand(pictures, -1, -1, -1), **QUICK}
    comfy.management.interrupt_after = 2
    with pytest.raises(comfy.management.InterruptProcessingException):
        call(comfy, "RetouchEdit", **given)
    assert comfy.management.interrupt_after is None and call(comfy, "RetouchEdit", **given)[0].shape[0] == pictures


def test_the_user_can_stop_a_comparison_as_a_whole(comfy, diorama):
    comfy.management.interrupt_after = 2
    with pytest.raises(comfy.management.InterruptProcessingException):
        call(comfy, "RetouchCompare", model=diorama, image=IMAGE, methods="ddim, ddib", **TEXTS, **COMPARED)


def test_values_at_their_default_are_the_models_recommendation_unless_that_is_off(comfy, diorama):
    given = {"method": "ddim", "method.num_inference_steps": 50, "method.guidance_scale": 7.5}
    steps = {
        recommended: diorama.method_for(
            "ddim", SOURCE, TARGET, comfy.fields.settings_of(
                "ddim", {key[7:]: value for key, value in given.items() if "." in key}, recommended=recommended),
        ).num_inference_steps
        for recommended in (True, False)
    }  # fmt: skip
    assert steps == {True: 20, False: 50}


def test_a_mask_is_found_by_clicks_and_by_a_box(comfy, diorama):
    by_clicks, _ = call(
        comfy, "RetouchMask", model=diorama, image=IMAGE, by="clicks", **{"by.points": "64,80", "by.outside": ""}
    )
    box = dict(zip(("by.left", "by.top", "by.right", "by.bottom"), (1, 15, 120, 128)))
    by_box, _ = call(comfy, "RetouchMask", model=diorama, image=IMAGE, by="box", **box)
    assert 0.05 < by_clicks.mean() < 0.5 and 0.05 < by_box.mean() < 0.6


@pytest.mark.parametrize(("node", "given", "kind", "sentence"), [
    ("RetouchEdit", {"mask": torch.ones(3, 128, 128)}, BadPicture, "1 pictures and 3 for mask"),
    ("RetouchEdit", {"image": IMAGE[0]}, BadPicture, r"image has the shape \[128, 128, 3\]"),
    ("RetouchEdit", {"image": IMAGE * float("nan")}, BadPicture, "image holds numbers that are infinite"),
    ("RetouchEdit", {"region": "1,2"}, BadParameter, "region is '1,2', expected left,top,right,bottom"),
    ("RetouchCompare", {"methods": " "}, BadParameter, "methods is ' ', expected names"),
    ("RetouchCompare", {"settings": "steps"}, BadParameter, "settings 'steps' is not name=value"),
    ("RetouchCompare", {"image": IMAGE.expand(2, -1, -1, -1)}, BadPicture, "there are 2 pictures, and one is compared"),
    ("RetouchMask", {"by": "word", "by.word": " ", "by.prompt": ""}, BadParameter, "word is empty"),
    ("RetouchMask", {"by": "clicks", "by.points": "64;80", "by.outside": ""}, BadParameter, "points holds '64'"),
    ("RetouchKeep", {"before": IMAGE.expand(2, -1, -1, -1), "after": IMAGE}, BadPicture, "1 pictures and 2 for before"),
])  # fmt: skip
def test_bad_input_gets_a_sentence_that_names_it(comfy, diorama, node, given, kind, sentence):
    usual = {
        "RetouchEdit": QUICK, "RetouchCompare": {"methods": "ddim", **TEXTS, **COMPARED}, "RetouchMask": {},
    }.get(node)  # fmt: skip
    common = {} if usual is None else {"model": diorama, "image": IMAGE, **usual}
    with pytest.raises(kind, match=sentence):
        call(comfy, node, **(common | given))


def test_the_workflow_on_the_page_is_one(comfy):
    text = (PACK.parent.parent / "docs" / "comfyui.md").read_text()
    check(json.loads(text.split("```json")[1].split("```")[0]), comfy.nodes)


def test_the_pack_is_described_as_the_hosts_registry_wants_it():
    about = tomllib.loads((PACK / "pyproject.toml").read_text())
    project = about["project"]
    assert project["version"] == retouch.__version__ and project["dependencies"] == [f"retouch>={retouch.__version__}"]
    assert (
        "comfyui" not in project["name"].lower()
        and (PACK / project["license"]["file"]).exists()
        and about["tool"]["comfy"]["DisplayName"]
    )
