"""MasaCtrl: the target's self-attention looks its content up in the source.

Cao et al., MasaCtrl: Tuning-Free Mutual Self-Attention Control for Consistent Image Synthesis and Editing, ICCV 2023.
From step 4 on, in the finest decoder levels (layers from 10 up of Stable Diffusion's 16), the target's attention is
Attention(Q_tgt, K_src, V_src), in both guidance halves. Without a source prompt the picture is inverted under the empty
one, as in the authors' code.
With ``mask_words`` or a mask, foreground and background look only at their own kind (section 3.3).
"""

from __future__ import annotations

from retouch.methods.composition import Composed


class MasaCtrl(Composed, inversion="ddim", control="mutual-self-attention", guidance="classifier-free"):
    """Layout from the target prompt, content from the source."""

    name = "masactrl"
    title = "Mutual self-attention control"
    paper = "Cao et al. 2023, arXiv:2304.08465"
    good_for = "changes of pose and outline that keep the subject's look"
    empty_source = True
