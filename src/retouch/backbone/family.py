"""The families of U-Nets: what their folders hold, and what they are called."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """What a family's checkpoints are made of.

    Attributes:
        name: as a sentence has it.
        encoders: the folders of its text encoders.
        tokenizers: of their tokenizers, in the same order.
        latent: whether its network works on an autoencoder's latents; else on pixels.
    """

    name: str
    encoders: tuple[str, ...] = ("text_encoder",)
    tokenizers: tuple[str, ...] = ("tokenizer",)
    latent: bool = True

    @property
    def weighty(self) -> tuple[str, ...]:
        """The parts that hold weights."""
        return ("unet", *(("vae",) if self.latent else ()), *self.encoders)

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders of one in diffusers' layout."""
        return (*self.weighty, *self.tokenizers, "scheduler")

    @property
    def configs(self) -> dict[str, str]:
        """The configuration files, by part."""
        said = {part: f"{part}/config.json" for part in self.weighty}
        return {"scheduler": "scheduler/scheduler_config.json", **said}

    def stem(self, part: str) -> str:
        """How the names of a part's files of weights begin."""
        return f"{part}/{'model' if part in self.encoders else 'diffusion_pytorch_model'}"


SD = Family("Stable Diffusion 1.x or 2.x")
SDXL = Family("SDXL", ("text_encoder", "text_encoder_2"), ("tokenizer", "tokenizer_2"))
IF = Family("DeepFloyd IF", latent=False)
FAMILIES = (SD, SDXL, IF)


def family_of(parts: Set[str]) -> Family:
    """The family of a model made of these parts."""
    return SDXL if parts & {"text_encoder_2", "tokenizer_2"} else SD
