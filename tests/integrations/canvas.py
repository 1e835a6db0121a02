"""Workflows as ComfyUI's page keeps them, from those of its API. ``python -m tests.integrations.canvas`` writes them.

In the page's format a node's fields are a list of values in the order in which the page shows them: those of a chosen
option follow the choice, and some fields bring one more (what becomes of a seed after a run, the kind of an upload).
"""

import json
import shutil
import tempfile
from pathlib import Path

from tests.integrations.comfyui import PACK, check, host, inputs_of

EXAMPLES = PACK / "examples"
_WIDE, _GAP, _LINE, _TEXT = 340, 60, 26, 110  # pixels on the canvas


def is_field(one):
    """Whether an input is a field on the node, not a place for a link alone."""
    return hasattr(one, "value_type") or hasattr(one, "chosen")


def extra_of(one):
    """The value that follows a field's own, in a list of none or one."""
    return (
        ["fixed"] if getattr(one, "control_after_generate", None) else [v for v in [getattr(one, "upload", None)] if v]
    )


def value_of(name, one, given):
    if name in given:
        return given[name]
    return one.default if one.default is not None else one.options[0]


def workflow(prompt, nodes):
    """The page's form of a workflow, laid out in columns."""
    schemas = {key: nodes[node["class_type"]].define_schema() for key, node in prompt.items()}
    links, made = [], []
    for key, node in prompt.items():
        for name, value in node["inputs"].items():
            if isinstance(value, list):
                links.append((key, name, value[0], value[1]))
    column = {}
    for key in prompt:  # a node stands after those that it takes from
        column[key] = max((column[other] + 1 for at, _, other, _ in links if at == key), default=0)
    below = dict.fromkeys(column.values(), 0)
    for order, (key, node) in enumerate(prompt.items()):
        schema, given = schemas[key], node["inputs"]
        known = inputs_of(schema, given)
        sockets = [name for name, one in known.items() if not is_field(one)]
        values = [v for n, o in known.items() if is_field(o) for v in (value_of(n, o, given), *extra_of(o))]
        tall = 60 + _LINE * (len(sockets) + len(values)) + _TEXT * sum(
            getattr(one, "multiline", False) for one in known.values()
        )  # fmt: skip
        made.append({
            "id": int(key), "type": node["class_type"],
            "pos": [40 + column[key] * (_WIDE + _GAP), 40 + below[column[key]]], "size": [_WIDE, tall],
            "flags": {}, "order": order, "mode": 0,
            "inputs": [
                {"name": name, "type": known[name].io_type, "link": next(
                    (i for i, link in enumerate(links, 1) if link[:2] == (key, name)), None)} for name in sockets
            ],
            "outputs": [
                {"name": out.display_name or out.io_type, "type": out.io_type, "slot_index": slot,
                 "links": [i for i, link in enumerate(links, 1) if link[2:] == (key, slot)]}
                for slot, out in enumerate(schema.outputs)
            ],
            "properties": {"Node name for S&R": node["class_type"]}, "widgets_values": values,
        })  # fmt: skip
        below[column[key]] += tall + _GAP
    slots = {node["id"]: [one["name"] for one in node["inputs"]] for node in made}
    return {
        "last_node_id": max(map(int, prompt)), "last_link_id": len(links), "nodes": made,
        "links": [
            [i, int(other), slot, int(key), slots[int(key)].index(name), schemas[other].outputs[slot].io_type]
            for i, (key, name, other, slot) in enumerate(links, 1)
        ],
        "groups": [], "config": {}, "extra": {}, "version": 0.4,
    }  # fmt: skip


def prompt_of(page, nodes):
    """What the page sends when it is asked to run."""
    links = {link[0]: [str(link[1]), link[2]] for link in page["links"]}
    prompt = {}
    for node in page["nodes"]:
        values = iter(node["widgets_values"])
        given = {one["name"]: links[one["link"]] for one in node["inputs"] if one["link"]}

        def read(inputs, prefix, given=given, values=values):
            for one in inputs:
                if not is_field(one):
                    continue
                given[prefix + one.id] = next(values)
                assert [next(values) for _ in extra_of(one)] == extra_of(one)
                if hasattr(one, "chosen"):
                    read(one.chosen(given[prefix + one.id]), f"{prefix}{one.id}.")

        read(nodes[node["type"]].define_schema().inputs, "")
        assert not list(values), node["type"]
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": given}
    check(prompt, nodes)
    return prompt


def furnish(base):
    """The files that the example workflows name: the painted cat, and a checkpoint (here an empty file)."""
    for folder in ("input", "checkpoints"):
        (base / folder).mkdir(parents=True)
    shutil.copy(EXAMPLES / "cat.png", base / "input")
    (base / "checkpoints" / "model.safetensors").touch()
    return base


def text_of(page):
    return json.dumps(page, indent=1) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, host(furnish(Path(folder) / "host")) as comfy:
        for path in sorted((EXAMPLES / "api").glob("*.json")):
            page = workflow(json.loads(path.read_text()), comfy.nodes)
            (EXAMPLES / path.name).write_text(text_of(page))
