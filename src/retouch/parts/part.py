"""What an inversion, a control, a guidance and a sampler are: declared parameters, and what the loop calls.

A part is a dataclass whose fields are declared by :func:`retouch.parameters.parameter`. A fresh one is made for every
edit, so that what it notes on the way lives on it. Every hook has a default that does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from torch import Tensor

from retouch.backbone.condition import Condition, StepwiseCondition
from retouch.backbone.protocol import Backbone
from retouch.parts.asked import Asked, Idle
from retouch.parts.edits import AttentionEdit, BlockEdit
from retouch.parts.job import Job
from retouch.parts.rows import Branch, Row, State, Step
from retouch.parts.trajectory import Trajectory

Predictions = Mapping[Row, Tensor]
"""What the network predicted in its own terms, [1, C, h, w] for every row of a step."""


@dataclass
class Part:
    """The base of all parts."""

    name: ClassVar[str]
    summary: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()

    def check(self, steps: int) -> None:
        """Refuses settings that make no sense, with ``steps`` to denoise."""

    def idle(self, asked: Asked) -> Idle:
        """The parameters that cannot act on an edit as it is asked, with the reason; see :mod:`retouch.parts.asked`.

        Whoever sets one is told so; a recipe lists it only where its default would act in its place.
        """
        return {}

    def prepare(self, job: Job) -> None:
        """Reads the prompts and the mask: what is wrong with them is said here, before any work."""

    def begin(self, job: Job, trajectory: Trajectory) -> None:
        """Called between the inversion and the first step."""

    def texts(self, job: Job) -> Mapping[str, Condition]:
        """Texts for its rows beyond those of the inversion, by a name of its own."""
        return {}

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """Changes to attention layers, attached while the loop runs and detached whatever happens.

        Of a live pipeline with attention processors of its owner's they are asked for before the inversion, too.
        """
        return ()

    def block_edits(self, model: Backbone) -> Sequence[BlockEdit]:
        """Changes to the outputs of blocks, likewise."""
        return ()

    def after_step(self, state: State, step: Step) -> State:
        """The state one step further down, source branch included, to go on with."""
        return state

    def notes(self) -> Sequence[str]:
        """After the last step: what the user should know of it, in sentences."""
        return ()


@dataclass
class Inversion(Part):
    """How a picture becomes noise, and what the texts mean on the way down."""

    keeps_source: ClassVar[bool] = True  # whether a source branch could follow it
    knows_path: ClassVar[bool] = False  # whether the source branch need not be denoised
    guides_source: ClassVar[bool] = True  # whether the source branch has a null half of its own
    reads_scale: ClassVar[bool] = False  # whether the trajectory depends on the scale that it will be sampled under
    sampler: ClassVar[str] = ""  # the sampler that its trajectory is for, where that is no other

    def check(self, steps: int) -> None:
        """Refuses settings that make no sense, with T ``steps`` for the whole way."""

    def returns_picture(self, guidance_scale: float) -> bool:
        """Whether sampling under the source prompt, guided at this scale, leads back to the picture.

        The scale is not a number where guidance is not linear: then every scale must.
        """
        return self.keeps_source and guidance_scale == 1

    def source_is_guided(self) -> bool:
        """Whether the source branch's two halves differ."""
        return self.guides_source

    def down(self, steps: int) -> int:
        """How many of T ``steps`` are denoised."""
        return steps

    def steps(self, steps: int) -> int:
        """How many steps the inversion itself takes, for the progress bar."""
        return steps

    def evaluations(self, steps: int) -> int:
        """How many network evaluations the inversion costs at most."""
        return steps

    def negative_text(self, negative: str, source: str | None) -> str:
        """What the network is told in place of the target's null text where there is a negative prompt: that alone."""
        return negative

    def negative(self, job: Job, trajectory: Trajectory) -> Condition | StepwiseCondition:
        """What that text means, at every step down."""
        return job.model.condition([self.negative_text(job.negative or "", job.source)])

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """Inverts the job's picture in T ``steps``, for sampling under ``guidance_scale``."""
        raise TypeError(f"{type(self).__name__} does not invert")


@dataclass
class Control(Part):
    """What the target shares with the source inside the network, and what is mended between steps."""

    shares: ClassVar[bool] = False  # whether there is a source branch
    needs_source: ClassVar[bool] = False  # whether the source prompt's words matter
    reads_source_null: ClassVar[bool] = False  # whether the source's null half is looked at where it is not needed else
    takes_foreground: ClassVar[bool] = False  # whether it treats the subject and the rest apart, where it is told
    needs_difference: ClassVar[bool] = False  # whether equal prompts leave the picture as it is, without a mask by hand

    def edits_by_itself(self) -> bool:
        """Whether something changes although both prompts say the same."""
        return False

    def mask(self) -> Tensor | None:
        """Where the control let the edit happen, [1, 1, h, w]; None where it did not decide that."""
        return None

    def extra_evaluations(self) -> int:
        """Network evaluations before the first step, on top of the loop's."""
        return 0

    def extra_steps(self) -> int:
        """For the progress bar: how many batches these are; :meth:`begin` reports them."""
        return 0


class Guided(NamedTuple):
    """A combined prediction; ``renoise`` is the one whose ε leads on from ẑ_0, where that is another (CFG++)."""

    prediction: Tensor
    renoise: Tensor | None = None


@dataclass
class Guidance(Part):
    """How the predictions of one branch are combined in a step; the loop moves the latents."""

    needs_trajectory: ClassVar[bool] = False  # whether it holds the edit to the inverted picture
    is_linear: ClassVar[bool] = True  # whether w alone says how the halves are combined
    scale_0_is_null: ClassVar[bool] = False  # whether at scale 0 the null text alone counts for the target
    renoises: ClassVar[bool] = False  # whether :attr:`Guided.renoise` is another prediction than the combined one
    takes_negative: ClassVar[bool] = False  # whether a negative prompt goes beside the null text, as TARGET_NEGATIVE
    negative: bool = field(default=False, init=False)  # whether there is one, and it is to be led away from there

    @property
    def scale(self) -> float:
        """w; at 1 the null text does not count."""
        return 1.0

    def idle_negative(self) -> str:
        """Why a negative prompt cannot act; "" where it can."""
        return "guidance_scale is 1" if self.scale == 1 else ""

    def draws_to_negative(self) -> bool:
        """Whether the picture would be led towards a negative prompt, and not away from it."""
        return self.scale < 1

    def rows(self, branch: Branch, step: Step) -> Sequence[Row]:
        """The rows whose predictions :meth:`combine` needs: by default both halves, at w = 1 the prompt's alone."""
        return [branch.text] if self.scale == 1 else [branch.null, branch.text]

    def combine(self, predictions: Predictions, branch: Branch, step: Step) -> Guided:
        """The branch's combined prediction, in the network's own terms: what is linear is the same in all of them.

        Where a branch's null text is its own prompt the null row is missing: its prediction is the prompt's.
        """
        raise TypeError(f"{type(self).__name__} does not combine")

    def pull(self, predictions: Predictions, branch: Branch, step: Step) -> Tensor:
        """What guidance adds to the null prediction: w (ε(c) − ε(∅)), or what stands in its place."""
        return self.scale * (predictions[branch.text] - null_of(predictions, branch))

    def correct(self, original: Tensor, branch: Branch, step: Step) -> Tensor:
        """ẑ_0 of the branch, [1, C, h, w], as the sampler should see it."""
        return original

    def gradient_rows(self, step: Step) -> int:
        """How many rows :meth:`combine` evaluates by itself, with a gradient."""
        return 0


@dataclass
class Addition(Guidance):
    """A guidance on top of another: it shifts the predictions that the other combines."""

    controlled: bool = False  # whether a control changes what the target's rows predict
    base: Guidance | None = None

    def is_off(self) -> bool:
        """Whether its parameters leave it nothing to shift."""
        return False

    def rows_with(self, rows: Sequence[Row], branch: Branch, step: Step) -> Sequence[Row]:
        """The base's ``rows`` with those that this one needs."""
        return rows

    def shifted(self, predictions: Predictions, branch: Branch, step: Step) -> Predictions:
        """The predictions for the base to combine: the same shift of both halves shifts their combination."""
        raise TypeError(f"{type(self).__name__} does not shift")


@dataclass
class Sampler(Part):
    """How ẑ_0 and ε of one noise level become the latents of the next."""

    def is_ddim(self) -> bool:
        """Whether it walks the deterministic way that DDIM inversion walked up."""
        return False

    def step(self, branch: Branch, original: Tensor, noise: Tensor, step: Step) -> Tensor:
        """The branch's latents [1, C, h, w] at the step's lower level."""
        raise TypeError(f"{type(self).__name__} takes no steps")


def null_of(predictions: Predictions, branch: Branch) -> Tensor:
    """The branch's null prediction; its prompt's where the two texts are the same."""
    return predictions[branch.null if branch.null in predictions else branch.text]
