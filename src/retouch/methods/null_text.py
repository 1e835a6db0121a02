"""Null-text inversion with Prompt-to-Prompt: a null text per step under which the guided source returns the picture.

Mokady et al., Null-text Inversion for Editing Real Images using Guided Diffusion Models, CVPR 2023 (Algorithm 1).
Departures from the authors' code: of all null texts tried at a timestep the best is kept (``keep=last`` for the last,
as theirs), and its prediction is not evaluated again; the source branch passes where the fit passed, so that only its
conditional half is evaluated while editing; the learning rate falls over T steps as theirs over 50, and the loss that
is good enough grows with ``early_stop`` (theirs: by 2e-5 a step whatever it is, which is the same at 1e-5). Adam's
steps blow rounding up, so that two runs of one procedure on different machines may part.
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class NullText(Composed, inversion="null-text", control="prompt-to-prompt", guidance="classifier-free"):
    """min over ∅_t of ‖z*_{t-1} − DDIM(z̄_t, ε̃_w(∅_t, c_src))‖², then Prompt-to-Prompt under ∅_t."""

    name = "null-text"
    title = "Null-text inversion"
    paper = "Mokady et al. 2023, arXiv:2211.09794"
    good_for = "faithful reconstruction at large guidance; slow, as it fits every picture"
