"""``retouch models``: which models can be named, and what one of them is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from retouch.cli import options
from retouch.cli.messages import tell, tell_json


def models(
    name: Annotated[str, typer.Argument(help="A model to load and describe.")] = "diorama",
    set_model: options.SetModel = None,
    on_top: options.OnTop = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Say how models are named, and describe one (default: the embedded one)."""
    from retouch.backbone.load import load

    model = load(name, **options.model_settings(set_model, on_top))
    described = {
        "name": model.name,
        "family": model.family.name,
        "fingerprint": model.fingerprint,
        "native_side": model.native_side,
        "prediction_type": model.prediction_type,
        "zero_snr": bool(model.schedule_config.get("rescale_betas_zero_snr")),
        "read_as": model.read_as.changed,
        "parameters": sum(p.numel() for p in model.unet.parameters()),
        "vae_factor": model.vae_factor,
        "latent_channels": model.unet.config.in_channels,
        "takes_guidance": model.unet.config.time_cond_proj_dim is not None,
        "max_tokens": model.content_tokens,
        "device": str(model.device),
    }
    if as_json:
        tell_json(described)
        return
    lines = {
        "name": model.name,
        "family": model.family.name,
        "fingerprint": model.fingerprint,
        "native side": f"{described['native_side']} pixels",
        "prediction": described["prediction_type"] + (", from pure noise" if described["zero_snr"] else ""),
        "network": f"{described['parameters'] / 1e6:.1f} M parameters"
        + (f", told guidance {model.read_as.guidance:g}" if described["takes_guidance"] else ""),
        "autoencoder": f"{described['vae_factor']}x smaller, {described['latent_channels']} channels"
        if model.family.latent
        else "none: pixels" + (f", drawn {model.vae_factor} times larger" if model.draws_by_text else ""),
        "prompt": f"up to {described['max_tokens']} tokens" + (", longer ones in chunks of these" * model.long_prompts),
        "device": described["device"],
        **{name.replace("_", " "): _shown(value) for name, value in model.read_as.on_top.items()},
    }
    for key, value in lines.items():
        tell(f"{key:12} {value}")
    typer.echo(
        "\nName a model with --model:\n"
        "  diorama                   the embedded painted world: offline, small, the default\n"
        "  diorama-pixels            the same world by a cascade of pixel models\n"
        "  path/to/folder            a diffusers folder of Stable Diffusion 1.x, 2.x or SDXL, or of DeepFloyd IF\n"
        "  path/to/file.safetensors  a checkpoint of these in one file: offline\n"
        "  owner/model               a hub name; fetched once, then kept\n"
        "\nSay with --set-model how it is read where its files do not: prediction=v, zero_snr=yes, native=768,\n"
        "guidance=8.5. Put on top of it --lora, --vae, --embedding, --clip-skip, --long-prompts, --super-resolution."
    )


def _shown(value: Any) -> str:
    """What was put on top of a model, in words."""
    if not isinstance(value, list):
        return "yes" if value is True else str(value)
    return ", ".join(
        " ".join(f"{said:g}" if isinstance(said, float) else said for said in one.values()) for one in value
    )
