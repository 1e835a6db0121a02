"""Every method on every family of models in every form: what runs, and whether the forms give one picture."""

from copy import deepcopy

import numpy as np
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL import Image

from retouch.backbone.super_resolution import Enlarging
from retouch.editor import Editor
from retouch.errors import RetouchError
from retouch.methods.registry import methods
from retouch.parameters import parameters_of
from tests.live import tiny_cascade_pipes
from tests.single_file import parts_of, save_parts, save_single
from tests.small import short
from tests.tiny import save_cascade

FAMILIES = {"sd1": "Stable Diffusion 1.x", "sd2": "Stable Diffusion 2.x", "sdxl": "SDXL", "if": "DeepFloyd IF"}
PIPES = {"sd1": StableDiffusionPipeline, "sd2": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}
PICTURE = Image.linear_gradient("L").resize((16, 16)).convert("RGB")
TEXTS = {"source": "a red cat on a mat", "target": "a blue cat on a mat"}


def editors(folder, family):
    """One small random model of a family as a folder, as a single file and as a live pipeline."""
    if family == "if":
        return cascades(folder)
    where = save_parts(folder / "model", family)
    xl = {"add_watermarker": False}
    plain = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipe = PIPES[family](**deepcopy(parts_of(family)), **(xl if family == "sdxl" else plain))
    pipe.set_progress_bar_config(disable=True)
    return {
        "folder": Editor.from_pretrained(where),
        "file": Editor.from_pretrained(save_single(folder / "model.safetensors", family)),
        "live": Editor(pipe),
    }


def cascades(folder):
    """The same of a cascade of two stages, which no single file holds."""
    where = save_cascade(folder / "model")
    (where / "retouch.json").write_text('{"settings": {}, "super_resolution": {"num_inference_steps": 2}}')
    base, second = tiny_cascade_pipes(where)
    live = Editor(base, super_resolution=second)
    live.model.super_resolution.enlarging = Enlarging(num_inference_steps=2)
    return {"folder": Editor.from_pretrained(where), "live": live}


def cell(made, method):
    """The forms in which a method runs and gives the folder's picture, or why it does not run.

    Where weights lie in memory moves the last bits, of which random networks make a level or two; another model's
    picture is some 47 levels away.
    """
    found = {}
    guided = "guidance_scale" in {p.name for p in parameters_of(methods()[method])}
    steps = 5 if "start_step" in {p.name for p in parameters_of(methods()[method])} else 2
    given = {**short(method, steps), **({"guidance_scale": 1.5} if guided else {})}
    if method == "imagic" and made["folder"].model.draws_by_text:
        given["super_resolution_steps"] = 1
    for form, editor in made.items():
        try:
            found[form] = editor.edit(PICTURE, **TEXTS, method=method, keep="off", size=16, **given).image
        except RetouchError as error:
            return str(error)
    first = np.asarray(found["folder"], int)
    return ", ".join(form for form, image in found.items() if np.abs(np.asarray(image, int) - first).mean() < 5)


def table(folder):
    """The table of the docs: a row a method, a column a family."""
    made = {family: editors(folder / family, family) for family in FAMILIES}
    lines = ["| method | " + " | ".join(FAMILIES.values()) + " |", "|---" * (1 + len(FAMILIES)) + "|"]
    for method in methods():
        lines.append(f"| `{method}` | " + " | ".join(cell(made[family], method) for family in FAMILIES) + " |")
    return "\n".join(lines)
