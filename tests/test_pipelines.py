"""The methods as a pipeline in diffusers' manner, and fits as LoRA that diffusers loads."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from retouch.editor import Editor
from retouch.errors import BadFit, BadModel, BadParameter, BadPicture, BadPrompt, OutputExists
from retouch.fit.weights import fitted_weights
from retouch.pipelines import RetouchPipeline
from tests.backbone.test_on_top import kohya
from tests.live import same, state, tiny_pipe
from tests.tiny import tiny_parts

PICTURE = Image.linear_gradient("L").resize((16, 16)).convert("RGB")
TURNED = PICTURE.transpose(Image.Transpose.ROTATE_90)
HOW = {"method": "ddim", "num_inference_steps": 2, "keep": "off"}
SOURCE, TARGET = "a red cat on a mat", "a blue cat on a mat"


@pytest.fixture(scope="module")
def pipe(tmp_path_factory):
    return tiny_pipe(tmp_path_factory.mktemp("pipe"))


@pytest.fixture(scope="module")
def edit(pipe):
    return RetouchPipeline.from_pipe(pipe)


def test_what_a_pipeline_is_made_of_is_said(pipe, edit):
    for made, says in (
        (
            lambda: RetouchPipeline(pipe),
            r"made of an Editor, not of a StableDiffusionPipeline: write .*from_pipe\(pipe\)",
        ),
        (lambda: RetouchPipeline.from_pipe("sd1"), r"this is of the type str: write RetouchPipeline.from_pretrained"),
        (lambda: RetouchPipeline.from_pipe(edit.editor), r"write RetouchPipeline\(editor\)"),
        (lambda: RetouchPipeline.from_pipe(pipe, lora="x.safetensors"), r"no 'lora': .*pipe.load_lora_weights"),
        (lambda: Editor(pipe, lora="x.safetensors"), r"no 'lora': say that when the model is loaded"),
    ):
        with pytest.raises(BadParameter, match=says):
            made()


def values(image):
    return np.asarray(image, np.float32) / 255


def test_a_call_edits_as_the_editor_does(pipe, edit):
    before = state(pipe)
    out = edit(TARGET, PICTURE, source_prompt=SOURCE, guidance_scale=3, negative_prompt="a dog", seed=4, **HOW)
    expected = Editor(pipe).edit(
        PICTURE, source=SOURCE, target=TARGET, negative_prompt="a dog", seed=4, guidance_scale=3, **HOW
    )
    assert out.images[0].tobytes() == expected.image.tobytes() and out[0] is out.images
    assert out.results[0].recipe["parameters"]["guidance_scale"] == 3
    assert edit(TARGET, PICTURE, source_prompt=SOURCE, return_dict=False, **HOW)[0][0].size == (16, 16)
    assert same(before, state(pipe))


def test_lists_of_pictures_and_prompts_go_together(edit):
    alone = [
        edit(text, one, source_prompt=SOURCE, **HOW).images[0]
        for one in (PICTURE, TURNED)
        for text in (TARGET, "a dog")
    ]
    told = {"source_prompt": SOURCE, **HOW}
    several = [
        *edit([TARGET, "a dog"], PICTURE, **told).images, *edit([TARGET, "a dog"], [TURNED, TURNED], **told).images
    ]  # fmt: skip
    assert [one.tobytes() for one in several] == [one.tobytes() for one in alone]
    both = edit(TARGET, [PICTURE, TURNED], **told).images
    assert [one.tobytes() for one in both] == [alone[0].tobytes(), alone[2].tobytes()]
    with pytest.raises(BadParameter, match="3 for prompt but 2 for image"):
        edit(["a", "b", "c"], [PICTURE, TURNED], **told)


def test_an_inversion_is_made_once_for_several_prompts(edit):
    out = edit([TARGET, "a dog"], PICTURE, source_prompt=SOURCE, **HOW)
    assert out.results[1].evaluations < out.results[0].evaluations


@pytest.mark.parametrize("kind", ("float", "signed", "bytes", "batch", "tensor", "byte tensor", "tensors", "file"))
def test_pictures_come_as_diffusers_users_have_them(edit, tmp_path, kind):
    array, tensor = values(PICTURE), torch.from_numpy(np.asarray(PICTURE).copy()).movedim(-1, 0)
    PICTURE.save(tmp_path / "picture.png")
    given = {
        "float": array, "signed": array * 2 - 1, "bytes": np.asarray(PICTURE), "batch": array[None],
        "tensor": tensor.half() / 255, "byte tensor": tensor, "tensors": (tensor / 255)[None],
        "file": tmp_path / "picture.png",
    }[kind]  # fmt: skip
    expected = edit(TARGET, PICTURE, source_prompt=SOURCE, **HOW).images[0]
    (image,) = edit(TARGET, given, source_prompt=SOURCE, **HOW).images
    assert np.abs(values(image) - values(expected)).max() < 3 / 255


def test_outputs_are_what_diffusers_users_expect(edit):
    told = {"source_prompt": SOURCE, **HOW}
    images = edit(TARGET, [PICTURE, TURNED], **told).images
    array = edit(TARGET, [PICTURE, TURNED], output_type="np", **told).images
    tensor = edit(TARGET, [PICTURE, TURNED], output_type="pt", **told).images
    assert array.shape == (2, 16, 16, 3) and tensor.shape == (2, 3, 16, 16) and array.dtype == np.float32
    assert (array[1] == values(images[1])).all() and torch.equal(tensor, torch.from_numpy(array).movedim(-1, 1))


def test_an_array_a_rounding_below_zero_is_still_one_in_0_to_1(edit):
    told, array = {"source_prompt": SOURCE, "output_type": "np", **HOW}, values(PICTURE)
    below = array.copy()
    below[0, 0, 0] = -1e-6
    assert np.abs(edit(TARGET, below, **told).images - edit(TARGET, array, **told).images).mean() < 0.02


def test_seeds_and_generators(edit):
    told = {"source_prompt": SOURCE, "method": "sdedit", "num_inference_steps": 2, "strength": 1.0, "keep": "off"}
    counted = edit(TARGET, PICTURE, seed=5, num_images_per_prompt=2, **told)
    assert [one.recipe["seed"] for one in counted.results] == [5, 6]
    assert counted.images[0].tobytes() != counted.images[1].tobytes()
    drawn = [edit(TARGET, PICTURE, generator=torch.Generator().manual_seed(1), **told).images[0] for _ in range(2)]
    assert drawn[0].tobytes() == drawn[1].tobytes()
    each = edit(TARGET, [PICTURE] * 2, generator=[torch.Generator().manual_seed(1)] * 2, **told)
    assert each.images[0].tobytes() == drawn[0].tobytes() != each.images[1].tobytes()
    for wrong in ({"generator": torch.Generator(), "seed": 1}, {"generator": [torch.Generator()] * 3}):
        with pytest.raises(BadParameter, match="generator"):
            edit(TARGET, PICTURE, **wrong, **told)


def test_a_mask_and_progress_are_passed_on(edit):
    mask, told = Image.new("L", (16, 16)), []
    mask.paste(255, (0, 0, 16, 8))
    out = edit(
        TARGET,
        [PICTURE, TURNED],
        source_prompt=SOURCE,
        mask_image=mask,
        progress=lambda *done: told.append(done),
        **HOW,
    )
    assert (values(out.images[0])[8:] == values(PICTURE)[8:]).all()
    assert told[-1][0] == told[-1][1] and [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize(
    ("more", "error", "said"),
    (
        ({"output_type": "latent"}, BadParameter, "output_type is 'latent', expected pil, np, pt"),
        ({"target": "a dog"}, BadParameter, "target is called prompt here"),
        ({"image": np.zeros((4, 4))}, BadPicture, r"shape \[4, 4\]"),
        ({"image": np.full((4, 4, 3), 9.0)}, BadPicture, "outside 0..1"),
        ({"image": []}, BadPicture, "empty list"),
        ({"image": None}, BadPicture, "there is no picture: give the one that is to be edited, as image="),
        ({"image": [None]}, BadPicture, "there is no picture"),
        ({"image": 3}, BadPicture, "image is 3, expected PIL images, paths, arrays or tensors"),
        ({"mask_image": 3}, BadPicture, "mask_image is 3, expected PIL images"),
        ({"prompt": 3}, BadPrompt, "prompt is 3, expected text, or a list of texts"),
        ({"prompt": b"a dog"}, BadPrompt, "prompt is b'a dog', expected text"),
        ({"prompt": []}, BadPrompt, "prompt is an empty list, expected texts in it"),
        ({"negative_prompt": ["a", 3]}, BadPrompt, "negative_prompt holds 3, expected texts in it"),
        ({"source_prompt": 3}, BadPrompt, "source_prompt is 3, expected text"),
        ({"prompt": ["a", "b"], "source_prompt": ["x"] * 3}, BadParameter, "are 3 for source_prompt but 2 for prompt"),
        ({"generator": 3}, BadParameter, "generator is 3, expected a torch.Generator."),
        ({"generator": [3], "num_images_per_prompt": 2}, BadParameter, "expected a torch.Generator, or a list of 2"),
        ({"progress": 3}, BadParameter, "progress is 3, expected a function"),
        ({"image": [PICTURE, PICTURE.resize((24, 24))], "output_type": "np"}, BadParameter, "several sizes"),
        ({"num_images_per_prompt": 0}, BadParameter, "num_images_per_prompt is 0"),
        ({"nonsense": 1}, BadParameter, "nonsense"),
    ),
)
def test_bad_input_is_said_in_a_sentence(edit, more, error, said):
    with pytest.raises(error, match=said):
        edit(**{"prompt": TARGET, "image": PICTURE, "source_prompt": SOURCE, **HOW, **more})


def test_what_is_no_pipeline_is_refused():
    with pytest.raises((BadModel, BadParameter), match="of the type str"):
        RetouchPipeline.from_pipe("a name")


@pytest.mark.parametrize("model", ("sd1", "sdxl"))
def test_a_fit_s_lora_does_in_diffusers_what_the_fit_does(tmp_path, model):
    pipe = tiny_pipe(tmp_path / "pipe", model=model)
    edit = RetouchPipeline.from_pipe(pipe)
    fit = edit.fit(
        TARGET, PICTURE, embedding_steps=1, network_steps=4, network_learning_rate=0.05, adapter_rank=2, seed=1
    )
    fit.save_lora(tmp_path / "fit.safetensors")
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    text, added = fit.embeds["optimised"], None
    if model == "sdxl":
        added = {"text_embeds": fit.embeds["optimised:pooled"], "time_ids": torch.ones(1, 6)}

    def predicted():
        with torch.no_grad():
            return pipe.unet(latents, 500, text, added_cond_kwargs=added).sample

    plain = predicted()
    with fitted_weights(pipe.unet, fit.network, fit.rank):
        expected = predicted()
    pipe.load_lora_weights(tmp_path / "fit.safetensors")
    torch.testing.assert_close(predicted(), expected, rtol=0, atol=1e-5)
    assert (expected - plain).abs().max() > 1e-2
    pipe.unload_lora_weights()
    torch.testing.assert_close(predicted(), plain, rtol=0, atol=1e-5)
    assert edit(None, PICTURE, fit=fit, num_inference_steps=2, seed=1).images[0].size == (16, 16)


def test_diffusers_samples_with_a_fit_s_lora_what_retouch_does(tmp_path):
    pipe = tiny_pipe(tmp_path / "pipe")
    fit = RetouchPipeline.from_pipe(pipe).fit(
        TARGET, PICTURE, embedding_steps=2, network_steps=4, network_learning_rate=0.05, adapter_rank=2
    )
    fit.save_lora(tmp_path / "fit.safetensors")
    ours = Editor(pipe).edit(PICTURE, fit=fit, eta=0.0, guidance_scale=1, num_inference_steps=4, seed=3, keep="off")
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    pipe.load_lora_weights(tmp_path / "fit.safetensors")
    theirs = pipe(
        prompt_embeds=fit.embeds["optimised"], latents=noise, guidance_scale=1, num_inference_steps=4, output_type="np"
    ).images[0]
    assert np.abs(values(ours.image) - theirs).max() <= 0.5001 / 255 + 1e-4


def test_a_lora_is_made_of_low_rank_adapters_alone(tmp_path, edit):
    how = {"embedding_steps": 1, "network_steps": 1}
    for fit in (edit.fit(TARGET, PICTURE, **how), edit.fit(TARGET, PICTURE, embedding_steps=1, network_steps=0)):
        with pytest.raises(BadFit, match=r"no low-rank adapters.*adapter_rank"):
            fit.save_lora(tmp_path / "fit.safetensors")
    fit = edit.fit(TARGET, PICTURE, adapter_rank=2, **how)
    fit.save_lora(tmp_path / "fit.safetensors")
    with safe_open(tmp_path / "fit.safetensors", "pt") as file:
        assert all(name.startswith("unet.") and ".retouch." not in name for name in file.keys())  # noqa: SIM118
        assert TARGET in file.metadata()["retouch_recipe"]
    with pytest.raises(OutputExists):
        fit.save_lora(tmp_path / "fit.safetensors")


def test_the_documented_programs_run(tmp_path, monkeypatch):
    text = (Path(__file__).parents[1] / "docs" / "models.md").read_text().split("\n## Live pipelines\n")[1]
    tiny_pipe(tmp_path / "parts").save_pretrained(tmp_path / "path/to/stable-diffusion-v1-5")
    kohya(tiny_parts(tmp_path / "parts"), tmp_path / "style.safetensors")
    PICTURE.save(tmp_path / "dog.jpg")
    monkeypatch.chdir(tmp_path)
    known = {"image": PICTURE}
    for program in re.findall(r"```python\n(.*?)```", text.split("\n## ")[0], re.DOTALL):
        quick = (
            program.replace("method=", "num_inference_steps=2, method=", 1) if "Editor(pipe)" in program else program
        )
        quick = quick.replace("num_inference_steps=50", "num_inference_steps=2")
        quick = quick.replace("adapter_rank=8", "adapter_rank=2, embedding_steps=1, network_steps=1")
        exec(quick.replace('negative_prompt=""', 'negative_prompt="", num_inference_steps=2'), known)
    assert len(known["images"]) == 2 and (tmp_path / "jump.safetensors").is_file()
