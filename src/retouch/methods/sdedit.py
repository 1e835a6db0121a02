"""SDEdit: noise the picture part of the way, denoise under the target prompt.

Meng et al., SDEdit: Guided Image Synthesis and Editing with Stochastic Differential Equations, ICLR 2022; here with
the deterministic DDIM sampler on the way down.
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class SDEdit(Composed, inversion="noise", control="none", guidance="classifier-free"):
    """Strength 0 returns the autoencoder's reconstruction, strength 1 is text-to-image."""

    name = "sdedit"
    title = "SDEdit"
    paper = "Meng et al. 2022, arXiv:2108.01073"
    good_for = "restyling without a source prompt; keeps only colours and layout"
