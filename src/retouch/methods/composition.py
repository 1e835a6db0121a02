"""Inversion × attention control × guidance × sampler: a tuning-free system is a choice of these, and so is a mix."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from inspect import get_annotations
from math import nan
from typing import Any, ClassVar

import torch

from retouch.backbone.schedule import Schedule
from retouch.errors import BadParameter
from retouch.guidance.stack import Stack
from retouch.methods.choice import Choice
from retouch.methods.loop import check_changes, denoise, rows_of
from retouch.methods.method import Method
from retouch.parameters import parameter, parameters_of
from retouch.parts.asked import Asked, Idle
from retouch.parts.job import Job, Outcome, source_of
from retouch.parts.part import Addition, Control, Guidance, Inversion, Sampler
from retouch.parts.rows import TARGET_NEGATIVE, TARGET_NULL, Step
from retouch.parts.trajectory import Trajectory


class Composed(Method):
    """A method made of an inversion, a control, a guidance and a sampler.

    A subclass names them and becomes a frozen dataclass whose fields are their parameters, with ``defaults`` in place
    of theirs::

        class ProxNPI(Composed, inversion="negative-prompt", control="prompt-to-prompt", guidance="proximal"): ...

    A subclass may declare parameters of its own after those. ``guidance`` may name others after a "+", that go on top
    of the guidance named first: "classifier-free+guiders" are Guide-and-Rescale's energies. Without a ``sampler`` it is
    the one that the inversion is for, or DDIM.
    """

    parts: ClassVar[dict[str, str]]
    choice: ClassVar[Choice]
    empty_source: ClassVar[bool] = False  # whether a missing source prompt stands for the empty one
    takes_negative: ClassVar[bool] = True

    num_inference_steps: int

    def __init_subclass__(
        cls,
        *,
        inversion: str,
        control: str = "none",
        guidance: str = "classifier-free",
        sampler: str = "",
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        cls.choice = Choice.named(inversion, control, guidance, sampler)
        cls.parts = cls.choice.names()
        cls.needs_source = cls.choice.inversion.keeps_source and (
            cls.choice.control.needs_source or not cls.empty_source
        )
        cls.takes_foreground = cls.choice.control.takes_foreground
        cls.keeps_at_a_cost = cls._lacks_source(cls.choice.inversion.knows_path)
        own = dict(defaults or {})
        steps = parameter(50, "denoising steps T; fewer are faster and coarser", low=1, high=1000, unit="steps")
        declared: dict[str, tuple[Any, Any, Any]] = {"num_inference_steps": ("int", steps.default, steps.metadata)}
        for part in cls.choice.classes():
            declared |= {f.name: (f.type, f.default, f.metadata) for f in fields(part) if "kind" in f.metadata}
        more = {k: v for k, v in get_annotations(cls).items() if isinstance(cls.__dict__.get(k), Field)}
        unknown = set(own) - set(declared)
        if unknown:
            raise TypeError(f"{cls.__name__} has no parameter {', '.join(sorted(unknown))}")
        cls.__annotations__ = {name: kind for name, (kind, _, _) in declared.items()} | more
        for name, (_, default, metadata) in declared.items():
            setattr(cls, name, field(default=own.get(name, default), metadata=metadata))
        dataclass(frozen=True)(cls)

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = self.inversion_part.down(self.num_inference_steps)
        self.inversion_part.check(self.num_inference_steps)
        for part in (self.control_part, self.guidance_part, self.sampler_part):
            part.check(steps)
        if self.choice.inversion.name == "null-text" and self.guidance_part.scale == 1:
            raise BadParameter(
                "guidance_scale is 1, where the null text has no effect, so that 'null-text' has nothing to fit: "
                "raise guidance_scale, or choose the inversion ddim."
            )

    @classmethod
    def made_of(cls) -> str:
        """Its parts."""
        return " × ".join(cls.parts.values())

    def _made(self, part: type[Any]) -> Any:
        return part(**{p.name: getattr(self, p.name) for p in parameters_of(part)})

    @property
    def inversion_part(self) -> Inversion:
        """A fresh inversion with the method's parameters."""
        made: Inversion = self._made(self.choice.inversion)
        return made

    @property
    def control_part(self) -> Control:
        """A fresh control with the method's parameters."""
        made: Control = self._made(self.choice.control)
        return made

    @property
    def guidance_part(self) -> Guidance:
        """A fresh guidance with the method's parameters, those on top included."""
        base: Guidance = self._made(self.choice.guidance)
        if not self.choice.additions:
            return base
        additions: list[Addition] = [self._made(part) for part in self.choice.additions]
        for addition in additions:
            addition.base, addition.controlled = base, self.choice.control.shares
        return Stack(base, additions)

    def guidance_against(self, negative: bool) -> Guidance:
        """A fresh guidance that knows of a negative prompt, where there is one that can act."""
        guidance = self.guidance_part
        combines = guidance.base if isinstance(guidance, Stack) else guidance
        combines.negative = negative and combines.takes_negative and not combines.idle_negative()
        return guidance

    def draws_to_negative(self) -> bool:
        """As its guidance says."""
        return self.guidance_part.draws_to_negative()

    def negative_text(self, negative: str, source: str | None) -> str:
        """As its inversion says."""
        return self.inversion_part.negative_text(negative, source)

    @property
    def sampler_part(self) -> Sampler:
        """A fresh sampler with the method's parameters."""
        made: Sampler = self._made(self.choice.sampler)
        return made

    def steps(self) -> int:
        """The inversion's, those down, and what the control does between them."""
        inversion = self.inversion_part
        down = inversion.down(self.num_inference_steps)
        return inversion.steps(self.num_inference_steps) + down + (self.control_part.extra_steps() if down else 0)

    def evaluations(self, negative: bool = False) -> int:
        """The inversion's, the rows of every step and those with a gradient; where a fit may stop early, at most.

        Args:
            negative: whether there is a negative prompt.
        """
        inversion, guidance, control = self.inversion_part, self.guidance_against(negative), self.control_part
        cost = inversion.evaluations(self.num_inference_steps)
        cost += control.extra_evaluations() if inversion.down(self.num_inference_steps) else 0
        for step in self._steps_down(negative):
            cost += len(step.rows) + guidance.gradient_rows(step)
        return cost

    def _steps_down(self, negative: bool) -> Iterator[Step]:
        """The steps with their rows, to count these and to see what the network is told."""
        inversion, guidance, control = self.inversion_part, self.guidance_against(negative), self.control_part
        down, halves = inversion.down(self.num_inference_steps), inversion.source_is_guided()
        for number in range(down):
            step = Step(down - 1 - number, number, down, _NO_SCHEDULE)
            step.rows = rows_of(guidance, control, step, inversion.knows_path, halves)
            yield step

    def idle(self, asked: Asked) -> Idle:
        """What its parts say, and without a step to denoise everything but what says that there is none."""
        found, inversion = super().idle(asked), self.inversion_part
        if not inversion.keeps_source and not asked.model.recommended.when_changed:
            found["source"] = f"{self.name} reads the target prompt alone"
        down, silent = inversion.down(self.num_inference_steps), self.guidance_part.idle_negative()
        if not down or silent:
            found["negative_prompt"] = silent or "nothing is denoised"
        if not down:
            own = {p.name for p in parameters_of(inversion)}
            if any(inversion.down(more) for more in (50, 1000)):  # it is T that leaves no whole step
                own.add("num_inference_steps")
            return found | {p.name: "nothing is denoised" for p in parameters_of(self) if p.name not in own}
        texts = frozenset(row.text for step in self._steps_down(asked.negative) for row in step.rows)
        asked = replace(asked, steps=down, total=self.num_inference_steps, texts=texts)
        for part in (inversion, self.control_part, self.guidance_part, self.sampler_part):
            found |= part.idle(asked)
        if self.choice.inversion.reads_scale:
            found.pop("guidance_scale", None)
        return found | self._idle_prompts(asked, found)

    def _idle_prompts(self, asked: Asked, found: Idle) -> Idle:
        """The prompts that nothing reads; ``found``: what the parts say, corrected where another part reads one."""
        control, compared = self.choice.control, self.choice.control.needs_difference and not asked.masked
        if compared:
            found.pop("source", None)
        if control.shares or control.needs_difference:
            return {}
        if "target" not in asked.texts:
            return {"target": "other texts take its place"}
        alone = all(self._made(addition).is_off() for addition in self.choice.additions)
        if self.choice.guidance.scale_0_is_null and self.guidance_part.scale == 0 and alone:
            return {} if asked.model.recommended.when_changed else {"target": "guidance_scale is 0"}
        return {}

    def reconstructs(self, masked: bool = False) -> bool:
        """Whether its inversion makes up for guidance, or there is no guidance to make up for; without other changes.

        Guidance on top of another shifts what it combines, and a sampler that the inversion is not for adds noise.
        """
        inversion = self.inversion_part
        if not inversion.down(self.num_inference_steps) or (self.choice.control.needs_difference and not masked):
            return True
        own = self.choice.sampler.name == inversion.sampler if inversion.sampler else self.sampler_part.is_ddim()
        if not own:
            return False
        if (
            not all(self._made(addition).is_off() for addition in self.choice.additions)
            or self.control_part.edits_by_itself()
        ):
            return False
        return inversion.returns_picture(self.guidance_part.scale if self.choice.guidance.is_linear else nan)

    def edit(self, job: Job) -> Outcome:
        """Inverts, then denoises the branches under control and guidance."""
        if self.needs_source:
            source_of(job, self.name)
        self.tried(job)
        return self.denoised(job, self.inverted(job))

    def tried(self, job: Job) -> None:
        """Makes the parts ready once, so that what is wrong with words or layers is said before the work."""
        attached = self.control_part, self.guidance_part, self.sampler_part
        for part in (self.inversion_part, *attached):
            part.prepare(job)
        check_changes(job.model, *attached)

    def inverted(self, job: Job) -> Trajectory:
        """The job's picture as noise."""
        inversion = self.inversion_part
        inversion.prepare(job)
        return inversion.run(job, self.num_inference_steps, self.guidance_part.scale)

    @classmethod
    def _lacks_source(cls, path_known: bool) -> bool:
        """Whether it goes down without a source branch, and where that would end has to be found out."""
        known = path_known or cls.choice.control.needs_difference
        return cls.choice.inversion.keeps_source and not cls.choice.control.shares and not known

    def denoised(self, job: Job, trajectory: Trajectory, gateways: Collection[int] = ()) -> Outcome:
        """One run of the branches from the noise down; ``gateways`` as in :func:`denoise`."""
        control, guidance, sampler = self.control_part, self.guidance_against(bool(job.negative)), self.sampler_part
        if job.negative and not guidance.idle_negative():
            row = TARGET_NEGATIVE if self.choice.guidance.takes_negative else TARGET_NULL
            trajectory = trajectory.with_texts({row.text: self.inversion_part.negative(job, trajectory)})
        for part in (control, guidance, sampler):
            part.prepare(job)
            trajectory = trajectory.with_texts(part.texts(job))
            if trajectory.steps:
                part.begin(job, trajectory)
        beside = job.keeps and self._lacks_source(trajectory.path is not None)
        state = denoise(
            job.model, trajectory, guidance, control, sampler, mask=job.mask, strength=job.strength, beside=beside,
            gateways=gateways, progress=job.progress, preview=job.preview,
        )  # fmt: skip
        source = state.get("source", None if trajectory.path is None else trajectory.path[0])
        if not job.strength:  # a path that ends beside the picture is no source of what is the picture itself
            source = state["target"]
        mask = control.mask()
        notes = [] if trajectory.steps else ["no step is denoised: the picture comes back as it was read."]
        notes += [note for part in (control, guidance, sampler) for note in part.notes()]
        return Outcome(state["target"], source, job.mask if mask is None else mask, notes)


_NO_SCHEDULE = Schedule((), torch.zeros(0), 1.0)  # to count the rows of steps, none is needed
