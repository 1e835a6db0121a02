"""Edit-friendly DDPM inversion: noise maps that hold the picture, denoised under the target prompt.

Huberman-Spiegelglas et al., An Edit Friendly DDPM Noise Space: Inversion and Manipulations, CVPR 2024. The picture is
noised to every level with noise of its own; the maps that lead the DDPM sampler through these latents carry its
structure, and the target prompt is sampled with them. As in section 4.2 it goes with Prompt-to-Prompt, too:
``--control prompt-to-prompt``; its shares are then of the steps that are denoised, in the authors' code of all T: its
0.6 with 36 of 100 steps left out is 0.94 here. The authors' code leaves out the last noise map:
``last_noise=dropped``. At η = 1 all is as there; below it η is that of DDIM (equation 16) and of diffusers, which
leaves √(1−ᾱ'−η²s²) of the predicted noise, s the spread at η = 1, where the authors' code leaves √(1−ᾱ'−ηs²).
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class EditFriendly(
    Composed,
    inversion="edit-friendly",
    guidance="classifier-free",
    sampler="ddpm",
    defaults={"num_inference_steps": 100, "guidance_scale": 15.0},
):
    """Under the source prompt, at equal scales, it returns the picture."""

    name = "edit-friendly"
    title = "Edit-friendly DDPM inversion"
    paper = "Huberman-Spiegelglas et al. 2024, arXiv:2304.06140"
    good_for = "several different edits of one picture, a seed each; keeps textures"
