"""ProxMasaCtrl: MasaCtrl with a faithful source branch and proximal guidance.

Han et al., ProxEdit, WACV 2024, section 3.3. Only the source branch's null text is replaced by the source prompt, so
that it runs at guidance 1: one evaluation, and the DDIM reconstruction. The target guides from the empty prompt, and
its difference is thresholded (soft, quantile 0.6). Inversion and reconstruction guidance, which would hold the old
outline, are off.
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class ProxMasaCtrl(
    Composed,
    inversion="source-negative-prompt",
    control="mutual-self-attention",
    guidance="proximal",
    defaults={"quantile": 0.6, "inversion_guidance": 0.0, "reconstruction_guidance": 0.0},
):
    """Mutual self-attention with ε̃ = ε(∅) + w · prox_λ(ε(c_tgt) − ε(∅))."""

    name = "prox-masactrl"
    title = "Proximal mutual self-attention control"
    paper = "Han et al. 2024, arXiv:2306.05414"
    good_for = "changes of pose and outline, truer to the picture than masactrl"
    empty_source = True
