"""DDIM, "naive" editing: invert under the source prompt, denoise under the target prompt with guidance.

Song et al., Denoising Diffusion Implicit Models, 2021. The baseline every other method is measured against: large
guidance leaves the inverted trajectory, and the picture drifts.
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class DDIM(Composed, inversion="ddim", control="none", guidance="classifier-free"):
    """z*_T by inversion with c_src, then ε̃ = ε(∅) + w (ε(c_tgt) − ε(∅)) down."""

    name = "ddim"
    title = "DDIM inversion"
    paper = "Song et al. 2021, arXiv:2010.02502"
    good_for = "a first look; free to change anything, keeps little"
