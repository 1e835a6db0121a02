"""The one denoising loop that all tuning-free methods run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from retouch.backbone.condition import Condition
from retouch.backbone.precision import Watch
from retouch.backbone.processors import has_other_processors
from retouch.backbone.protocol import Backbone
from retouch.parts.attach import attached, check_attachable
from retouch.parts.edits import AttentionEdit, BlockEdit
from retouch.parts.held import held, held_steps, weaker
from retouch.parts.part import Control, Guidance, Part, Predictions, Sampler
from retouch.parts.rows import SOURCE, SOURCE_BRANCH, SOURCE_NULL, TARGET_BRANCH, Branch, Row, State, Step
from retouch.parts.trajectory import Trajectory


def denoise(
    model: Backbone, trajectory: Trajectory, guidance: Guidance, control: Control, sampler: Sampler, *,
    mask: Tensor | None = None, strength: float = 1.0, beside: bool = False, gateways: Collection[int] = (),
    progress: Callable[[int], None] | None = None, preview: Callable[[Tensor], None] | None = None,
) -> State:  # fmt: skip
    """Runs the branches side by side from the noisiest latent down to the picture.

    Every step evaluates the network once, on all rows; each branch's are combined, and the sampler leads on from there.

    Args:
        mask: [1, 1, h, w] in 0..1; where it is 0 the target is held to the inverted picture at every step, and where
            it is grey for some; see :func:`retouch.parts.held.held`. Steps held everywhere are left out.
        strength: of the whole edit, 0..1: the same as a mask of this grey, which the source branch is held by, too.
        beside: whether the source is denoised, too, though the control shares nothing: unguided, one row more a step.
        gateways: numbers of the steps whose predicted noise gradients pass through (E4C); elsewhere it counts as a
            constant, and the way back from one step to the one before is a factor. None: no graph at all.
        preview: called with the target's ẑ_0 after every step.

    Returns:
        the final latents by branch: "target", and "source" where the control shares or it was wanted.
    """
    total, free, held_source = trajectory.steps, weaker(mask, strength), weaker(None, strength)
    left_out = held_steps(free, total)
    free, held_source = (None if one is None else one.to(trajectory.start) for one in (free, held_source))
    start, shares, watch = trajectory.latents[total - left_out], control.shares or beside, Watch()
    state, report = {"target": start} | ({"source": start} if shares else {}), progress or (lambda steps: None)
    halves = control.shares and not trajectory.same("source_null", "source")
    if left_out:
        report(left_out)
    with attached(model, *_changes(model, (control, guidance, sampler))) as now:
        for number in range(left_out, total):
            index = total - 1 - number
            now.step = step = Step(index, number, total, trajectory.schedule, state=state)
            step.rows = rows_of(guidance, control, step, trajectory.path is not None, halves, beside)
            here = {**state, "inverted": trajectory.latents[index + 1]}
            with torch.set_grad_enabled(bool(gateways)):
                latents = torch.cat([here[row.branch] for row in step.rows])
            with torch.set_grad_enabled(number in gateways):
                texts = trajectory.batch(step.rows, index)
                predicted = _predicted(model, latents, step, texts, (control, guidance, sampler))
            with torch.set_grad_enabled(bool(gateways)):
                predictions = dict(zip(step.rows, watch.seen(predicted, step.timestep).split(1), strict=True))
                target, original = _led_on(model, TARGET_BRANCH, predictions, guidance, sampler, step)
                below = {"target": target}
                if trajectory.path and shares:
                    below["source"] = trajectory.path[index]
                elif shares:
                    source, _ = _led_on(model, SOURCE_BRANCH, predictions, guidance, sampler, step)
                    below["source"] = held(source, trajectory.latents[index], held_source, number, total)
                for part in (guidance, control):
                    below = part.after_step(below, step)
                below["target"] = held(below["target"], trajectory.latents[index], free, number, total)
            state = below
            report(1)
            if preview:
                preview(original.detach())
    watch.check(model.name, model.dtype)
    return state


def _predicted(model: Backbone, latents: Tensor, step: Step, texts: Condition, parts: Sequence[Part]) -> Tensor:
    """What the network predicts; a gateway's graph is made anew in the backward pass, where memory is saved."""
    if model.memory == "fast" or not torch.is_grad_enabled():
        return model.predict(latents, step.timestep, texts)

    @contextmanager
    def once_more() -> Iterator[None]:
        before = model.evaluations
        with attached(model, *_changes(model, parts)) as now:
            now.step = step
            try:
                yield
            finally:  # it ends where all that is needed has been made
                model.evaluations = before

    found: Tensor = checkpoint(
        lambda rows: model.predict(rows, step.timestep, texts), latents, use_reentrant=False, preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), once_more()),
    )  # fmt: skip
    return found


def check_changes(model: Backbone, *parts: Part) -> None:
    """Refuses, before the work, what the parts could not be attached to.

    Raises:
        RetouchError: as :func:`retouch.parts.attach.check_attachable`.
    """
    if has_other_processors(model.network):
        check_attachable(model, _changes(model, parts)[0])


def _changes(model: Backbone, parts: Sequence[Part]) -> tuple[list[AttentionEdit], list[BlockEdit]]:
    """What the parts do to the network's attention, and to its blocks."""
    edits = [edit for part in parts for edit in part.edits(model)]
    return edits, [edit for part in parts for edit in part.block_edits(model)]


def _led_on(
    model: Backbone, branch: Branch, predictions: Predictions, guidance: Guidance, sampler: Sampler, step: Step
) -> tuple[Tensor, Tensor]:
    """The branch's latents one step further down: combined, turned into (ẑ_0, ε), corrected, sampled; and its ẑ_0."""
    latents, level, kind = step.state[branch.name], step.level, model.prediction_type
    combined = guidance.combine(predictions, branch, step)
    guided = branch is TARGET_BRANCH and sum(row.branch == branch.name for row in predictions) > 1
    split = step.schedule.split_guided if guided else step.schedule.split
    original, noise = split(combined.prediction, latents, step.index, kind)
    if latents.requires_grad and level.alpha:  # between gateways ε is the constant, whatever the network predicts
        noise = level.noise(combined.prediction, latents.detach(), kind)
        original = level.original(latents, noise)
    if combined.renoise is not None:
        noise = level.noise(combined.renoise, latents, kind)
    original = guidance.correct(original, branch, step)
    return sampler.step(branch, original, noise, step), original


def rows_of(
    guidance: Guidance, control: Control, step: Step, path_known: bool, halves: bool, beside: bool = False
) -> Sequence[Row]:
    """The rows of a step: the source branch's, then those that guidance asks for.

    There are none of the source without a control that shares, unless it is wanted ``beside`` the target. Its null half
    is left out where it coincides with its prompt's (``halves``), at guidance 1, and, where its path is known, unless
    the control looks at it.
    """
    target = guidance.rows(TARGET_BRANCH, step)
    if not control.shares and not beside:
        return list(target)
    wanted = [row for row in guidance.rows(SOURCE_BRANCH, step) if row != SOURCE]
    if path_known:
        wanted = [row for row in wanted if row == SOURCE_NULL and control.reads_source_null]
    if not halves:
        wanted = [row for row in wanted if row != SOURCE_NULL]
    return [SOURCE, *wanted, *target]
