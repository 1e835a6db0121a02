"""Nothing in the steps of an edit makes the processor wait for the GPU, or the GPU for a copy from the processor."""

import traceback
from collections import Counter
from contextlib import ExitStack

import numpy as np
import pytest
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

from retouch import Editor, list_methods
from retouch.methods import composition
from retouch.methods.registry import methods
from retouch.sampler.ddim import DDIMSampler
from tests.small import short
from tests.tiny import tiny_backbone

PICTURE = Image.linear_gradient("L").resize((16, 16)).convert("RGB")
TEXTS = {"source": "a red cat on a mat", "target": "a blue cat on a mat"}
WAITS = {
    "_local_scalar_dense",  # float(x), int(x), bool(x), x.item(), `if x`
    "equal", "is_nonzero", "nonzero", "masked_select", "unique_dim", "_unique2",  # shapes or answers by value
    "lift_fresh",  # torch.tensor(numbers), x[[0, 2, 1]]: made here, copied there
    "randn", "rand", "randint", "randperm",  # drawn here, copied there
}  # fmt: skip
MORE = {
    "predicting v": {"method": "guide-and-rescale"},
    "strength": {"method": "ddim", "strength": 0.9},
    "mask": {"method": "prox-npi", "mask": Image.fromarray(np.tile(np.uint8([0, 90, 180, 255]), (16, 4)))},
    "masks of words": {"method": "masactrl", "mask_words": "cat"},
    "fresh noise": {"method": "sdedit", "sampler": "ddpm"},
    "reweighted words": {"method": "prompt-to-prompt", "reweight": "blue=3", "blend_words": "blue"},
    "shared queries": {"method": "ddim", "control": "feature-sharing"},
    "concepts": {"method": "ddim", "guidance": "semantic", "concepts": "a hat=6; -scarf=5@0.8"},
    "negative": {"method": "ddim", "negative_prompt": "a dog"},
    "perturbed": {"method": "ddim", "guidance": "classifier-free+perturbed-attention"},
    "style": {"method": "guide-and-rescale", "preset": "style"},
}


class Waits(TorchDispatchMode):
    """Counts what waits, by the place it is called from."""

    def __init__(self):
        super().__init__()
        self.seen = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function).split(".")[1]
        if name in WAITS:
            frames = [one for one in traceback.extract_stack() if "retouch" in one.filename or "diff" in one.filename]
            self.seen[f"{name} at {frames[-1].filename}:{frames[-1].lineno}"] += 1
        return function(*args, **(kwargs or {}))


@pytest.fixture
def waits(monkeypatch):
    """Of all steps down but the first, where what all of them need may be made."""
    counted, steps, own = Waits(), [], composition.denoise

    def denoise(*given, progress=None, **more):
        with ExitStack() as stack:

            def report(done):
                progress(done)
                if not steps:
                    stack.enter_context(counted)
                steps.append(done)

            return own(*given, progress=report, **more)

    monkeypatch.setattr(composition, "denoise", denoise)
    counted.steps = steps
    return counted


@pytest.fixture(scope="module", params=["sd1", "sdxl", "if"])
def editor(request, tmp_path_factory):
    return Editor(tiny_backbone(tmp_path_factory.mktemp(request.param), request.param))


@pytest.mark.parametrize("method", [name for name in list_methods() if not methods()[name].optimises])
def test_no_step_waits(editor, waits, method):
    editor.edit(PICTURE, **TEXTS, method=method, keep="off", **short(method, 6 if "masactrl" in method else 4))
    assert len(waits.steps) > 2 and not waits.seen


@pytest.mark.parametrize("name", MORE)
def test_no_step_waits_whatever_is_asked(waits, name, tmp_path_factory):
    kind = "sd2" if name == "predicting v" else "sd1"
    editor = Editor(tiny_backbone(tmp_path_factory.mktemp(kind), kind))
    editor.edit(PICTURE, **TEXTS, keep="off", num_inference_steps=6, **MORE[name])
    assert len(waits.steps) > 2 and not waits.seen


def test_waiting_is_noticed(waits, editor, monkeypatch):
    """A look at a value in a step is what the others would find."""
    step = DDIMSampler.step
    monkeypatch.setattr(DDIMSampler, "step", lambda *given: step(*given) * (1 + 0 * float(given[2].mean())))
    editor.edit(PICTURE, **TEXTS, method="ddim", keep="off", num_inference_steps=3)
    assert sum(waits.seen.values()) == 2 and "loop.py" in next(iter(waits.seen))
