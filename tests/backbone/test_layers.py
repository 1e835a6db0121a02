"""Layers and blocks are told apart by what the network does, not by their names alone."""

import torch
from diffusers import UNet2DConditionModel

from retouch.backbone.layers import attention_layers, residual_blocks
from tests.tiny import tiny_backbone


def test_residual_blocks_are_listed_in_the_order_the_network_runs_them(tmp_path):
    model, ran = tiny_backbone(tmp_path), []
    blocks = residual_blocks(model.unet)
    for block in blocks:
        model.unet.get_submodule(block.name).register_forward_hook(lambda *_, name=block.name: ran.append(name))
    model.predict_noise(torch.zeros(1, 4, 8, 8), 1, model.condition(["x"]))
    assert ran == [block.name for block in blocks]
    places = [(block.place, block.level, block.index) for block in blocks]
    assert places[:3] == [("down", 0, 0), ("down", 0, 1), ("down", 1, 0)]
    assert [p for p in places if p[0] == "mid"] == [("mid", 3, 0), ("mid", 3, 1)]
    assert places[-3:] == [("up", 0, 0), ("up", 0, 1), ("up", 0, 2)]


def test_first_attentions_that_read_the_prompt_count_as_cross_attention():
    unet = UNet2DConditionModel(
        sample_size=8, layers_per_block=1, block_out_channels=(8, 8), cross_attention_dim=8, attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        norm_num_groups=4, only_cross_attention=(True, False), mid_block_only_cross_attention=False,
    )  # fmt: skip
    layers = attention_layers(unet)
    assert [layer.name for layer in layers if layer.kind == "self"] == [
        "mid_block.attentions.0.transformer_blocks.0.attn1"
    ]
    assert [layer.order for layer in layers if layer.kind == "cross"] == list(range(7))
