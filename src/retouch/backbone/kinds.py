"""Which kind of model a single file holds, by the names and shapes of its tensors; other kinds are refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from retouch.backbone.configs import ONLY_SD, PLAIN, check_unet
from retouch.backbone.headers import Header
from retouch.backbone.shapes import AVERAGED, CLIP, UNET
from retouch.backbone.shapes import VAE as _AUTOENCODER
from retouch.backbone.shipped import CLASSES
from retouch.errors import BadModel

_TEXT_ENCODER = "cond_stage_model."
_CONDITIONER = "conditioner.embedders."
_FIRST, _SECOND = CLIP["sdxl"].values()
_VECTORS = f"{UNET}label_emb.0.0.weight"
_OLD_NAMES = (
    # a CLIP of an early transformers, without the inner model's name
    *((f"{_TEXT_ENCODER}transformer.{part}", f"{_TEXT_ENCODER}transformer.text_model.{part}")
      for part in ("embeddings.", "encoder.", "final_layer_norm.")),
)  # fmt: skip

_ELSEWHERE: Sequence[tuple[Sequence[str], str]] = (
    ((".time_stack.", ".time_mixer."), "a video model (Stable Video Diffusion)"),
    (("cc_projection.",), "a model that turns things (Zero123)"),
    (("low_scale_model.",), "an upscaler"),
    (("noise_augmentor.", "embedder.model."), "an unCLIP model, which takes image embeddings"),
    (("depth_model.",), "a depth-to-image model"),
    (("clip_txt_mapper.", "clip_txt_pooled_mapper.", "down_blocks.1.0.channelwise."), "a Stable Cascade model"),
)
"""Parts of tensors' names that only other kinds of U-Nets have."""
_TRANSFORMERS: Sequence[tuple[Sequence[str], str]] = (
    (("joint_blocks.",), "a Stable Diffusion 3 model"),
    (("double_stream_modulation_img.", "single_stream_modulation."), "a FLUX 2 model"),
    (("distilled_guidance_layer.",), "a Chroma model"),
    (("txt_in.individual_token_refiner.",), "a Hunyuan video model"),
    (("double_stream_blocks.",), "a HiDream model"),
    (("double_blocks.", "img_in."), "a FLUX model or one of its kind"),
    (("double_layers.", "cond_seq_linear."), "an AuraFlow model"),
    (("txt_norm.", "transformer_blocks.0.img_mod."), "a Qwen-Image model"),
    (("adaln_single.", "caption_projection.", "y_embedder.y_proj.", "csize_embedder."), "a PixArt or SANA model"),
    (("cap_embedder.", "noise_refiner."), "a Lumina or Z-Image model"),
    (("patchify_proj.",), "an LTX video model"),
    (("head.modulation", "vace_blocks.", "patch_embedding."), "a Wan video model"),
    (("blocks.0.attn.qkv_x.",), "a Mochi video model"),
    (("pos_embedder.dim_spatial_range", "extra_pos_embedder.", "x_embedder.proj.1."), "a Cosmos video model"),
    (("text_embedder.", "mlp_t5."), "a Hunyuan-DiT model"),
    (("text_encoders.",), "several text encoders (Stable Diffusion 3, FLUX or later)"),
)
"""How the names of tensors of transformers begin, at the top or inside of a checkpoint."""

_LORA = ("lora_unet_", "lora_te", "lora_transformer_", "base_model.model.")
_LORA_INSIDE = (".lora_", "_lora.", ".hada_w", ".lokr_w", ".oft_", ".dora_scale", ".diff_b")


def todays_names(header: Header) -> Header:
    """A header with the names that most files have; some old and some new ones have others for the same tensors."""
    renamed = list(_OLD_NAMES)
    if not header.has(_VECTORS) and header.has(f"{_CONDITIONER}0.model.") and not header.has(_SECOND):
        renamed.append((f"{_CONDITIONER}0.model.", f"{_TEXT_ENCODER}model."))  # SD 2.x as SDXL's code writes it (Turbo)
    new = {
        name: next((new + name[len(old) :] for old, new in renamed if name.startswith(old)), name)
        for name in header.shapes
    }
    return replace(
        header, shapes={new[name]: shape for name, shape in header.shapes.items()},
        written={other: name for name, other in new.items() if other != name},
    )  # fmt: skip


def class_of(name: str, header: Header, needs_vae: bool = True) -> str:
    """The class of a file: "sd1", "sd2" or "sdxl".

    Args:
        needs_vae: whether it is to hold an autoencoder, and another one is not given with it.

    Raises:
        BadModel: when it holds no whole text-to-image checkpoint of one of these, naming what it holds.
    """
    what = _addition(header) or _other_family(header)
    if what:
        raise BadModel(f"{name!r} holds {what}; {ONLY_SD}")
    if not header.has(UNET):
        if header.has(AVERAGED):
            raise BadModel(
                f"{name!r} holds its network only as training averages it (model_ema.), without its own names: give a "
                "file whose averages were saved as the network itself, as those called emaonly are."
            )
        raise BadModel(f"{name!r} holds no whole checkpoint but {_part(header)}; {ONLY_SD}")
    if not header.has(f"{UNET}input_blocks.", f"{UNET}out."):
        raise BadModel(f"the network of {name!r} is no U-Net of Stable Diffusion's kind (a transformer?); {ONLY_SD}")
    large = header.has(_CONDITIONER) or header.shapes.get(_VECTORS, (0, 0))[-1] == 2816
    clip = _SECOND if large else _TEXT_ENCODER
    texts = "text encoder" if not large else "text encoders" if not header.has(_FIRST) else "second text encoder"
    lacks = [(clip, texts), *([(_FIRST, "first text encoder")] if header.has(_SECOND) and _lost(header) else [])]
    if needs_vae:
        lacks.insert(0, (_AUTOENCODER, "autoencoder"))
    for prefix, part in lacks:
        if not header.has(prefix):
            more = ", or its autoencoder with --vae (vae=…)" if part == "autoencoder" else ""
            raise BadModel(
                f"{name!r} holds no whole checkpoint{' of SDXL' if large else ''}: it lacks the {part} (pruned, or a "
                f"network alone?); {PLAIN.rstrip('.')}{more}."
            )
    open_clip = header.has(f"{_TEXT_ENCODER}model.token_embedding.", f"{_TEXT_ENCODER}model.transformer.")
    kind = "sdxl" if large else "sd2" if open_clip else "sd1"
    check_unet(name, unet_facts(header, kind), CLASSES[kind])
    wanted = {"sd1": f"{_TEXT_ENCODER}transformer.text_model.", "sd2": f"{_TEXT_ENCODER}model.", "sdxl": _FIRST}[kind]
    if not header.has(wanted):
        raise BadModel(f"the network of {name!r} takes something else than CLIP's texts ({_taken(header)}): {PLAIN}")
    return kind


def _lost(header: Header) -> bool:
    """Whether nothing at all is where an SDXL's first text encoder should be."""
    return not header.has(f"{_CONDITIONER}0.")


def _taken(header: Header) -> str:
    pictures = header.has(
        f"{_TEXT_ENCODER}model.visual.", f"{_TEXT_ENCODER}vision_model.", f"{_TEXT_ENCODER}transformer.vision"
    )
    return "pictures, as for image variations" if pictures else "another text encoder"


def unet_facts(header: Header, kind: str) -> dict[str, Any]:
    """What the tensors tell of the network, in the words of a diffusers config."""
    first, last = header.shapes.get(f"{UNET}input_blocks.0.0.weight"), header.shapes.get(f"{UNET}out.2.bias")
    vectors, large = header.has(f"{UNET}label_emb.0."), kind == "sdxl"
    return {
        "in_channels": first[1] if first and len(first) == 4 else 4,
        "out_channels": last[0] if last else 4,
        "class_embed_type": "projection" if vectors and not large else None,
        "addition_embed_type": "text_time" if vectors and large else None,
        "num_class_embeds": 1 if header.has(f"{UNET}label_emb.weight") else None,
        "attention_type": "gated" if header.has(f"{UNET}position_net.") else "default",
        "sample_size": 64,
    }


def _addition(header: Header) -> str:
    """What is made to be put beside or into a checkpoint; "" for what is not."""
    names = header.shapes
    special = (
        (header.has(*_LORA) or header.mentions(*_LORA_INSIDE), "a LoRA, changes to a network without the network"),
        (header.has("control_model.", "input_hint_block.") or header.mentions("controlnet_cond_embedding."),
         "a ControlNet"),
        (header.has("image_proj.", "ip_adapter."), "an IP-Adapter"),
        (header.mentions("motion_modules."), "a motion module (AnimateDiff)"),
        (header.has("emb_params", "string_to_param") or (0 < len(names) <= 2 and _only_vectors(header)),
         "a textual inversion, vectors for words without a network"),
    )  # fmt: skip
    return next((what for applies, what in special if applies), "")


def _only_vectors(header: Header) -> bool:
    return all(shape[-1:] in ((768,), (1024,), (1280,)) and len(shape) <= 2 for shape in header.shapes.values())


def _other_family(header: Header) -> str:
    """A checkpoint of another family; "" for those that may be of one that is known."""
    vectors = header.shapes.get(_VECTORS, (0, 0))[-1]
    if header.has("edm_mean", "edm_std", "edm_vpred."):
        return "an EDM model (Playground 2.5 or one of its kind)"
    if (header.has(f"{_CONDITIONER}0.model.") and not header.has(_SECOND)) or vectors == 2560:
        return "an SDXL refiner, which goes on with what a base model began"
    for parts, what in _ELSEWHERE:
        if header.mentions(*parts):
            return what
    for starts, what in _TRANSFORMERS:
        if header.has(*(f"{outer}{start}" for outer in ("", UNET, "model.", "net.") for start in starts)):
            return what
    return ""


def _part(header: Header) -> str:
    parts = (
        (
            "a text encoder alone",
            (
                _TEXT_ENCODER,
                "text_model.",
                "transformer.text_model.",
                "encoder.block.",
                "encoder.layers.",
                "embeddings.token_embedding.",
            ),
        ),
        ("an autoencoder alone", (_AUTOENCODER, "encoder.", "decoder.", "quant_conv.", "vae.")),
        ("a network alone, in diffusers' layout", ("down_blocks.", "mid_block.", "up_blocks.")),
        ("a network alone", ("input_blocks.", "output_blocks.", "transformer_blocks.", "single_transformer_blocks.")),
        ("an image encoder alone", ("vision_model.", "visual.")),
    )
    found = next((what for what, starts in parts if header.has(*starts)), "")
    return found or ("tensors of another kind" if header.shapes else "nothing")
