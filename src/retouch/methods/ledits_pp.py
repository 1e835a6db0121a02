"""LEDITS++: several edits at once, each within a mask of its own, on an inversion that returns the picture exactly.

Brack et al., LEDITS++: Limitless Image Editing using Text-to-Image Models, CVPR 2024. SDE-DPM-Solver++ of second order
samples without a text, with the noises that lead it through the picture's own noisings; every concept adds
± s_i M_i (ε(e_i) − ε(∅)), where M_i is where attention looks for it and where it changes the prediction most.

The numbers are those of diffusers' pipeline. Unlike there, ``skip`` is a share of the steps and does not come on top of
them; timesteps and the last noise level are the checkpoint's own; the last step adds what is left to the picture, so
that nothing is lost where diffusers ends in ẑ_0; the source prompt does not enter the inversion, which would then not
return the picture; a user's mask holds the latents, where diffusers cuts the guidance; and attention is read at no
fewer than 8x8 cells.
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class LeditsPP(Composed, inversion="ledits-pp", control="none", guidance="semantic"):
    """ε̃ = ε(∅) + Σ_i ± s_i M_i (ε(e_i) − ε(∅)) under DPM-Solver++ with found noises."""

    name = "ledits-pp"
    title = "LEDITS++"
    paper = "Brack et al. 2024, arXiv:2311.16711"
    good_for = "several edits at once, by concepts; without a source prompt"
    empty_source = True
