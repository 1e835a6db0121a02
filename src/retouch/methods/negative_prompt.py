"""Negative-prompt inversion with Prompt-to-Prompt: the closed form of null-text inversion.

Miyake et al., Negative-prompt Inversion: Fast Image Inversion for Editing with Text-guided Diffusion Models, 2023:
∅_t := c_src for every t, so that guided sampling under the source prompt is the DDIM reconstruction for every
guidance scale, without optimisation. The source branch's two halves coincide: it costs one evaluation.
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class NegativePrompt(Composed, inversion="negative-prompt", control="prompt-to-prompt", guidance="classifier-free"):
    """ε̃ = ε(c_src) + w (ε(c_tgt) − ε(c_src)) under Prompt-to-Prompt control."""

    name = "negative-prompt"
    title = "Negative-prompt inversion"
    paper = "Miyake et al. 2023, arXiv:2305.16807"
    good_for = "fast edits with a faithful reconstruction; strong changes may leave artefacts"
