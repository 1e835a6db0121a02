"""Prompt-to-Prompt on an inverted picture: the target branch sees through the source branch's attention maps.

Hertz et al., Prompt-to-Prompt Image Editing with Cross Attention Control, ICLR 2023. Under plain DDIM inversion the
source branch drifts at large guidance; with the inversion ``latent-align`` ("direct inversion", Ju et al. 2024; E4C)
its latent is replaced by z*_t at every step and the source is kept exactly.
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class PromptToPrompt(Composed, inversion="ddim", control="prompt-to-prompt", guidance="classifier-free"):
    """Two branches from z*_T under classifier-free guidance; the target borrows the source's maps."""

    name = "prompt-to-prompt"
    title = "Prompt-to-Prompt"
    paper = "Hertz et al. 2023, arXiv:2208.01626"
    good_for = "swapping, adding or reweighting words; with --inversion latent-align the source is kept exactly"
