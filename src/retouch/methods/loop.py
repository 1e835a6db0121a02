"""The one denoising loop that all tuning-free methods run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor

from retouch.attach import Moment, attached
from retouch.backbone.model import Backbone
from retouch.branches import SOURCE, SOURCE_NULL, Row, State, Step
from retouch.guidance.classifier_free import guided
from retouch.inversion.trajectory import Trajectory
from retouch.parts import Control, Guidance


def denoise(
    model: Backbone,
    trajectory: Trajectory,
    guidance: Guidance,
    control: Control | None = None,
    *,
    mask: Tensor | None = None,
    gateways: Collection[int] = (),
    progress: Callable[[int], None] | None = None,
) -> State:
    """Runs the branches side by side from the noisiest latent down to the picture.

    Every step evaluates the network once, on one batch of the rows that guidance and control ask for.

    Args:
        mask: [1, 1, h, w] in 0..1; where it is 0 the target is held to the inverted picture at every step.
        gateways: numbers of the steps whose predicted noise gradients pass through (E4C); elsewhere it counts as a
            constant, and the way back from one step to the one before is a factor. None: no graph at all.

    Returns:
        the final latents by branch: "target", and "source" where there is a control.
    """
    state: State = {"target": trajectory.start}
    if control:
        state["source"] = trajectory.start
    moment = Moment()
    parts = [part for part in (control, guidance) if part]
    edits = [edit for part in parts for edit in part.edits(model)]
    blocks = [edit for part in parts for edit in part.block_edits(model)]
    with attached(model, edits, moment, blocks):
        for number in range(trajectory.steps):
            index = trajectory.steps - 1 - number
            step = Step(index, number, trajectory.steps, trajectory.schedule)
            rows = [*source_rows(trajectory, guidance, control), *guidance.rows(step)]
            moment.step, moment.rows = step, rows
            here = {**state, "inverted": trajectory.latents[index + 1]}
            with torch.set_grad_enabled(bool(gateways)):
                latents = torch.cat([here[row.branch] for row in rows])
            with torch.set_grad_enabled(number in gateways):
                predicted = model.predict_noise(latents, step.timestep, trajectory.texts.batch(rows, index))
            with torch.set_grad_enabled(bool(gateways)):
                noise = {row: predicted[i : i + 1] for i, row in enumerate(rows)}
                below = {"target": guidance.advance(state["target"], noise, step, moment)}
                if control:
                    if trajectory.path:
                        below["source"] = trajectory.path[index]
                    else:
                        source = guided(noise.get(SOURCE_NULL), noise[SOURCE], guidance.guidance_scale)
                        below["source"] = guidance.advance_source(state["source"], source, step)
                    below = control.after_step(below, step)
                if mask is not None:
                    below["target"] = torch.lerp(trajectory.latents[index], below["target"], mask.to(below["target"]))
            state = below
            if progress:
                progress(1)
    return state


def source_rows(trajectory: Trajectory, guidance: Guidance, control: Control | None) -> Sequence[Row]:
    """The source branch's rows: none without a control, and its null half only where somebody needs it.

    The halves coincide at guidance 1 and where the source's null text is its own prompt. Where its path is known,
    the null half serves only a control that looks at it.
    """
    if control is None:
        return []
    halves = guidance.guidance_scale != 1 and not trajectory.texts.same("source_null", "source")
    if halves and (trajectory.path is None or control.reads_source_null):
        return [SOURCE, SOURCE_NULL]
    return [SOURCE]
