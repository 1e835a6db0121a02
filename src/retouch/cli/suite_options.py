"""The options that suites declare, given to a command that runs one."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from retouch.parameters import Parameter
    from retouch.suites.suite import Suite


def with_options(command: Callable[..., None], suites: Mapping[str, type[Suite]]) -> Callable[..., None]:
    """The command with these suites' options; those that are given reach it as ``suite_options``, text by name.

    Args:
        command: has the parameters ``suite``, which is the name of one, and ``suite_options``.
    """
    own = inspect.signature(command, eval_str=True)
    owners = _owners(suites, own.parameters)
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, one in own.parameters.items()
        if name != "suite_options"
    ]
    if suites:
        argument = typer.Argument(help=f"One of {', '.join(suites)}.", show_default=False)
        parameters = [
            one.replace(annotation=Annotated[str, argument]) if one.name == "suite" else one for one in parameters
        ]
    parameters += [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=None,
            annotation=Annotated[str | None, typer.Option(help=_help(of), show_default=False)],
        )
        for name, of in owners.items()
    ]  # fmt: skip

    def called(**values: Any) -> None:
        given = {name: values.pop(name) for name in owners}
        command(**values, suite_options={name: value for name, value in given.items() if value is not None})

    called.__doc__, called.__name__ = command.__doc__, command.__name__
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return called


def _owners(suites: Mapping[str, type[Suite]], taken: Mapping[str, Any]) -> dict[str, dict[str, Parameter]]:
    """Every option by its name, as each suite that has it declares it."""
    found: dict[str, dict[str, Parameter]] = {}
    if suites:
        from retouch.suites.registry import options_of

        for suite, kind in suites.items():
            for one in options_of(kind):
                if one.name in taken:
                    sentence = (
                        f"the suite {suite} has an option {one.name!r}, which is the command's: it cannot be set."
                    )
                    warnings.warn(sentence, stacklevel=2)
                else:
                    found.setdefault(one.name, {})[suite] = one
    return found


def _help(owners: Mapping[str, Parameter]) -> str:
    """What the option is to each suite that has it, with its default where it has one to show."""
    meanings: dict[str, list[str]] = {}
    for suite, one in owners.items():
        default = f", default {one.default}" if one.default is not MISSING and one.default != "" else ""
        meanings.setdefault(f"{one.help}{default}", []).append(suite)
    said = "; ".join(f"of {' and '.join(suites)}: {meaning}" for meaning, suites in meanings.items())
    return f"O{said[1:]}."
