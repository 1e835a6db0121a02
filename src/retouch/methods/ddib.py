"""DDIB: invert under the source prompt, denoise under the target prompt, both at guidance 1.

Su et al., Dual Diffusion Implicit Bridges for Image-to-Image Translation, ICLR 2023; here with one
text-conditioned model in the place of two.
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class DDIB(Composed, inversion="ddim", control="none", guidance="none"):
    """Guidance 1 both ways: the DDIM reconstruction under the same prompt, gentle under another."""

    name = "ddib"
    title = "Dual diffusion implicit bridges"
    paper = "Su et al. 2023, arXiv:2203.08382"
    good_for = "small changes that must keep the layout; often changes too little"
