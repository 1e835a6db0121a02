"""Prompt-tuning inversion: a condition per step that returns the picture, mixed with the target prompt.

Dong et al., Prompt Tuning Inversion for Text-Driven Image Editing Using Diffusion Models, ICCV 2023. The inner loop is
that of null-text inversion, on the condition and at guidance 1; editing guides from ∅ to η c_tgt + (1 − η) c_t. The
paper names no η for all pictures: sweep it.
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class PromptTuning(Composed, inversion="prompt-tuning", control="none", guidance="classifier-free"):
    """min over c_t of ‖z*_{t-1} − DDIM(z̄_t, ε(c_t))‖², then guidance towards η c_tgt + (1 − η) c_t."""

    name = "prompt-tuning"
    title = "Prompt-tuning inversion"
    paper = "Dong et al. 2023, arXiv:2305.04441"
    good_for = "edits graded by eta, from the picture to the prompt; slow, as it fits every picture"
