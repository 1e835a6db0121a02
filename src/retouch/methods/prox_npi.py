"""ProxNPI: negative-prompt inversion with proximal guidance, inversion guidance and Prompt-to-Prompt control.

Han et al., ProxEdit: Improving Tuning-Free Real Image Editing with Proximal Guidance, WACV 2024 (Algorithm 1).
The guidance direction Δ = ε(c_tgt) − ε(c_src) is thresholded, so that w amplifies the edit and not the noise of the
two predictions; where nothing is left of Δ the latent is held to the inverted trajectory. The authors' public code
names its soft rule "l0", compare with ``prox=soft``, and takes λ over both branches together: under negative-prompt
inversion the source's Δ is 0, so that its 0.7 is the 0.4 quantile of the target's own (2q − 1), the default here. Its
"l1" (from 2λ on |Δ| is shrunk twice; below, a positive Δ is shrunk once and a negative one becomes Δ + 2λ, which is
positive) and its guidances above a timestep (a negative ``recon_t``) are not offered; its negative ``quantile`` is
``threshold``, and its one ``recon_lr`` and ``recon_t`` are two here, one for each guidance. Of the two guidances
inversion guidance alone is on, as in the example of the authors' code.
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class ProxNPI(Composed, inversion="negative-prompt", control="prompt-to-prompt", guidance="proximal"):
    """ε̃ = ε(c_src) + w · prox_λ(ε(c_tgt) − ε(c_src))."""

    name = "prox-npi"
    title = "Proximal negative-prompt inversion"
    paper = "Han et al. 2024, arXiv:2306.05414"
    good_for = "clear edits that keep the rest"
