"""CycleDiffusion: the source prompt's noise, found along a drawn chain, denoised under the target prompt.

Wu & De la Torre, A Latent Space of Stochastic Diffusion Models for Zero-Shot Image Editing and Guidance, ICCV 2023.
Defaults as diffusers' pipeline and the authors' runs on Stable Diffusion: η 0.1, source guidance 1, strength 0.8. With
its cross-attention control: ``--control prompt-to-prompt``.
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class CycleDiffusion(
    Composed,
    inversion="cycle-diffusion",
    guidance="classifier-free",
    sampler="ddpm",
    defaults={"stochasticity": 0.1},
):
    """Under the source prompt, at equal scales, it returns the picture."""

    name = "cycle-diffusion"
    title = "CycleDiffusion"
    paper = "Wu & De la Torre 2023, arXiv:2210.05559"
    good_for = "changing one kind of thing into another like it"
