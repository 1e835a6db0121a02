"""Nodes that give a model: one by its name among those allowed, or the host's own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.model_sampling
import comfy.sd
import folder_paths
from comfy_api.latest import io

from retouch import Editor
from retouch.backbone.load import EMBEDDED_MODELS
from retouch.errors import BadModel

Model = io.Custom("RETOUCH_MODEL")
CATEGORY = "retouch"
LISTED = "RETOUCH_MODELS"
"""The environment variable in which whoever runs the host allows more: folders, files or hub names, by commas."""
_FOLDER = "checkpoints"
_PREDICTIONS = ("auto", "epsilon", "v_prediction", "sample")
_PRECISIONS = ("auto", "float32", "float16", "bfloat16")


def allowed() -> dict[str, str]:
    """What may be loaded, by the name that a workflow has for it: the embedded models, checkpoints, those listed."""
    files = [name for name in folder_paths.get_filename_list(_FOLDER) if name.endswith(".safetensors")]
    listed = [name.strip() for name in os.environ.get(LISTED, "").split(",")]
    return {
        **{name: name for name in EMBEDDED_MODELS},
        **{name: folder_paths.get_full_path(_FOLDER, name) or "" for name in files},
        **{name: name for name in listed if name},
    }


def _how(precision: str, device: str, prediction: str) -> dict[str, Any]:
    how: dict[str, Any] = {"device": str(comfy.model_management.get_torch_device()) if device == "auto" else device}
    if precision != _PRECISIONS[0]:
        how["dtype"] = precision
    if prediction != _PREDICTIONS[0]:
        how["prediction"] = prediction
    return how


def _reading() -> list[io.Input]:
    """How a checkpoint is read."""
    return [
        io.Combo.Input("precision", options=list(_PRECISIONS), default="auto", tooltip="of the network"),
        io.Combo.Input("device", options=["auto", "cpu"], default="auto", tooltip="auto: the host's"),
        io.Combo.Input(
            "prediction", options=list(_PREDICTIONS), default="auto",
            tooltip="what the network predicts; auto: what its file or the host says",
        ),
    ]  # fmt: skip


class RetouchLoadModel(io.ComfyNode):
    """A model by its name."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="RetouchLoadModel", display_name="Retouch Load Model", category=CATEGORY,
            description="A model to edit with: an embedded one, a checkpoint of Stable Diffusion 1.x, 2.x or SDXL, "
            f"or what {LISTED} lists.",
            inputs=[io.Combo.Input("name", options=list(allowed()), default=EMBEDDED_MODELS[0]), *_reading()],
            outputs=[Model.Output("model", display_name="model")],
        )  # fmt: skip

    @classmethod
    def execute(cls, name: str, precision: str, device: str, prediction: str) -> io.NodeOutput:
        """Loads it."""
        places = allowed()
        if not places.get(name):
            raise BadModel(f"the model {name!r} is not among those allowed: choose one of {', '.join(places)}.")
        return io.NodeOutput(Editor.from_pretrained(places[name], **_how(precision, device, prediction)))


class RetouchFromCheckpoint(io.ComfyNode):
    """The host's own model, with the LoRAs and merges that are on it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="RetouchFromCheckpoint", display_name="Retouch From MODEL, CLIP and VAE", category=CATEGORY,
            description="Takes the host's model with what is merged into it: the host writes it as a checkpoint into "
            "its temporary folder, which is read and removed. Stable Diffusion 1.x, 2.x and SDXL.",
            is_experimental=True,
            inputs=[io.Model.Input("model"), io.Clip.Input("clip"), io.Vae.Input("vae"), *_reading()],
            outputs=[Model.Output("retouch_model", display_name="model")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, model: Any, clip: object, vae: object, precision: str, device: str, prediction: str
    ) -> io.NodeOutput:
        """Has it written, reads it, removes the file."""
        said, how = _said(model.get_model_object("model_sampling")), _how(precision, device, prediction)
        how = how if "prediction" in how else how | said
        with tempfile.TemporaryDirectory(prefix="retouch-", dir=_temporary()) as folder:
            path = Path(folder) / "model.safetensors"
            comfy.sd.save_checkpoint(str(path), model, clip=clip, vae=vae)
            comfy.model_management.unload_all_models()  # room for what is read: both would lie on the device
            editor = Editor.from_pretrained(path, **how)
        editor.model.name = "ComfyUI's model"  # in recipes and sentences; its fingerprint says which
        return io.NodeOutput(editor)


def _said(sampling: object) -> dict[str, Any]:
    """How the host samples with its model, which the file that it writes does not say.

    Raises:
        BadModel: where it samples in a way that is none of Stable Diffusion's.
    """
    kinds = comfy.model_sampling
    if isinstance(sampling, kinds.EDM) or not isinstance(sampling, kinds.EPS):  # the others are all kinds of EPS there
        raise BadModel(
            "model is neither Stable Diffusion 1.x nor 2.x nor SDXL, by how it is sampled: load one of them."
        )
    if isinstance(sampling, kinds.V_PREDICTION):
        return {"prediction": "v_prediction", "zero_snr": bool(getattr(sampling, "zsnr", False))}
    return {"prediction": "sample" if isinstance(sampling, kinds.X0) else "epsilon"}


def _temporary() -> str:
    place = folder_paths.get_temp_directory()
    os.makedirs(place, exist_ok=True)
    return str(place)
