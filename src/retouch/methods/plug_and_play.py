"""Plug-and-Play: the source's self-attention maps and decoder features steer the target.

Tumanyan et al., Plug-and-Play Diffusion Features for Text-Driven Image-to-Image Translation, CVPR 2023. The source
branch is z*_t itself at every step (latent-align), under the source prompt; without one under the empty prompt, as in
the authors' code. As there the residual block's inner branch is injected and its shortcut left (``inject=block`` for
the whole output). A departure: inversion and editing take the same T steps (the code inverts in 1000).
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class PlugAndPlay(Composed, inversion="latent-align", control="feature-injection", guidance="classifier-free"):
    """Queries and keys for the first half of the steps, residual features for the first 80 %."""

    name = "plug-and-play"
    title = "Plug-and-Play diffusion features"
    paper = "Tumanyan et al. 2023, arXiv:2211.12572"
    good_for = "restyling and new materials within the old layout"
    empty_source = True
