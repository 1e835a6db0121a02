"""The options that say how a model is read and what goes on top of it, given to every command that names one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "prediction": (
        Annotated[
            str | None,
            typer.Option(help="What the network predicts, where its files do not say: epsilon, v or sample."),
        ],
        None,
    ),
    "native": (
        Annotated[
            int | None,
            typer.Option(help="The side in pixels of the pictures it was trained on, where its files do not say."),
        ],
        None,
    ),
    "dtype": (
        Annotated[
            str | None, typer.Option(help="Its precision: float32, float16 or bfloat16; default: float16 on cuda.")
        ],
        None,
    ),
    "memory": (
        Annotated[
            str | None,
            typer.Option(help="Of the device it may take: fast (all it needs), balanced or low; see docs/memory.md."),
        ],
        None,
    ),
    "compile": (
        Annotated[
            bool, typer.Option("--compile", help="Have torch compile it: slow at first, for many edits; docs/speed.md.")
        ],
        False,
    ),
    "channels_last": (
        Annotated[
            bool, typer.Option("--channels-last", help="Lay out its weights with the channels last; see docs/speed.md.")
        ],
        False,
    ),
    "lora": (
        Annotated[
            list[str] | None,
            typer.Option(
                help="A LoRA of kohya's, diffusers' or peft's kind, FILE or FILE:WEIGHT, a .safetensors; repeatable."
            ),
        ],
        None,
    ),
    "vae": (
        Annotated[
            str | None,
            typer.Option(help="Another autoencoder for the model: a folder, a .safetensors file or a hub name."),
        ],
        None,
    ),
    "embedding": (
        Annotated[
            list[str] | None,
            typer.Option(
                help="A textual inversion, FILE or FILE:WORD, a .safetensors and its word in prompts; repeatable."
            ),
        ],
        None,
    ),
    "super_resolution": (
        Annotated[str | None, typer.Option(help="The second stage of a pixel cascade whose base stage --model names.")],
        None,
    ),
    "clip_skip": (
        Annotated[
            int,
            typer.Option(help="How many of the text encoder's last layers to leave out, as in diffusers.", min=0),
        ],
        0,
    ),
    "long_prompts": (
        Annotated[
            bool, typer.Option("--long-prompts", help="Read prompts beyond the token limit in chunks, not cut off.")
        ],
        False,
    ),
}


def with_on_top(command: Callable[..., None]) -> Callable[..., None]:
    """The command with these options; what is given reaches it as ``on_top``, by the names that loading has for it.

    Args:
        command: has the parameters ``set_model``, behind which they are shown, and ``on_top``.
    """
    parameters = list[inspect.Parameter]()
    for name, one in inspect.signature(command, eval_str=True).parameters.items():
        if name == "on_top":
            continue
        parameters.append(one.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        if name == "set_model":
            parameters += [
                inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
                for option, (kind, default) in _OPTIONS.items()
            ]

    def called(**values: Any) -> None:
        given = {name: values.pop(name, default) for name, (_, default) in _OPTIONS.items()}
        command(**values, on_top={name: value for name, value in given.items() if value != _OPTIONS[name][1]})

    called.__doc__, called.__name__ = command.__doc__, command.__name__
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return called
