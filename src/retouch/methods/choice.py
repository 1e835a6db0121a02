"""Which classes of parts a method is made of, by their names, and which of them make no sense together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retouch.errors import BadParameter
from retouch.methods.catalogue import part_named, parts_of
from retouch.parts.part import Addition, Control, Guidance, Inversion, Sampler

AXES = ("inversion", "control", "guidance", "sampler")


@dataclass(frozen=True)
class Choice:
    """The classes that a method is made of."""

    inversion: type[Inversion]
    control: type[Control]
    guidance: type[Guidance]
    additions: tuple[type[Addition], ...]
    sampler: type[Sampler]

    @classmethod
    def named(cls, inversion: str, control: str, guidance: str, sampler: str) -> Choice:
        """By the parts' names; ``guidance`` may name further ones that go on top of the first, after a + each.

        Raises:
            BadParameter: for a part that does not exist, and for parts that make no sense together.
        """
        names = [name.strip() for name in guidance.replace("++", "-plus-plus").split("+")]  # as in cfg++
        if len(names) > 1 and not all(names):
            raise BadParameter(
                f"the guidance {guidance!r} has a + too many: write for instance classifier-free+guiders."
            )
        guides = [part_named("guidance", name) for name in names]
        twice = [part.name for part in guides if guides.count(part) > 1]
        if twice:
            raise BadParameter(f"the guidance {guidance!r} names {twice[0]} twice: name it once, and raise its scale.")
        if issubclass(guides[0], Addition):
            guides.insert(0, part_named("guidance", "classifier-free"))
        for name, part in zip(names[-len(guides) + 1 :] if len(guides) > 1 else [], guides[1:], strict=True):
            if not issubclass(part, Addition):
                there = ", ".join(n for n, p in parts_of("guidance").items() if issubclass(p, Addition))
                raise BadParameter(f"there is no guidance after the + {name!r}; there are: {there}.")
        inverts = part_named("inversion", inversion)
        chosen = cls(
            inverts, part_named("control", control), guides[0], tuple(guides[1:]),
            part_named("sampler", sampler or inverts.sampler or "ddim"),
        )  # fmt: skip
        chosen.refuse_nonsense()
        return chosen

    def names(self) -> dict[str, str]:
        """The parts' names by axis."""
        guides = "+".join(part.name for part in (self.guidance, *self.additions))
        return {
            "inversion": self.inversion.name, "control": self.control.name, "guidance": guides,
            "sampler": self.sampler.name,
        }  # fmt: skip

    def classes(self) -> tuple[type[Any], ...]:
        """In the order in which their parameters are declared."""
        return (self.inversion, self.guidance, *self.additions, self.control, self.sampler)

    def of(self, axis: str) -> tuple[type[Any], ...]:
        """The classes of one axis."""
        return (self.guidance, *self.additions) if axis == "guidance" else (getattr(self, axis),)

    def refuse_nonsense(self) -> None:
        """Raises BadParameter for parts that make no sense together, with the reason."""
        inversion, control = self.inversion, self.control
        if not inversion.keeps_source:
            reason = ""
            if control.shares:
                reason = f"the control {control.name!r} shares what a source branch sees"
            elif self.guidance.needs_trajectory:
                reason = f"the guidance {self.guidance.name!r} holds the edit to an inverted picture"
            elif any(part.needs_trajectory for part in self.additions):
                reason = "the guiders compare with an inverted picture"
            keeping = ", ".join(name for name, part in parts_of("inversion").items() if part.keeps_source)
            if reason:
                raise BadParameter(
                    f"{reason}, and the inversion {inversion.name!r} keeps none: choose one of {keeping}."
                )
        if inversion.name == "null-text" and (self.guidance.name == "none" or self.guidance.renoises):
            does = "uses none" if self.guidance.name == "none" else "takes other steps"
            raise BadParameter(
                f"the inversion 'null-text' fits the null text of guided sampling, and the guidance "
                f"{self.guidance.name!r} {does}: choose classifier-free or proximal."
            )
        if inversion.sampler and inversion.sampler != self.sampler.name:
            raise BadParameter(
                f"the inversion {inversion.name!r} finds what the sampler {inversion.sampler!r} needs, and the sampler "
                f"is {self.sampler.name!r}: leave it out."
            )
