"""Inversion × attention control × guidance: every tuning-free system is a choice of the three, and so is a mix."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from inspect import get_annotations
from typing import Any, ClassVar, TypeVar

from retouch.errors import BadParameter
from retouch.inversion.trajectory import Trajectory
from retouch.methods.controls import CONTROLS, ControlChoice
from retouch.methods.guidances import GUIDANCES, GuidanceChoice, Guiders
from retouch.methods.inversions import INVERSIONS, Inversion
from retouch.methods.loop import denoise
from retouch.methods.method import Job, Method, Outcome, source_of
from retouch.parameters import parameter
from retouch.parts import Control, Guidance

_Part = TypeVar("_Part")

_ALIASES = {
    "p2p": "prompt-to-prompt", "masactrl": "mutual-self-attention", "plug-and-play": "feature-injection",
    "pnp": "feature-injection", "nti": "null-text", "npi": "negative-prompt", "pti": "prompt-tuning",
    "direct": "latent-align", "cfg": "classifier-free", "prox": "proximal", "guide-and-rescale": "guiders",
}  # fmt: skip


class Composed(Method):
    """A method made of an inversion, a control and a guidance.

    A subclass names them and becomes a frozen dataclass whose fields are their parameters, with ``defaults`` in place
    of theirs::

        class ProxNPI(Composed, inversion="negative-prompt", control="prompt-to-prompt", guidance="proximal"): ...

    A subclass may declare parameters of its own after those. ``guidance`` may end in "+guiders": Guide-and-Rescale's
    energies on top of the guidance named first.
    """

    parts: ClassVar[dict[str, str]]
    empty_source: ClassVar[bool] = False  # whether a missing source prompt stands for the empty one
    _inversion: ClassVar[type[Inversion]]
    _control: ClassVar[type[ControlChoice]]
    _guidance: ClassVar[type[GuidanceChoice]]
    _guiders: ClassVar[type[Guiders] | None]

    num_inference_steps: int

    def __init_subclass__(
        cls,
        *,
        inversion: str,
        control: str = "none",
        guidance: str = "classifier-free",
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        cls._inversion = _named("inversion", inversion, INVERSIONS)
        cls._control = _named("control", control, CONTROLS)
        base, plus, extra = guidance.partition("+")
        if plus and not extra.strip():
            raise BadParameter(
                f"the guidance {guidance!r} ends in +: leave it out, or write for instance {base}+guiders."
            )
        if not plus and _plain(base) == Guiders.name:
            base, extra = "classifier-free", base
        cls._guidance = _named("guidance", base, GUIDANCES)
        cls._guiders = _named("guidance after the +", extra, {Guiders.name: Guiders}) if extra else None
        cls.parts = {
            "inversion": cls._inversion.name,
            "control": cls._control.name,
            "guidance": cls._guidance.name + (f"+{Guiders.name}" if cls._guiders else ""),
        }
        cls._refuse_nonsense()
        cls.needs_source = cls._inversion.keeps_source and (cls._control.needs_source or not cls.empty_source)
        own = dict(defaults or {})
        steps = parameter(50, "denoising steps T; fewer are faster and coarser", low=1, high=1000, unit="steps")
        declared: dict[str, tuple[Any, Any, Any]] = {"num_inference_steps": ("int", steps.default, steps.metadata)}
        chosen: tuple[Any, ...] = (cls._inversion, cls._guidance, cls._guiders, cls._control)
        for part in filter(None, chosen):
            declared |= {f.name: (f.type, f.default, f.metadata) for f in fields(part)}
        more = {k: v for k, v in get_annotations(cls).items() if isinstance(cls.__dict__.get(k), Field)}
        unknown = set(own) - set(declared)
        if unknown:
            raise TypeError(f"{cls.__name__} has no parameter {', '.join(sorted(unknown))}")
        cls.__annotations__ = {name: kind for name, (kind, _, _) in declared.items()} | more
        for name, (_, default, metadata) in declared.items():
            setattr(cls, name, field(default=own.get(name, default), metadata=metadata))
        dataclass(frozen=True)(cls)

    @classmethod
    def _refuse_nonsense(cls) -> None:
        inversion, control = cls._inversion, cls._control
        if not inversion.keeps_source:
            if control.shares:
                reason = f"the control {control.name!r} shares what a source branch sees"
            elif cls._guidance.needs_trajectory:
                reason = f"the guidance {cls._guidance.name!r} holds the edit to an inverted picture"
            elif cls._guiders:
                reason = "the guiders compare with an inverted picture"
            else:
                return
            keeping = ", ".join(name for name, part in INVERSIONS.items() if part.keeps_source)
            raise BadParameter(f"{reason}, and the inversion {inversion.name!r} keeps none: choose one of {keeping}.")
        if inversion.name == "null-text" and cls._guidance is GuidanceChoice:
            raise BadParameter(
                "the inversion 'null-text' fits the null text of guided sampling, and the guidance 'none' uses none: "
                "choose classifier-free or proximal."
            )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._part(self._control).check(self._inversion_part.down(self.num_inference_steps))
        if self._inversion.name == "null-text" and self._guidance_part.scale == 1:
            raise BadParameter(
                "guidance_scale is 1, where the null text has no effect, so that 'null-text' has nothing to fit: "
                "raise guidance_scale, or choose the inversion ddim."
            )
        if self._guiders:
            numbers = self._part(self._guiders).chosen()
            if numbers["low"] > numbers["high"]:
                raise BadParameter(
                    f"rescale_low is {numbers['low']:g} and rescale_high {numbers['high']:g}: the first must not "
                    "exceed the second."
                )

    def _part(self, part: type[_Part]) -> _Part:
        return part(**{f.name: getattr(self, f.name) for f in fields(part)})  # type: ignore[arg-type]

    @property
    def _inversion_part(self) -> Inversion:
        return self._part(self._inversion)

    @property
    def _guidance_part(self) -> GuidanceChoice:
        return self._part(self._guidance)

    def steps(self) -> int:
        """The inversion's, and those down."""
        inversion = self._inversion_part
        return inversion.steps(self.num_inference_steps) + inversion.down(self.num_inference_steps)

    def evaluations(self) -> int:
        """The inversion's, the target's, the source branch's and the guiders'; where a fit may stop early, at most."""
        inversion, guidance = self._inversion_part, self._guidance_part
        down, source = inversion.down(self.num_inference_steps), 0
        if self._control.shares:
            halves = guidance.scale != 1 and inversion.source_is_guided()
            source = 2 if halves and (not inversion.knows_path or self._control.reads_source_null) else 1
        extra = self._part(self._guiders).rows(down, self._control.shares) if self._guiders else 0
        return inversion.evaluations(self.num_inference_steps) + down * (guidance.rows() + source) + extra

    def reconstructs(self) -> bool:
        """Whether its inversion makes up for guidance, or there is no guidance to make up for."""
        return self._inversion.reconstructs or (self._inversion.keeps_source and self._guidance_part.scale == 1)

    def edit(self, job: Job) -> Outcome:
        """Inverts, then denoises the branches under control and guidance."""
        if self.needs_source:
            source_of(job, self.name)
        self.control(job)  # what is wrong with its words is said before the work
        return self.denoised(job, self.inverted(job))

    def inverted(self, job: Job) -> Trajectory:
        """The job's picture as noise."""
        return self._inversion_part.run(job, self.num_inference_steps, self._guidance_part.scale)

    def control(self, job: Job) -> Control | None:
        """What the branches share in one run."""
        return self._part(self._control).build(job)

    def denoised(self, job: Job, trajectory: Trajectory, gateways: Collection[int] = ()) -> Outcome:
        """One run of the branches from the noise down; ``gateways`` as in :func:`denoise`."""
        control, guidance = self.control(job), self._guidance_part
        base = guidance.build(trajectory)
        combined: Guidance = base
        if self._guiders:
            combined = self._part(self._guiders).build(base, job.model, trajectory, self._control.shares)
        state = denoise(
            job.model, trajectory, combined, control, mask=None if self._control.uses_mask else job.mask,
            gateways=gateways, progress=job.progress,
        )  # fmt: skip
        blend = getattr(control, "blend", None)
        return Outcome(state["target"], state.get("source"), blend.mask if blend else job.mask)


def parts() -> dict[str, dict[str, Any]]:
    """What there is to combine: by axis and name the classes, with their ``summary`` and parameters."""
    return {"inversion": {**INVERSIONS}, "control": {**CONTROLS}, "guidance": {**GUIDANCES, Guiders.name: Guiders}}


def composed(
    base: type[Composed],
    *,
    inversion: str | None = None,
    control: str | None = None,
    guidance: str | None = None,
) -> type[Composed]:
    """The method ``base`` with other parts; defaults of its own stay where the parts they belong to stay.

    Raises:
        BadParameter: for a part that does not exist, and for parts that make no sense together, with the reason.
    """
    if base.optimises and (inversion or control or guidance):
        raise BadParameter(
            f"{base.name} optimises weights that go with its own inversion, control and guidance: these cannot be "
            f"exchanged. Other methods can take its control, as --control {base.parts['control']}."
        )
    parts = {
        key: value or base.parts[key]
        for key, value in (("inversion", inversion), ("control", control), ("guidance", guidance))
    }
    plain: type[Composed] = type("Plain", (Composed,), {"name": "plain"}, **parts)
    if plain.parts == base.parts:
        return base
    there = {f.name for f in fields(plain)}
    own = {f.name: f.default for f in fields(base) if f.name in there and _belongs(f.name, base, plain)}
    given = " × ".join(plain.parts.values())
    described = {
        "name": f"{base.name} as {given}",
        "title": given,
        "paper": f"after {base.paper}",
        "good_for": "a mix of your own",
        "empty_source": base.empty_source,
        "__module__": __name__,
    }
    mixed: type[Composed] = type("Mixed", (Composed,), described, defaults=own, **parts)
    return mixed


def _belongs(name: str, base: type[Composed], mixed: type[Composed]) -> bool:
    """Whether the parameter comes from a part that both methods have."""
    if name == "num_inference_steps":
        return True
    return any(
        one is other and one is not None and name in {f.name for f in fields(one)} for one, other in _pairs(base, mixed)
    )


def recommended_for(base: type[Composed], mixed: type[Composed], known: Mapping[str, type[Any]]) -> dict[str, str]:
    """For every parameter of ``mixed`` the method whose recommended settings it follows: they go with their part.

    What ``base`` keeps follows ``base``; the parameters of an exchanged part follow the method among ``known`` that has
    this part and most of the others.
    """
    followed = {f.name: base.name for f in fields(mixed) if _belongs(f.name, base, mixed)}
    others = [kind for kind in known.values() if issubclass(kind, Composed) and not kind.optimises]
    for axis, (mine, part) in enumerate(_pairs(base, mixed)):
        donors = [kind for kind in others if _pairs(base, kind)[axis][1] is part]
        if part is None or part is mine or not donors:
            continue
        donor = max(donors, key=lambda kind: sum(one is other for one, other in _pairs(kind, mixed)))
        followed |= {f.name: donor.name for f in fields(part) if f.name not in followed}
    return followed


def _pairs(base: type[Composed], mixed: type[Composed]) -> tuple[tuple[Any, Any], ...]:
    return (
        (base._inversion, mixed._inversion), (base._control, mixed._control), (base._guidance, mixed._guidance),
        (base._guiders, mixed._guiders),
    )  # fmt: skip


def _plain(name: str) -> str:
    lowered = name.strip().lower().replace("_", "-")
    return _ALIASES.get(lowered, lowered)


def _named(axis: str, name: str, known: Mapping[str, type[_Part]]) -> type[_Part]:
    chosen = _plain(name)
    if chosen not in known:
        close = get_close_matches(chosen, known, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise BadParameter(f"there is no {axis} {name!r}{hint}; there are: {', '.join(known)}.")
    return known[chosen]
