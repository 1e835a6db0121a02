"""The parts to choose from, by axis and name: ours, and those that other packages register as entry points."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from retouch.control.diffedit import DiffEditMask
from retouch.control.feature_injection import FeatureInjection
from retouch.control.feature_sharing import FeatureSharing
from retouch.control.mutual_self_attention import MutualSelfAttention
from retouch.control.none import NoControl
from retouch.control.prompt_to_prompt import PromptToPrompt
from retouch.errors import BadParameter
from retouch.guidance.cfg_plus_plus import CFGPlusPlus
from retouch.guidance.classifier_free import ClassifierFree
from retouch.guidance.guiders import Guiders
from retouch.guidance.none import NoGuidance
from retouch.guidance.perturbed_attention import PerturbedAttention
from retouch.guidance.proximal import Proximal
from retouch.guidance.semantic import Semantic
from retouch.inversion.cycle_diffusion import CycleDiffusion
from retouch.inversion.ddim import DDIMInversion
from retouch.inversion.edit_friendly import EditFriendly
from retouch.inversion.latent_align import LatentAlign
from retouch.inversion.ledits_pp import LeditsPPInversion
from retouch.inversion.negative_prompt import NegativePromptInversion, SourceNegativePrompt
from retouch.inversion.noise import Noise
from retouch.inversion.null_text import NullText
from retouch.inversion.part_way import PartWay
from retouch.inversion.prompt_tuning import PromptTuning
from retouch.parts.part import Addition, Control, Guidance, Inversion, Part, Sampler
from retouch.plugins import check_class, plugins
from retouch.sampler.ddim import DDIMSampler
from retouch.sampler.ddpm import DDPMSampler
from retouch.sampler.dpm_solver_pp import DPMSolverSampler

_OWN: dict[str, tuple[type[Part], tuple[type[Part], ...]]] = {
    "inversion": (
        Inversion,
        (
            DDIMInversion, NullText, NegativePromptInversion, SourceNegativePrompt, PromptTuning, LatentAlign,
            EditFriendly, CycleDiffusion, LeditsPPInversion, PartWay, Noise,
        ),
    ),
    "control": (
        Control,
        (NoControl, PromptToPrompt, MutualSelfAttention, FeatureInjection, FeatureSharing, DiffEditMask),
    ),
    "guidance": (
        Guidance, (ClassifierFree, CFGPlusPlus, Proximal, Semantic, NoGuidance, Guiders, PerturbedAttention),
    ),
    "sampler": (Sampler, (DDIMSampler, DDPMSampler, DPMSolverSampler)),
}  # fmt: skip
"""By axis what its parts are, and ours."""
_CALLS: dict[type[Part], tuple[str, ...]] = {
    Inversion: ("run",), Guidance: ("combine",), Addition: ("shifted",), Sampler: ("step",)
}  # fmt: skip
"""What a part defines itself."""


def parts() -> dict[str, Mapping[str, type[Any]]]:
    """What there is to combine: by axis and name the classes, with their ``summary`` and parameters."""
    return {axis: parts_of(axis) for axis in _OWN}


@cache
def parts_of(axis: str) -> Mapping[str, type[Any]]:
    """The parts of "inversion", "control", "guidance" or "sampler" by name; others' stand under ``retouch.{axis}s``."""
    base, ours = _OWN[axis]
    own: dict[str, type[Any]] = {part.name: part for part in ours}

    def named(name: str, loaded: Any) -> dict[str, type[Any]]:
        kind = Addition if isinstance(loaded, type) and issubclass(loaded, Addition) else base
        check_class(loaded, name, kind if issubclass(kind, base) else base, ("name", "summary"), _CALLS.get(kind, ()))
        return {name: loaded}

    return own | plugins(f"retouch.{axis}s", own, named)


def part_named(axis: str, name: str) -> type[Any]:
    """The part of an axis by its name, or by another that it is known by.

    Raises:
        BadParameter: when there is none; the sentence names those there are.
    """
    chosen = name.strip().lower().replace("_", "-")
    for part in _OWN[axis][1]:  # ours first: while methods are being defined others are not asked for
        if chosen == part.name or chosen in part.aliases:
            return part
    known = parts_of(axis)
    for part in known.values():
        if chosen == part.name or chosen in part.aliases:
            return part
    close = get_close_matches(chosen, known, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise BadParameter(f"there is no {axis} {name!r}{hint}; there are: {', '.join(known)}.")
