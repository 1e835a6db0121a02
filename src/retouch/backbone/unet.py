"""What all families of U-Nets have in common: a U-Net, one text encoder or several, and mostly an autoencoder."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from retouch.backbone.adapters import own_weights
from retouch.backbone.condition import Condition
from retouch.backbone.configs import latent_side
from retouch.backbone.family import Family
from retouch.backbone.fingerprint import fingerprint
from retouch.backbone.guided import told_guidance
from retouch.backbone.kept import Kept
from retouch.backbone.layers import AttentionLayer, Kind, Place, ResidualBlock, attention_layers, residual_blocks
from retouch.backbone.precision import check_said, through_autoencoder
from retouch.backbone.recommended import Recommended
from retouch.backbone.saving import Memory, checkpointed
from retouch.backbone.schedule import Schedule, prediction_type, schedule_from_config
from retouch.backbone.settings import ReadAs
from retouch.backbone.texts import chunks_of, spoken
from retouch.backbone.timestep import on_device
from retouch.errors import BadModel
from retouch.placeholders import encode, starts
from retouch.prompts import Tokens, tokenize

if TYPE_CHECKING:
    from retouch.backbone.live import Live


class UNetBackbone(ABC):
    """The parts of one checkpoint as a :class:`retouch.backbone.protocol.Backbone`.

    A family says what it is made of, and what its texts mean (:meth:`condition`, :meth:`added`).

    Attributes:
        family: what its checkpoints are made of.
        name: as the user gave it.
        recommended: what the checkpoint recommends in place of the methods' published defaults.
        read_as: what the user said of the checkpoint in place of its files' own word.
        evaluations: network evaluations so far: rows of all batches given to :meth:`predict`.
        lock, live: whoever edits with the network holds it; whose parts these are, where they are somebody's.
        clip_skip: how many of the text encoders' last layers are left out.
        long_prompts: whether prompts beyond the token limit are read in chunks, and not cut off.
        chunks, kept: how many chunks texts have now; what texts and pictures were read as.
        memory: how much memory it may take, see :mod:`retouch.backbone.saving`.
        compiled: whether torch has compiled its blocks, see :mod:`retouch.backbone.compiled`.
    """

    family: ClassVar[Family]

    def __init__(
        self, name: str, *, unet: Any, text_encoder: Any, tokenizer: Any, schedule_config: Mapping[str, Any],
        device: torch.device, recommended: Recommended | None = None, read_as: ReadAs | None = None,
        live: Live | None = None, vae: Any = None,
    ) -> None:  # fmt: skip
        self.name, self.device = name, device
        self.unet, self.vae, self.text_encoder, self.tokenizer = unet, vae, text_encoder, tokenizer
        self.schedule_config = dict(schedule_config)
        self.recommended, self.read_as = recommended or Recommended(), read_as or ReadAs()
        self.evaluations, self.clip_skip, self.long_prompts, self.chunks = 0, 0, False, 1
        self.lock, self.live, self.kept, self.remarks = threading.RLock(), live, Kept(), list[str]()
        self.memory: Memory = "fast"
        self.compiled = False
        for module in () if live else self.modules.values():
            module.eval().requires_grad_(False)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Around all that is computed: a live pipeline is read as it is now, and left as it was found."""
        self.chunks = 1
        self.remarks.clear()
        try:
            with self.live.lent(self) if self.live else nullcontext():
                yield
        finally:
            self.chunks = 1

    def make_room(self, prompts: Sequence[str], tokens: int | None = None) -> None:
        """From here on texts have as many chunks as the longest of these prompts fills; one without long prompts.

        Args:
            tokens: how many positions texts are to have, whatever the prompts; None to go by these.
        """
        if tokens is not None:
            self.chunks = max(1, tokens // self.max_tokens)
        else:
            self.chunks = chunks_of(self.tokenizer, prompts, self.max_tokens) if self.long_prompts else 1

    def spoken(self, encoder: Any, tokenizer: Any, prompts: Sequence[str], skip: int) -> tuple[Tensor, Any]:
        """What one of the text encoders says, see :func:`retouch.backbone.texts.spoken`."""
        states, said = spoken(encoder, tokenizer, prompts, self.max_tokens, self.chunks, skip, self.device)
        check_said(states, encoder.dtype, self.name)
        return states, said

    @property
    def modules(self) -> dict[str, Any]:
        """The parts that hold weights, by name."""
        return {part: getattr(self, part) for part in self.family.weighty}

    @property
    def dtype(self) -> torch.dtype:
        """The network's own precision; latents and noise are float32 throughout."""
        # not unet.dtype, which looks at every weight: a tenth of a small network's evaluation
        parameter: Tensor = next(self.unet.parameters())
        kind: torch.dtype = parameter.dtype if parameter.dtype.itemsize > 1 else self.unet.dtype  # stored in 8 bits
        return kind

    @property
    def draws_by_text(self) -> bool:
        """No: an autoencoder decodes."""
        return False

    @cached_property
    def vae_factor(self) -> int:
        """Pixels per latent cell along one side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @cached_property
    def native_side(self) -> int:
        """The side in pixels of the pictures the network was trained on."""
        return latent_side(self.unet.config, self.family) * self.vae_factor

    @cached_property
    def pixel_multiple(self) -> int:
        """What a picture's sides must be multiples of."""
        return int(self.vae_factor * 2 ** (len(self.unet.config.block_out_channels) - 1))

    @cached_property
    def max_tokens(self) -> int:
        """The length of a padded prompt, start and end included."""
        # a tokenizer saved without its limit says 1e30
        return int(min(self.tokenizer.model_max_length, self.text_encoder.config.max_position_embeddings))

    @property
    def content_tokens(self) -> int:
        """How many tokens of a padded prompt may be the text's."""
        return self.max_tokens - 1 - starts(self.tokenizer)

    @property
    def text_width(self) -> int:
        """The width of the token embeddings."""
        return int(self.text_encoder.config.hidden_size)

    def encode(self, images: Tensor) -> Tensor:
        """z_0 = s·(E(x) − shift): the encoder's mean, never a sample.

        Args:
            images: [B, 3, H, W] in -1..1, sides multiples of :attr:`pixel_multiple`.

        Returns:
            float32 [B, C, H / vae_factor, W / vae_factor].
        """
        return self.kept.encoded(images, self._encoded)

    @torch.no_grad()
    def _encoded(self, images: Tensor) -> Tensor:
        mean = self._through_vae(images, lambda values: self.vae.encode(values).latent_dist.mode())
        latents: Tensor = (mean - (self.vae.config.shift_factor or 0)) * self.vae.config.scaling_factor
        return latents

    def decode(self, latents: Tensor, condition: Condition | None = None) -> Tensor:
        """D(z / s + shift): float32 pictures [B, 3, H, W] clipped to -1..1. Gradients flow to ``latents`` if wanted.

        Args:
            condition: what the picture shows, one row or B; an autoencoder asks for none.
        """
        unscaled = latents / self.vae.config.scaling_factor + (self.vae.config.shift_factor or 0)
        return self._through_vae(unscaled, lambda values: self.vae.decode(values).sample).clamp(-1, 1)

    def _through_vae(self, values: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        return through_autoencoder(self.vae, values.to(self.device), compute, self.remarks.append)

    @property
    def network(self) -> nn.Module:
        """The U-Net."""
        module: nn.Module = self.unet
        return module

    @property
    def prediction_type(self) -> str:
        """What the network predicts, see :data:`retouch.backbone.schedule.PREDICTIONS`."""
        return prediction_type(self.schedule_config)

    def condition(self, prompts: Sequence[str]) -> Condition:
        """What prompts say to the network, one row each; too long ones are cut off."""
        return self.kept.condition(prompts, (self.chunks, self.clip_skip), self.read)

    @abstractmethod
    def read(self, prompts: Sequence[str]) -> Condition:
        """As :meth:`condition`, by the text encoders."""

    def added(self, condition: Condition, latents: Tensor) -> dict[str, Tensor] | None:
        """What the network is told beside token embeddings; None where its family is told nothing."""
        return None

    def tokens(self, prompt: str) -> Tokens:
        """The prompt's words and tokens, in the order of the condition's embeddings."""
        return tokenize(self.tokenizer, prompt, self.max_tokens, self.chunks)

    def truncated(self, prompt: str) -> str:
        """The end of ``prompt`` that does not fit the model's token limit, "" when all of it fits."""
        encoded = encode(self.tokenizer, prompt)
        spans, room = encoded.spans[encoded.start : -1], self.content_tokens * self.chunks
        return "" if len(spans) <= room else prompt[spans[room][0] :]

    def predict(self, latents: Tensor, timestep: int | Tensor, condition: Condition) -> Tensor:
        """What the network predicts, in its own terms. Gradients flow where the caller enables them.

        Args:
            latents: [B, C, h, w].
            timestep: one training timestep, or one per row [B].
            condition: B rows.

        Returns:
            float32, the shape of ``latents``.
        """
        self.evaluations += len(latents)
        t = on_device(timestep, self.device)
        output: Tensor = self.unet(
            latents.to(self.dtype), t, encoder_hidden_states=condition.embeds.to(self.dtype),
            timestep_cond=told_guidance(self.unet.config, self.read_as.guidance, self.device, self.dtype, len(latents)),
            added_cond_kwargs=self.added(condition, latents),
            return_dict=False,
        )[0]  # fmt: skip
        return output.float()

    def predict_noise(self, latents: Tensor, timestep: int | Tensor, condition: Condition) -> Tensor:
        """ε(z, t, c), whatever the network itself predicts; as :meth:`predict`."""
        prediction = self.predict(latents, timestep, condition)
        if self.prediction_type == "epsilon":
            return prediction
        return self.schedule(1).level_of(timestep, latents).noise(prediction, latents, self.prediction_type)

    def gradient_checkpointing(self) -> AbstractContextManager[None]:
        """The networks recompute their activations in the backward pass: more time, much less memory."""
        return checkpointed([self.unet])

    def schedule(self, num_inference_steps: int) -> Schedule:
        """The checkpoint's own schedule with this many steps (see :func:`schedule_from_config`)."""
        if num_inference_steps not in self._schedules:
            self._schedules[num_inference_steps] = schedule_from_config(self.schedule_config, num_inference_steps)
        return self._schedules[num_inference_steps]

    @cached_property
    def _schedules(self) -> dict[int, Schedule]:
        return {}

    def attention_layers(self, place: Place | None = None, kind: Kind | None = None) -> tuple[AttentionLayer, ...]:
        """The network's attention layers, in the order they run."""
        return tuple(
            layer
            for layer in self._layers
            if (place is None or layer.place == place) and (kind is None or layer.kind == kind)
        )

    @cached_property
    def _layers(self) -> tuple[AttentionLayer, ...]:
        return attention_layers(self.unet)

    def first_attending_decoder_block(self, index: int) -> ResidualBlock:
        """Residual block ``index`` of the coarsest decoder level that attends; its last, where it has fewer."""
        level = max((layer.level for layer in self.attention_layers(place="up")), default=None)
        if level is None:
            raise BadModel(
                f"no level of {self.name!r}'s decoder attends, and this edit goes by one: take another method."
            )
        blocks = [block for block in residual_blocks(self.unet) if block.place == "up" and block.level == level]
        return blocks[min(index, len(blocks) - 1)]

    def last_decoder_block(self) -> str:
        """The module path of the decoder's last block, whose output goes to the network's own output layers."""
        return f"up_blocks.{len(self.unet.up_blocks) - 1}"

    @cached_property
    def fingerprint(self) -> str:
        """What names these weights, see :func:`retouch.backbone.fingerprint.fingerprint`."""
        return fingerprint({part: own_weights(module) for part, module in self.modules.items()})

    @property
    def identity(self) -> str:
        """What names everything that results depend on: the fingerprint, and how else than its files say it is read."""
        return f"{self.fingerprint} {self.read_as}".rstrip()
