"""Small random models of every kind that retouch edits with, in memory or as a diffusers folder."""

import json
import string

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from retouch.backbone.pixel import PixelCascade
from retouch.backbone.sd import StableDiffusion
from retouch.backbone.sdxl import StableDiffusionXL

KINDS = ("sd1", "sd2", "sample", "sdxl", "if")


def tiny_tokenizer(folder, length, pad="<|endoftext|>"):
    """A real CLIP tokenizer without merges: every letter is a token, so words have many."""
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(c + "</w>" for c in letters), "c a", "<|startoftext|>", "<|endoftext|>"]
    tokens[tokens.index("c a")] = "ca"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\nc a\n")
    tokenizer = CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=length, pad_token=pad
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def tiny_text_config(tokenizer, width=16, **more):
    """Of a text encoder of two layers, for a tokenizer."""
    return CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=2 * width, num_attention_heads=2,
        max_position_embeddings=tokenizer.model_max_length, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, **{"num_hidden_layers": 2, **more},
    )  # fmt: skip


def tiny_xl_parts(folder, seed=0, *, guided=False):
    """SDXL: three levels of which the first attends nowhere, two text encoders that pad differently, six numbers.

    Args:
        guided: whether the network takes a guidance embedding.
    """
    torch.manual_seed(seed)
    tokenizer, other = tiny_tokenizer(folder / "tokenizer", 77), tiny_tokenizer(folder / "tokenizer_2", 77, "!")
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, layers_per_block=2, block_out_channels=(8, 8, 16),
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",), transformer_layers_per_block=(1, 1, 2),
        cross_attention_dim=16 + 24, attention_head_dim=(1, 1, 2), norm_num_groups=4, use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=20 + 6 * 8,
        time_cond_proj_dim=12 if guided else None,
    )  # fmt: skip
    return {
        "unet": unet,
        "vae": tiny_vae(),
        "text_encoder": CLIPTextModel(tiny_text_config(tokenizer)),
        "text_encoder_2": CLIPTextModelWithProjection(
            tiny_text_config(other, 24, num_hidden_layers=3, projection_dim=20, hidden_act="gelu")
        ),
        "tokenizer": tokenizer,
        "tokenizer_2": other,
        "scheduler": tiny_scheduler("epsilon"),
    }


def tiny_t5_tokenizer():
    """A T5 tokenizer to which every letter is a piece, and the start of a word one more."""
    letters = ["\u2581", *string.ascii_lowercase, *string.digits, *string.punctuation]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((letter, -3.0) for letter in letters), ("ca", -1.0)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=77)


def tiny_pixel_unet(side, *, enlarges=False):
    """A U-Net in DeepFloyd IF's layout, of three levels of which the first attends nowhere."""
    blocks = ["ResnetDownsampleBlock2D", *["SimpleCrossAttnDownBlock2D"] * 2]
    return UNet2DConditionModel(
        sample_size=side, in_channels=6 if enlarges else 3, out_channels=6, down_block_types=tuple(blocks),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=tuple(block.replace("Down", "Up").replace("downs", "ups") for block in reversed(blocks)),
        block_out_channels=(8, 16, 16), layers_per_block=1, cross_attention_dim=32, encoder_hid_dim=16,
        attention_head_dim=8, norm_num_groups=4, act_fn="gelu", time_embedding_act_fn="gelu",
        resnet_time_scale_shift="scale_shift", resnet_skip_time_act=True, resnet_out_scale_factor=1.414,
        mid_block_scale_factor=1.414, cross_attention_norm="group_norm", addition_embed_type="text",
        addition_embed_type_num_heads=2, class_embed_type="timestep" if enlarges else None,
    )  # fmt: skip


def tiny_pixel_scheduler(thresholding=False):
    """IF's schedule; random networks need no thresholding, which would break exact inversion."""
    return DDPMScheduler(
        beta_schedule="squaredcos_cap_v2", variance_type="learned_range", prediction_type="epsilon",
        thresholding=thresholding, dynamic_thresholding_ratio=0.95, sample_max_value=1.5,
    )  # fmt: skip


def tiny_t5(tokenizer):
    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=16,
            d_kv=8,
            num_heads=2,
            d_ff=32,
            num_layers=2,
            feed_forward_proj="gated-gelu",
            is_encoder_decoder=False,
            use_cache=False,
        )
    )


def tiny_pixel_parts(seed=0):
    """The base stage of a cascade, 16 pixels."""
    torch.manual_seed(seed)
    tokenizer = tiny_t5_tokenizer()
    return {
        "unet": tiny_pixel_unet(16), "text_encoder": tiny_t5(tokenizer), "tokenizer": tokenizer,
        "scheduler": tiny_pixel_scheduler(),
    }  # fmt: skip


def tiny_vae():
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8), latent_channels=4, norm_num_groups=4, sample_size=16,
    )  # fmt: skip


def tiny_scheduler(prediction):
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type=prediction,
    )  # fmt: skip


def tiny_parts(folder, kind="sd1", seed=0):
    """The parts of one model: SD 1.x has 4 levels and 16 self-attention layers, SD 2.x predicts v."""
    if kind == "sdxl":
        return tiny_xl_parts(folder, seed)
    if kind == "if":
        return tiny_pixel_parts(seed)
    torch.manual_seed(seed)
    sd2 = kind == "sd2"
    tokenizer = tiny_tokenizer(folder / "tokenizer", 24 if sd2 else 77)
    text = CLIPTextModel(tiny_text_config(tokenizer))
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, layers_per_block=2, block_out_channels=(8, 8, 16, 16),
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=16, attention_head_dim=(1, 1, 2, 2) if sd2 else 2, norm_num_groups=4,
        use_linear_projection=sd2,
    )  # fmt: skip
    vae = tiny_vae()
    scheduler = tiny_scheduler({"sd1": "epsilon", "sd2": "v_prediction", "sample": "sample"}[kind])
    return {"unet": unet, "vae": vae, "text_encoder": text, "tokenizer": tokenizer, "scheduler": scheduler}


def tiny_backbone(folder, kind="sd1", seed=0):
    """A backbone in memory; ``folder`` holds its tokenizer's files."""
    parts = tiny_parts(folder, kind, seed)
    config = parts.pop("scheduler").config
    family = {"sdxl": StableDiffusionXL, "if": PixelCascade}.get(kind, StableDiffusion)
    return family(kind, **parts, schedule_config=config, device=torch.device("cpu"))


def channels(model):
    """Of what the methods call latents."""
    return model.unet.config.in_channels


def save_tiny(folder, kind="sd1", seed=0):
    """The model as a diffusers folder."""
    for name, part in tiny_parts(folder, kind, seed).items():
        part.save_pretrained(folder / name)
    return folder


def save_cascade(folder, seed=0, *, second=True):
    """A two-stage cascade of 16 and 32 pixels as a folder, the second stage inside the first's."""
    save_tiny(folder, "if", seed)
    if second:
        torch.manual_seed(seed + 1)
        tiny_pixel_unet(32, enlarges=True).save_pretrained(folder / "super_resolution" / "unet")
        tiny_pixel_scheduler(True).save_pretrained(folder / "super_resolution" / "scheduler")
        DDPMScheduler(beta_schedule="linear").save_pretrained(folder / "super_resolution" / "image_noising_scheduler")
    return folder
