"""What the methods ask of a diffusion model, whatever its family: one short file beside this one for each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from threading import RLock
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from retouch.backbone.condition import Condition
from retouch.backbone.layers import AttentionLayer, Kind, Place, ResidualBlock
from retouch.backbone.recommended import Recommended
from retouch.backbone.schedule import Schedule
from retouch.backbone.settings import ReadAs
from retouch.prompts import Tokens


class Backbone(Protocol):
    """A checkpoint that can be edited with.

    Attributes:
        name: as the user gave it.
        recommended: what the checkpoint recommends in place of the methods' published defaults.
        read_as: what the user said of the checkpoint in place of its files' own word.
        evaluations: network evaluations so far: rows of all batches given to :meth:`predict`.
        lock: whoever edits with the network holds it, see :func:`retouch.backbone.turn.turn`.
        device: where it computes.
        long_prompts: whether prompts beyond the token limit are read in chunks, and not cut off.
        chunks: how many chunks texts have at the moment.
        memory, compiled: how much memory it may take, see :mod:`retouch.backbone.saving`; whether it is compiled.
        remarks: what the user should know of how it computed in this turn, in sentences.
    """

    name: str
    recommended: Recommended
    read_as: ReadAs
    evaluations: int
    lock: RLock
    device: torch.device
    long_prompts: bool
    chunks: int
    remarks: list[str]
    memory: Literal["fast", "balanced", "low"]
    compiled: bool

    @property
    def dtype(self) -> torch.dtype:
        """The network's own precision; latents and predictions are float32 throughout."""
        ...

    @property
    def network(self) -> nn.Module:
        """The denoising network: what attention edits are attached to, and what fits train."""
        ...

    @property
    def draws_by_text(self) -> bool:
        """Whether :meth:`decode` draws under a text, as the second stage of a cascade does."""
        ...

    @property
    def vae_factor(self) -> int:
        """Pixels per latent cell along one side."""
        ...

    @property
    def native_side(self) -> int:
        """The side in pixels of the pictures the network was trained on."""
        ...

    @property
    def pixel_multiple(self) -> int:
        """What a picture's sides must be multiples of."""
        ...

    @property
    def max_tokens(self) -> int:
        """The length of a padded prompt, or of a chunk of a long one, start and end included."""
        ...

    @property
    def text_width(self) -> int:
        """The width of the token embeddings, by which CLIP's families are told apart."""
        ...

    @property
    def prediction_type(self) -> str:
        """What the network predicts, see :data:`retouch.backbone.schedule.PREDICTIONS`."""
        ...

    @property
    def fingerprint(self) -> str:
        """What names these weights."""
        ...

    @property
    def identity(self) -> str:
        """What names everything that results depend on: the fingerprint, and how else than its files say it is read."""
        ...

    def working(self) -> AbstractContextManager[None]:
        """Around all that is computed with it, see :func:`retouch.backbone.turn.turn`."""
        ...

    def make_room(self, prompts: Sequence[str], tokens: int | None = None) -> None:
        """From here on texts have as many chunks as the longest of these prompts fills, or so many ``tokens``."""
        ...

    def encode(self, images: Tensor) -> Tensor:
        """z_0 of pictures [B, 3, H, W] in -1..1: float32 [B, C, H / vae_factor, W / vae_factor], never a sample."""
        ...

    def decode(self, latents: Tensor, condition: Condition | None = None) -> Tensor:
        """Pictures [B, 3, H, W] in -1..1 of latents. Gradients flow to ``latents`` if wanted.

        Args:
            condition: what the pictures show, one row or B, for families that draw them under a text.
        """
        ...

    def condition(self, prompts: Sequence[str]) -> Condition:
        """What prompts say to the network, one row each; too long ones are cut off."""
        ...

    def tokens(self, prompt: str) -> Tokens:
        """The prompt's words and tokens, in the order of the condition's embeddings."""
        ...

    def truncated(self, prompt: str) -> str:
        """The end of ``prompt`` that does not fit the model's token limit, "" when all of it fits."""
        ...

    def predict(self, latents: Tensor, timestep: int | Tensor, condition: Condition) -> Tensor:
        """What the network predicts, in its own terms: float32, the shape of ``latents`` [B, C, h, w]."""
        ...

    def predict_noise(self, latents: Tensor, timestep: int | Tensor, condition: Condition) -> Tensor:
        """The same as predicted noise ε."""
        ...

    def schedule(self, num_inference_steps: int) -> Schedule:
        """The checkpoint's own schedule with this many steps."""
        ...

    def attention_layers(self, place: Place | None = None, kind: Kind | None = None) -> tuple[AttentionLayer, ...]:
        """The network's attention layers, in the order they run."""
        ...

    def first_attending_decoder_block(self, index: int) -> ResidualBlock:
        """Capture point: residual block ``index`` of the coarsest decoder level that attends."""
        ...

    def last_decoder_block(self) -> str:
        """Capture point: the module path of the decoder's last block."""
        ...

    def gradient_checkpointing(self) -> AbstractContextManager[None]:
        """The network recomputes its activations in the backward pass: more time, much less memory."""
        ...
