"""Settings that keep the methods that fit every picture short; what is tested does not depend on them."""

from retouch.methods.registry import methods
from retouch.parameters import parameters_of

FITS = {
    "embedding_steps": 2, "network_steps": 2, "iterations": 1, "reference_steps": 2, "segmenter": "none",
    "object_text": "a cat", "background_text": "a beach",
    "clip": "diorama",
}  # fmt: skip
"""For methods that optimise: a fit of next to nothing."""


def quick_fit(name):
    """What there is in ``FITS`` for the method."""
    known = {p.name for p in parameters_of(methods()[name])}
    return {key: value for key, value in FITS.items() if key in known}


def short(name, steps):
    """``steps`` steps, and one inner step that never ends early where a method fits."""
    known = {p.name for p in parameters_of(methods()[name])}
    fitting = {"inner_steps": 1, "early_stop": 0.0} if "inner_steps" in known else {}
    return {"num_inference_steps": steps, **fitting, **quick_fit(name)}
