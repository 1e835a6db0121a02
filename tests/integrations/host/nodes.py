"""Nodes of the host that the example workflows are made of."""

import os

import comfy.model_sampling
import comfy.sd
import folder_paths
import numpy as np
import torch
from comfy_api.latest import io
from PIL import Image


class LoadImage(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        files = sorted(os.listdir(folder_paths.get_input_directory()))
        return io.Schema(
            "LoadImage",
            inputs=[io.Combo.Input("image", options=files, upload="image")],
            outputs=[io.Image.Output(), io.Mask.Output()],
        )

    @classmethod
    def execute(cls, image):
        picture = Image.open(os.path.join(folder_paths.get_input_directory(), image)).convert("RGB")
        pixels = torch.from_numpy(np.asarray(picture, np.float32) / 255)
        return io.NodeOutput(pixels[None], torch.zeros(1, 64, 64))


class SaveImage(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            "SaveImage",
            inputs=[io.Image.Input("images"), io.String.Input("filename_prefix", default="ComfyUI")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images, filename_prefix):
        os.makedirs(folder_paths.get_output_directory(), exist_ok=True)
        for number, image in enumerate(images, 1):
            path = os.path.join(folder_paths.get_output_directory(), f"{filename_prefix}_{number:05}_.png")
            Image.fromarray((image.numpy() * 255).clip(0, 255).astype(np.uint8)).save(path)
        return io.NodeOutput()


class MaskToImage(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema("MaskToImage", inputs=[io.Mask.Input("mask")], outputs=[io.Image.Output()])

    @classmethod
    def execute(cls, mask):
        return io.NodeOutput(mask[..., None].expand(-1, -1, -1, 3))


class PreviewAny(io.ComfyNode):
    seen: list = []

    @classmethod
    def define_schema(cls):
        return io.Schema("PreviewAny", inputs=[io.AnyType.Input("source")], is_output_node=True)

    @classmethod
    def execute(cls, source):
        PreviewAny.seen.append(source)
        return io.NodeOutput()


class CheckpointLoaderSimple(io.ComfyNode):
    sampling: type = comfy.model_sampling.EPS

    @classmethod
    def define_schema(cls):
        return io.Schema(
            "CheckpointLoaderSimple",
            inputs=[io.Combo.Input("ckpt_name", options=folder_paths.get_filename_list("checkpoints"))],
            outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()],
        )

    @classmethod
    def execute(cls, ckpt_name):
        loaded = comfy.sd.Loaded(
            folder_paths.get_full_path("checkpoints", ckpt_name), CheckpointLoaderSimple.sampling()
        )
        return io.NodeOutput(loaded, loaded, loaded)


NODES = [LoadImage, SaveImage, MaskToImage, PreviewAny, CheckpointLoaderSimple]
