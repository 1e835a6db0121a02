"""Guide-and-Rescale: gradients of energies keep the picture, rescaled to the size of the guidance.

Titov et al., Guide-and-Rescale: Self-Guidance Mechanism for Effective Tuning-Free Real Image Editing, ECCV 2024.
From z*_T down, ε̃ = ε(∅) + w (ε(c_tgt) − ε(∅)) + γ · v∇_{z_t} g, where g compares self-attention maps and features at
(z_t, c_src) with those at the inverted (z*_t, c_src), and γ brings the gradient's norm into [r_low, r_up] times that
of the guidance. Unlike in the authors' code the evaluations that need no gradient go in one batch, and no attention
map is ever held whole.
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class GuideAndRescaleEdit(Composed, inversion="ddim", control="none", guidance="classifier-free+guiders"):
    """Presets ``layout`` (30 guided steps of 50, r in 0.33..3) and ``style`` (25, r = 1.5)."""

    name = "guide-and-rescale"
    title = "Guide-and-Rescale"
    paper = "Titov et al. 2024, arXiv:2409.01322"
    good_for = "all kinds of edits, with preset=style for restyling; holds layout and look by energies"
