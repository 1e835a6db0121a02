"""``retouch doctor``: what is installed here, on which machine, and whether an edit works."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from retouch.cli import options
from retouch.cli.messages import tell, tell_facts, tell_json, tell_prose
from retouch.errors import told

_SOURCE, _TARGET = "a red cat sitting on a beach", "a blue cat sitting on a beach"


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False, device: options.Device = ""
) -> None:  # fmt: skip
    """Say what is installed, on which machine, which optional parts are missing, and make one edit.

    Exit code 1 when the edit fails.
    """
    from retouch.runs.machine import devices, machine, optional_parts, versions

    found: dict[str, Any] = {
        "versions": versions(), "machine": machine(), "devices": devices(), "parts": optional_parts(),
    }  # fmt: skip
    if not as_json:
        _tell(found)
    found["edit"] = edit = _edit(device)
    if as_json:
        tell_json(found, indent=2)
    elif edit["works"]:
        tell_prose(
            f"An edit works: loaded in {edit['load_seconds']:.1f} s, made in {edit['edit_seconds']:.1f} s on "
            f"{edit['device']} ({edit['evaluations']} network evaluations)."
        )
    else:
        tell_prose(f"An edit does not work: {edit['error']}")
    raise typer.Exit(0 if edit["works"] else 1)


def _edit(device: str) -> dict[str, Any]:
    """One real edit by the embedded model; what goes wrong is told, whatever it is."""
    try:
        from retouch.diorama import paint, scene_for
        from retouch.editor import Editor

        began = time.monotonic()
        editor = Editor.from_pretrained("diorama", device=device or None)
        loaded = time.monotonic()
        picture, _ = paint(scene_for(_SOURCE, 3))
        result = editor.edit(picture, source=_SOURCE, target=_TARGET, method="prox-npi")
        works = result.image.size == picture.size and result.image.tobytes() != picture.tobytes()
        return {
            "works": works, "error": "" if works else "it changed nothing.", "device": str(editor.model.device),
            "load_seconds": round(loaded - began, 2), "edit_seconds": round(result.seconds, 2),
            "evaluations": result.evaluations,
        }  # fmt: skip
    except Exception as error:  # a broken installation can raise anything
        return {"works": False, "error": told(error)}


def _tell(found: Mapping[str, Any]) -> None:
    of = found["machine"]
    cores = f"{of['cores']} {'core' if of['cores'] == 1 else 'cores'}, {of['threads']} threads"
    tell_facts(
        {
            **found["versions"], "system": of["system"], "processor": f"{of['processor']}, {cores}",
            **{one["device"]: _device(one) for one in found["devices"]},
        }
    )  # fmt: skip
    tell()
    for one in found["parts"]:
        state = "is there" if not one["missing"] else f"lacks {', '.join(one['missing'])}: {one['get']}"
        tell_prose(f"{one['name']} {state}" + (f" (for {one['for']})" if one["for"] else ""))
    tell()


def _device(one: Mapping[str, Any]) -> str:
    memory = "" if one["memory"] is None else f"{one['memory'] / 2**30:.1f} GiB of memory"
    free = "" if one["free"] is None else f", {one['free'] / 2**30:.1f} GiB free"
    return ", ".join(filter(None, [one["what"] if one["device"] != "cpu" else "", f"{memory}{free}"]))
