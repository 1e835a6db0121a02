"""DiffEdit: the two prompts find the region to change by themselves; outside it the picture stays.

Couairon et al., DiffEdit: Diffusion-based Semantic Image Editing with Mask Guidance, ICLR 2023. (1) The mask: the
picture is noised half of the way, and where the predictions under c_src and c_tgt differ, on average over ten noises,
it may change. (2) DDIM inversion without a text up to the ratio r. (3) Denoising under c_tgt with guidance; outside the
mask z_t is z*_t at every step, so that there the picture is kept to the last bit.

diffusers' pipeline inverts under the source prompt (here ``encoded_under=source``), and guided, which does not return
the picture (here never). It compares guided predictions for the mask, which scales their difference and moves no mask.
Outside the mask it takes the inverted latent of the level that a step started from, and so ends in z*_1; here that of
the level it leads to, as in the paper. With a mask of everything both are the same.
Steps and strengths that are no whole number are rounded down, as there.
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class DiffEdit(Composed, inversion="part-way", control="diffedit", guidance="classifier-free"):
    """A mask from the contrast of two prompts, around a DDIM edit from part of the way up."""

    name = "diffedit"
    title = "DiffEdit"
    paper = "Couairon et al. 2023, arXiv:2210.11427"
    good_for = "changing one thing in its place; all outside the region it finds is kept exactly"
    empty_source = True
