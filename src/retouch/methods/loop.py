"""The one denoising loop that all tuning-free methods run."""

from __future__ import annotations

from collections.abc import Callable

import torch

from retouch.backbone.model import Backbone
from retouch.branches import Control, Guidance, State, Step
from retouch.inversion.trajectory import Trajectory


@torch.no_grad()
def denoise(
    model: Backbone,
    trajectory: Trajectory,
    guidance: Guidance,
    control: Control | None = None,
    *,
    source_branch: bool = False,
    progress: Callable[[int], None] | None = None,
) -> State:
    """Runs the branches side by side from the noisiest latent down to the picture.

    Every step evaluates the network once, on one batch of the rows that the guidance asks for.

    Returns:
        the final latents by branch: "target", and "source" with ``source_branch``.
    """
    state: State = {"target": trajectory.start}
    if source_branch:
        state["source"] = trajectory.start
    if control is None:
        return _descend(model, trajectory, guidance, None, state, progress)
    with control.attached(model):
        return _descend(model, trajectory, guidance, control, state, progress)


def _descend(
    model: Backbone,
    trajectory: Trajectory,
    guidance: Guidance,
    control: Control | None,
    state: State,
    progress: Callable[[int], None] | None,
) -> State:
    for number in range(trajectory.steps):
        index = trajectory.steps - 1 - number
        step = Step(index, number, trajectory.steps, trajectory.schedule)
        rows = guidance.rows(step)
        if control:
            control.begin(step, rows)
        latents = torch.cat([state[row.branch] for row in rows])
        predicted = model.predict_noise(latents, step.timestep, trajectory.texts.batch(rows, index))
        noise = {row: predicted[i : i + 1] for i, row in enumerate(rows)}
        state = guidance.advance(state, noise, step)
        if trajectory.aligned and "source" in state:
            state["source"] = trajectory.latents[index]  # latent-align: the source branch cannot drift
        if control:
            state = control.after_step(state, step)
        if progress:
            progress(1)
    return state
