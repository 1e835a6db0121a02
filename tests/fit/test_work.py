"""Long work: it resumes after a kill as if nothing had happened, ends when asked, and keeps the last good state."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

import retouch.fit.work
from retouch.errors import BadFit, RetouchError
from retouch.fit.tensors import read_tensors, write_tensors
from retouch.fit.work import Work

pytestmark = pytest.mark.slow


def bowl(variable, wrong=None, pause=None):
    """A loss with noise that depends on the step alone; NaN from step ``wrong`` on."""

    def loss(step):
        if pause:
            pause(step)
        noise = torch.randn(variable.shape, generator=torch.Generator().manual_seed(step))
        value = (variable - 3 + 0.1 * noise).square().mean()
        return value * float("nan") if wrong is not None and step >= wrong else value

    return loss


def fitted(work, steps=30, stage="bowl", **more):
    variable = torch.zeros(4, requires_grad=True)
    work.optimise(stage, {"x": variable}, bowl(variable, **more), steps=steps, learning_rate=0.1)
    return variable.detach()


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """A checkpoint after every step."""
    monkeypatch.setattr(retouch.fit.work, "_EVERY", 0.0)


def test_the_loss_falls_and_the_steps_are_counted():
    counted, said = [], []
    variable = torch.zeros(4, requires_grad=True)
    work = Work(detail=said.append)
    work.optimise("bowl", {"x": variable}, bowl(variable), steps=100, learning_rate=0.1, progress=counted.append)
    assert (variable - 3).abs().max() < 0.2 and variable.grad is None
    assert sum(counted) == work.steps["bowl"] == 100 and work.stopped == ""
    assert said[0].startswith("bowl, loss 9") and work.losses["bowl"] < 0.1


def test_broken_off_work_goes_on_to_the_same_result(tmp_path):
    undisturbed, path = fitted(Work()), tmp_path / "checkpoint"

    def stop(step):
        if step == 17:
            raise RuntimeError("the machine fails")

    with pytest.raises(RuntimeError, match="fails"):
        fitted(Work(checkpoint=path), pause=stop)
    counted = []
    variable = torch.zeros(4, requires_grad=True)
    work = Work(checkpoint=path)
    work.optimise("bowl", {"x": variable}, bowl(variable), steps=30, learning_rate=0.1, progress=counted.append)
    assert torch.equal(variable, undisturbed)
    assert counted[0] == 17 and sum(counted) == 30  # what was done is not repeated


def test_a_finished_stage_is_not_repeated(tmp_path):
    path = tmp_path / "checkpoint"
    work = Work(checkpoint=path)
    first = fitted(work, stage="first")

    def stop(step):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fitted(work, stage="second", pause=stop)
    again = Work(checkpoint=path)
    assert torch.equal(fitted(again, stage="first", pause=stop), first)  # no step is taken
    assert torch.equal(fitted(again, stage="second"), first) and again.steps == {"first": 30, "second": 30}


def test_ctrl_c_ends_the_work_after_the_step_in_hand(tmp_path):
    path, before = tmp_path / "checkpoint", signal.getsignal(signal.SIGINT)

    def press(step):
        if step == 9:
            os.kill(os.getpid(), signal.SIGINT)

    work = Work(checkpoint=path)
    half = fitted(work, pause=press)
    assert work.stopped == "interrupted" and work.steps["bowl"] == 10 and 0 < half.min() < 3
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        work.raise_if_unusable()
    assert torch.equal(fitted(work, stage="later"), torch.zeros(4))  # stages after it are left alone
    assert torch.equal(fitted(Work(checkpoint=path)), fitted(Work()))


def test_work_in_other_threads_leaves_signals_alone():
    results = []
    thread = threading.Thread(target=lambda: results.append(fitted(Work())))
    thread.start()
    thread.join()
    assert torch.equal(results[0], fitted(Work()))


@pytest.mark.parametrize("kept", ["on disk", "in memory"])
def test_a_loss_that_is_no_number_ends_with_the_last_good_state(tmp_path, kept):
    work = Work(checkpoint=tmp_path / "checkpoint" if kept == "on disk" else None)
    state = fitted(work, wrong=12)
    assert work.stopped == "diverged" and torch.equal(state, fitted(Work(), steps=12))
    assert "diverged: its loss is nan at step 13" in work.message and "Lower the learning rate" in work.message
    with pytest.raises(RetouchError, match="diverged"):
        work.raise_if_unusable()


def test_a_budget_is_shared_among_stages_and_ends_them_early():
    work = Work(budget=0.4)
    began = time.monotonic()
    for stage in ("first", "second"):
        variable = torch.zeros(4, requires_grad=True)
        loss = bowl(variable, pause=lambda step: time.sleep(0.01))
        work.optimise(stage, {"x": variable}, loss, steps=10_000, learning_rate=0.1, share=0.5)
        assert 0 < work.steps[stage] < 10_000
    assert work.stopped == "budget" and time.monotonic() - began < 20
    work.raise_if_unusable()  # a shorter fit is a fit


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.write_bytes(b"nonsense"), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"seconds", b"minutes")), "no checkpoint of retouch"),
        (lambda path: None, "differs in: seed"),
        (
            lambda path: path.write_bytes(path.read_bytes().replace(b'\\"bowl\\": 30', b'\\"bowl\\": -3')),
            "no checkpoint",
        ),
    ],
    ids=["nonsense", "cut off", "other contents", "other work", "a count below 0"],
)
def test_a_checkpoint_of_other_work_or_a_damaged_one_is_refused(tmp_path, spoil, says):
    path = tmp_path / "checkpoint"
    fitted(Work(checkpoint=path, identity={"seed": 1, "target": "a"}))
    spoil(path)
    with pytest.raises(BadFit, match=says) as caught:
        fitted(Work(checkpoint=path, identity={"seed": 2, "target": "a"}))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tensors: tensors.pop("bowl/x"), "lacks 'bowl/x'"),
        (lambda tensors: tensors.update({"bowl/x": torch.zeros(5)}), "'bowl/x' is not what the work needs"),
        (lambda tensors: tensors["bowl/x"].fill_(float("nan")), "'bowl/x' is not what the work needs"),
    ],
    ids=["missing", "another shape", "no number"],
)
def test_a_checkpoint_that_holds_other_tensors_is_refused(tmp_path, change, says):
    path = tmp_path / "checkpoint"
    fitted(Work(checkpoint=path))
    tensors, metadata = read_tensors(path)
    change(tensors)
    write_tensors(path, tensors, metadata)
    with pytest.raises(BadFit, match=says) as caught:
        fitted(Work(checkpoint=path), steps=40)
    assert str(path) in str(caught.value)


SCRIPT = """
import sys
import torch
torch.set_num_threads(1)
import retouch.fit.work
from retouch.diorama.captions import scene_for
from retouch.diorama.painter import paint
from retouch.editor import Editor

retouch.fit.work._EVERY = 0.0
picture, _ = paint(scene_for("a red cat sitting on a beach", 3))
result = Editor.from_pretrained("diorama").edit(
    picture, target="a red cat jumping on a beach", method="imagic", seed=5, checkpoint=sys.argv[1],
    detail=lambda words: print(words, flush=True), embedding_steps=4, network_steps=4, batch_size=1,
    num_inference_steps=3,
)
result.save(sys.argv[2])
"""


def test_an_edit_that_was_killed_ends_with_the_same_picture(tmp_path):
    """A real SIGKILL in the middle of the second stage."""
    checkpoint, plain, resumed = (tmp_path / name for name in ("checkpoint", "plain.png", "resumed.png"))

    def start(output):
        command = [sys.executable, "-c", SCRIPT, str(checkpoint), str(output)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    with start(plain) as process:
        lines = process.stdout.read().splitlines()
    assert len(lines) == 8 and plain.exists() and not checkpoint.exists()
    with start(resumed) as process:
        for line in process.stdout:
            if line.startswith("network"):
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL and checkpoint.exists() and not resumed.exists()
    with start(resumed) as process:
        rest = process.stdout.read().splitlines()
    assert 0 < len(rest) <= 4 and all(line.startswith("network") for line in rest)
    from PIL import Image

    assert Image.open(plain).tobytes() == Image.open(resumed).tobytes()
