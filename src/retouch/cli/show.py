"""``retouch show`` and ``retouch recipe``: how a picture was made, in words and as JSON, and what repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from retouch.cli import streams
from retouch.cli.messages import tell, tell_command, tell_facts, tell_json, tell_prose, tell_table

Made = Annotated[Path, typer.Argument(help="A picture that retouch wrote; - for stdin.")]


def show(
    picture: Made, as_json: Annotated[bool, typer.Option("--json", help="The recipe as JSON.")] = False
) -> None:  # fmt: skip
    """Show how PICTURE was made, and the command that makes it again."""
    found = _recipe(picture)
    if as_json:
        tell_json(found, indent=2)
        return
    from retouch.explore.again import edits_in, kind_of

    kind, again = kind_of(found), f"again{picture.suffix if picture.suffix else '.png'}"
    if kind == "sheet":
        edits = edits_in(found)
        tell_prose(f"{picture}: a sheet of {len(edits)} edits; --json prints the whole recipe of each.")
        tell()
        tell_table(
            ("edit", "method", "seed", "from", "to"),
            [(str(i + 1), *(str(one.get(name) or "") for name in ("method", "seed", "source", "target")))
             for i, one in enumerate(edits)],
        )  # fmt: skip
    elif kind == "painting":
        tell_facts({"painted": str(found["diorama"]), "seed": str(found.get("seed", 0))})
        words = ["retouch", "diorama", "paint", str(found["diorama"]), "-o", again, "--seed", str(found.get("seed", 0))]
        _tell_again(words + (["--side", str(found["side"])] if "side" in found else []))
    elif kind in ("edit", "fit"):
        tell_facts(facts(found))
        if kind == "fit":
            tell()
            tell_prose("It was sampled from a fit: `retouch edit --fit FIT` repeats it from the fit's file.")
        else:
            _tell_again(command(found, again))
            for name, meaning in placeholders(found).items():
                tell_prose(f"{name} is {meaning}.")
    else:
        tell_prose(f"{picture}: no edit of one picture; its recipe is:")
        tell_json(found, indent=2)


def recipe(picture: Made) -> None:
    """Show how PICTURE was made, as JSON: `retouch show --json`."""
    tell_json(_recipe(picture), indent=2)


def _recipe(picture: Path) -> dict[str, Any]:
    from retouch.errors import BadPicture

    found = streams.recipe_inside(picture)
    if found is None:
        raise BadPicture(f"{picture} carries no recipe: edits, sheets of them and painted pictures do.")
    return found


def _tell_again(words: list[str]) -> None:
    tell()
    tell_command(words)


def facts(found: Mapping[str, Any]) -> dict[str, str]:
    """A recipe in words, by name."""
    from retouch.explore.again import settings_shown

    known = found.get("picture") if isinstance(found.get("picture"), Mapping) else None
    size = " x ".join(map(str, known["size"])) if known else ""
    on_top = found.get("read_as") or {}
    told = {
        "from": str(found.get("source") or "(nothing said)"),
        "to": str(found.get("target")),
        "not": str(found.get("negative_prompt") or ""),
        "picture": f"{known.get('name', 'no file')}, {size} pixels, digest {known.get('digest')}" if known else "",
        "where": _where(found),
        "method": str(found["method"]) + (", chosen by auto" if "auto" in found else ""),
        "parts": ", ".join(f"{axis} {part}" for axis, part in (found.get("parts") or {}).items()),
        "settings": ", ".join(f"{name} {value}" for name, value in settings_shown(found).items()),
        "strength": str(found.get("strength", "")),
        "seed": str(found.get("seed")),
        "model": f"{found.get('model')}, checkpoint {found.get('fingerprint')}",
        "read with": ", ".join(f"{name} {value}" for name, value in on_top.items()),
        "computed": ", ".join(
            [f"{name} {found[name]}" for name in ("dtype", "memory") if found.get(name)]
            + (["compiled"] if found.get("compiled") else [])
        ),
        "kept": str(found.get("keep", "")) + _untouched(found),
        "versions": ", ".join(
            f"{name} {value}"
            for name, value in {"retouch": found.get("retouch"), **(found.get("versions") or {})}.items()
        ),
    }
    return {name: text for name, text in told.items() if text}


def command(found: Mapping[str, Any], output: str) -> list[str]:
    """The words of the command that makes a recipe's edit again; pictures that it does not name are in capitals."""
    from retouch.explore.again import asked_again, settings_shown, taken

    given = asked_again(found)
    known = found.get("picture") if isinstance(found.get("picture"), Mapping) else {}
    name = str((known or {}).get("name", "PICTURE"))
    words = ["retouch", "edit", f"./{name}" if name.startswith("-") else name, "-o", output]
    for option, name in (("--from", "source"), ("--to", "target"), ("--negative", "negative_prompt")):
        words += [option, given[name]] if given.get(name) else []
    words += ["--method", given["method"]]
    for axis, part in (found.get("parts") or {}).items():
        words += [f"--{axis}", part]
    for name, value in settings_shown(found).items():
        words += ["--set", f"{name}={value}"]
    for name in taken(found):
        words += [f"--{name}", name.upper()]
    region = given.get("region")
    if region is not None:
        words += ["--region", region if isinstance(region, str) else ",".join(f"{one:g}" for one in region)]
    for name in ("strength", "context", "size", "upscaler", "keep"):
        words += [f"--{name}", str(given[name])] if name in given and name not in found["parameters"] else []
    return [*words, "--seed", str(given["seed"]), "--model", str(found.get("model")), *_reading(found)]


def placeholders(found: Mapping[str, Any]) -> dict[str, str]:
    """What the words in capitals of a command stand for."""
    from retouch.explore.again import taken

    known = found.get("picture") if isinstance(found.get("picture"), Mapping) else {}
    told = (
        {} if (known or {}).get("name") else {"PICTURE": "the picture that was edited; the recipe has no file's name"}
    )
    return told | {name.upper(): f"the {name} that was given; the recipe has its digest alone" for name in taken(found)}


def _reading(found: Mapping[str, Any]) -> list[str]:
    """The options that say how the model was read, and what was put on top of it."""
    words = list[str]()
    for name, value in (found.get("read_as") or {}).items():
        option = f"--{name.replace('_', '-')}"
        if name in ("lora", "vae", "embedding") and isinstance(value, list):
            for one in value:
                more = one.get("weight", one.get("word"))
                words += [option, f"{one.get('name')}" + ("" if more is None else f":{more}")]
        elif name == "long_prompts":
            words.append(option)
        elif name == "clip_skip":
            words += [option, str(value)]
        elif isinstance(value, str | int | float):
            shown = ("yes" if value else "no") if isinstance(value, bool) else str(value)
            words += ["--set-model", f"{name}={shown}"]
    for name in ("dtype", "memory"):
        words += [f"--{name}", str(found[name])] if found.get(name) else []
    return [*words, *(["--compile"] if found.get("compiled") else [])]


def _where(found: Mapping[str, Any]) -> str:
    region = found.get("region")
    told = [f"{name} {found[name]}" for name in ("mask", "foreground", "reference", "size") if found.get(name)]
    told += [] if region is None else [f"region {region if isinstance(region, str) else ', '.join(map(str, region))}"]
    return ", ".join(told)


def _untouched(found: Mapping[str, Any]) -> str:
    share = found.get("untouched")
    return "" if share is None else f"; {share:.1%} of the pixels are the picture's own"
