"""Training: every stage runs, an interruption leaves no trace, and the result is a model everything else can load."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from retouch.diorama.captions import KNOWN_WORDS
from retouch.diorama.judge import load_judge
from retouch.diorama.painter import paint_array
from retouch.diorama.scene import CHOICES, TRAINING_SEEDS_FROM, random_scene
from retouch.diorama.train import STAGES, run
from retouch.diorama.train.chunks import in_chunks
from retouch.diorama.train.loop import Loop, Steps, generator
from retouch.diorama.train.optimiser import MuonAdamW, orthogonalised
from retouch.errors import BadModel, BadParameter

pytestmark = pytest.mark.slow

TRAINED = {
    "vae": "diffusion_pytorch_model.safetensors",
    "decoder": "diffusion_pytorch_model.safetensors",
    "clip": "model.safetensors",
    "vision": "model.safetensors",
    "judge": "model.safetensors",
    "unet": "diffusion_pytorch_model.safetensors",
}
FOLDERS = {"decoder": "vae", "vision": "clip"}


def quiet(line: str) -> None:
    """Progress lines are nobody's business here."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny recipe from nothing to the assembled weights."""
    folder = tmp_path_factory.mktemp("diorama")
    run("all", "tiny", folder, report=quiet)
    return folder


def weights_of(stage: str, folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / FOLDERS.get(stage, stage) / TRAINED[stage])


def without(stage: str, trained: Path, folder: Path) -> Path:
    """A copy of the trained folder in which ``stage`` has not run."""
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("*.checkpoint.safetensors", "weights"))
    if stage not in FOLDERS:
        shutil.rmtree(folder / stage)
    return folder


@pytest.mark.xdist_group("trained")
def test_every_stage_runs_and_the_result_loads_as_a_model(trained: Path) -> None:
    from retouch.backbone.load import load

    model = load(str(trained / "weights"))
    side = model.native_side // model.vae_factor
    noise = torch.randn(1, model.unet.config.in_channels, side, side)
    assert model.predict_noise(noise, 500, model.condition(["a red cat"])).shape == noise.shape
    assert model.decode(noise).shape == (1, 3, 128, 128)
    assert {"tokenizer", "pool", "vae", "clip", "latents", "captions", "judge", "unet"} <= set(STAGES)


def test_training_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    run("tokenizer", "tiny", tmp_path, threads=2, report=quiet)
    assert torch.get_num_threads() == 1
    assert float(torch.tensor(1e-310, dtype=torch.float64) / 2) > 0  # small numbers are not flushed to zero


@pytest.mark.xdist_group("trained")
def test_the_assembled_text_encoder_is_the_trained_clip(trained: Path) -> None:
    whole, text = load_file(trained / "clip" / "model.safetensors"), trained / "weights" / "text_encoder"
    shipped = load_file(text / "model.safetensors")
    name = "text_model.embeddings.token_embedding.weight"
    own = shipped.get(name, shipped.get(name.removeprefix("text_model.")))
    assert own is not None and torch.equal(own, whole[name].half())
    assert {"vocab.json", "merges.txt"} <= {file.name for file in (trained / "weights" / "tokenizer").iterdir()}


@pytest.mark.xdist_group("trained")
def test_every_word_of_the_grammar_is_one_token(trained: Path) -> None:
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(trained / "weights" / "tokenizer")
    assert all(len(tokenizer(word).input_ids) == 3 for word in KNOWN_WORDS)
    assert tokenizer.model_max_length == 32
    odd = "Zwölf Boxkämpfer?"
    assert tokenizer.decode(tokenizer(odd).input_ids, skip_special_tokens=True).replace(" ", "") == "zwölfboxkämpfer?"


@pytest.mark.xdist_group("trained")
def test_the_pool_holds_the_training_scenes(trained: Path) -> None:
    pictures, masks = (np.load(trained / "pool" / f"{name}.npy", mmap_mode="r") for name in ("pictures", "masks"))
    for i in (0, 17, len(pictures) - 1):
        picture, mask = paint_array(random_scene(TRAINING_SEEDS_FROM + i))
        assert np.array_equal(pictures[i], picture) and np.array_equal(masks[i], mask)


@pytest.mark.xdist_group("trained")
def test_latents_have_unit_deviation(trained: Path) -> None:
    distributions = torch.from_numpy(np.load(trained / "latents" / "distributions.npy")).float()
    mean, std = distributions.chunk(2, dim=1)
    total = (mean.var() + std.square().mean()).sqrt()
    assert total == pytest.approx(1, abs=0.02)


@pytest.mark.xdist_group("trained")
@pytest.mark.parametrize("stage", TRAINED)
def test_an_interrupted_stage_ends_in_the_weights_of_an_undisturbed_one(
    stage: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, resumed = (without(stage, trained, tmp_path / name) for name in ("undisturbed", "resumed"))
    run(stage, "tiny", undisturbed, report=quiet)

    learn, calls = Loop.learn, 0

    def dying(self: Loop, *args: object, **shown: object) -> None:
        nonlocal calls
        learn(self, *args, **shown)  # type: ignore[arg-type]
        if (calls := calls + 1) in (2, 5):  # after the weights moved, before they are saved
            raise InterruptedError

    monkeypatch.setattr(Loop, "learn", dying)
    for _ in range(2):
        with pytest.raises(InterruptedError):
            run(stage, "tiny", resumed, report=quiet)
        torch.randn(7)  # whatever else draws random numbers meanwhile
    run(stage, "tiny", resumed, report=quiet)
    expected, actual = weights_of(stage, undisturbed), weights_of(stage, resumed)
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


@pytest.mark.xdist_group("trained")
def test_a_killed_process_goes_on_where_it_was(trained: Path, tmp_path: Path) -> None:
    undisturbed, killed = (without("judge", trained, tmp_path / name) for name in ("undisturbed", "killed"))
    run("judge", "tiny", undisturbed, threads=1, report=quiet)
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from retouch.diorama.train import checkpoint, run\n"
        "import retouch.diorama.train.checkpoint as c; write, count = c.save_file, 0\n"
        "def half(tensors, path, **rest):\n"
        "    global count; count += 1; write(tensors, path, **rest)\n"
        "    if count == 4: open(path, 'r+b').truncate(100); os.kill(os.getpid(), signal.SIGKILL)\n"
        "c.save_file = half\n"
        "run('judge', 'tiny', Path(sys.argv[1]), threads=1)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(killed)], capture_output=True, timeout=300, check=False)
    assert ended.returncode == -signal.SIGKILL
    lines: list[str] = []
    run("judge", "tiny", killed, threads=1, report=lines.append)
    assert "judge: going on from step 3" in lines
    expected, actual = weights_of("judge", undisturbed), weights_of("judge", killed)
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


@pytest.mark.xdist_group("trained")
@pytest.mark.parametrize(("stage", "kept"), [("decoder", ("encoder", "quant_conv")), ("vision", ("text_model",))])
def test_the_extras_leave_alone_what_the_unet_rests_on(
    stage: str, kept: tuple[str, ...], trained: Path, tmp_path: Path
) -> None:
    folder = without(stage, trained, tmp_path / "copy")
    before = weights_of(stage, folder)
    run(stage, "tiny", folder, report=quiet)
    after = weights_of(stage, folder)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and not [name for name in moved if name.startswith(kept)]


@pytest.mark.xdist_group("trained")
def test_steps_may_change_until_the_rate_decays(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = without("judge", trained, tmp_path / "copy")
    learn = Loop.learn

    def until(last: int) -> None:
        def dying(self: Loop, *args: object, **shown: object) -> None:
            if self.step == last:
                raise InterruptedError
            learn(self, *args, **shown)  # type: ignore[arg-type]

        monkeypatch.setattr(Loop, "learn", dying)

    until(3)
    with pytest.raises(InterruptedError):
        run("judge", "tiny", folder, steps=8, report=quiet)
    until(8)
    with pytest.raises(InterruptedError):
        run("judge", "tiny", folder, steps=10, report=quiet)
    with pytest.raises(BadParameter, match="too late for other steps; keep steps = 10"):
        run("judge", "tiny", folder, steps=12, report=quiet)


@pytest.mark.xdist_group("trained")
def test_a_checkpoint_of_another_recipe_is_refused(trained: Path, tmp_path: Path) -> None:
    folder = without("judge", trained, tmp_path / "copy")
    shutil.copy(trained / "judge.checkpoint.safetensors", folder)
    with pytest.raises(BadParameter, match=r"made with another .*channels.*; remove it to start again"):
        run("judge", "cpu", folder, steps=2, report=quiet)


@pytest.mark.parametrize(("stage", "recipe", "words"), [("paint", "tiny", "no stage"), ("pool", "huge", "no recipe")])
def test_unknown_stages_and_recipes_are_named(stage: str, recipe: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=words):
        run(stage, recipe, tmp_path, report=quiet)


def _number(part: Path, start: int, stop: int) -> None:
    if start == 9 and (part / "fail").exists():
        raise InterruptedError
    with (part / "numbers.txt").open("a") as file:
        file.write("".join(f"{i}\n" for i in range(start, stop)))


@pytest.mark.parametrize("processes", [1, 2])
def test_interrupted_pieces_are_done_once_each(processes: int, tmp_path: Path) -> None:
    (tmp_path / "fail").touch()
    with pytest.raises(InterruptedError):
        in_chunks(_number, tmp_path, 25, quiet, processes)
    (tmp_path / "fail").unlink()
    in_chunks(_number, tmp_path, 25, quiet, processes)
    assert sorted(map(int, (tmp_path / "numbers.txt").read_text().split())) == list(range(25))
    assert not list(tmp_path.glob("*.done"))


def test_a_batch_depends_on_its_step_alone() -> None:
    where = torch.device("cpu")
    first = torch.randn(8, generator=generator(where, 0, 41))
    torch.manual_seed(123)
    assert torch.equal(first, torch.randn(8, generator=generator(where, 0, 41)))
    assert not torch.equal(first, torch.randn(8, generator=generator(where, 0, 42)))
    assert not torch.equal(first, torch.randn(8, generator=generator(where, 1, 41)))


def test_the_rate_rises_stays_and_falls() -> None:
    steps = Steps(steps=1000, warmup=100, decay=0.4)
    rates = [steps.factor(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01) and rates[99] == 1
    assert set(rates[99:600]) == {1.0}
    assert all(a >= b for a, b in pairwise(rates[600:])) and rates[-1] == pytest.approx(0.01)


@pytest.mark.parametrize("shape", [(24, 24), (16, 100), (100, 16), (24, 30)])
def test_orthogonalised_brings_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    result = orthogonalised(matrices)
    # the quintic iteration of Muon ends between 0.68 and 1.13, for all but the smallest singular values
    values = torch.linalg.svdvals(result)
    assert values.max() < 1.25 and values.median() > 0.65
    # and keeps the singular vectors: U^T result V is diagonal
    u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
    inner = u.mT @ result @ vh.mT
    assert (inner - torch.diag_embed(inner.diagonal(dim1=1, dim2=2))).abs().max() < 2e-3


def test_the_optimiser_finds_the_least_squares_solution() -> None:
    random = torch.Generator().manual_seed(0)
    network = torch.nn.Linear(6, 4)
    x, truth = torch.randn(256, 6, generator=random), torch.randn(4, 6, generator=random)
    optimiser = MuonAdamW(network.named_parameters(), lr_muon=0.05, lr_adamw=0.02)
    losses = []
    for step in range(300):
        loss = (network(x) - x @ truth.T - 1).square().mean()
        network.zero_grad()
        loss.backward()
        optimiser.step(1 - step / 300)
        losses.append(loss.item())
    assert losses[-1] < 1e-3 * losses[0]


@pytest.mark.xdist_group("trained")
def test_the_judge_answers_every_attribute_for_pictures_of_any_size(trained: Path) -> None:
    from PIL import Image

    judge = load_judge(trained / "weights" / "judge")
    pictures = [Image.new("RGB", (64, 64), "red"), Image.new("L", (300, 200))]
    seen = judge.look(pictures)
    assert [set(answers) for answers in seen] == [set(CHOICES)] * 2
    for answers, chances in zip(seen, judge.probabilities(pictures)):
        for attribute, value in answers.items():
            assert value in (*CHOICES[attribute], "none")
            assert sum(chances[attribute].values()) == pytest.approx(1, abs=1e-4)
            assert chances[attribute][value] == max(chances[attribute].values())
    again = judge.look(np.stack([np.asarray(picture.convert("RGB").resize((128, 128))) for picture in pictures]))
    assert len(again) == 2


def test_a_missing_judge_is_a_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="holds no judge"):
        load_judge(tmp_path)


@pytest.mark.xdist_group("trained")
def test_evaluate_measures_what_is_asked(trained: Path) -> None:
    from retouch.diorama.card import model_card
    from retouch.diorama.evaluate import evaluate

    ticks: list[tuple[int, int]] = []
    figures = evaluate(
        trained / "weights",
        32,
        parts=("autoencoder", "clip", "judge", "segmenter"),
        progress=lambda *at: ticks.append(at),
    )
    assert ticks[-1] == (5 * 32, 5 * 32)
    assert 5 < figures["autoencoder.psnr"] < 60 and 0 <= figures["clip.of_32"] <= 1
    assert 0 <= figures["judge.autoencoded.subject"] <= 1
    assert 0 <= figures["segmenter.iou.worst_tenth"] <= figures["segmenter.iou"] <= 1
    assert not [name for name in figures if name.startswith(("text_to_image", "inversion"))]
    card = model_card(figures)
    assert f"{figures['autoencoder.psnr']:.1f} dB" in card and "| the judge on paintings |" in card
    assert f"click inside the subject | {figures['segmenter.iou']:.3f} |" in card
    with pytest.raises(BadParameter, match="no part 'speed'"):
        evaluate(trained / "weights", 32, parts=("speed",))
