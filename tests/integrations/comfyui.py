"""The host: finds the pack in its folder as ComfyUI does, checks workflows before they run, runs them node by node."""

import asyncio
import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import torch

PACK = Path(__file__).parent.parent.parent / "integrations" / "comfyui"
STAND_IN = Path(__file__).parent / "host"


@contextmanager
def host(base):
    """ComfyUI's modules, importable, with their files under a folder; and the pack's nodes with its own, by name."""
    before, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(STAND_IN))
    try:
        import folder_paths

        folder_paths.base = str(base)
        import nodes

        found = {node.define_schema().node_id: node for node in (*nodes.NODES, *pack_nodes())}
        yield SimpleNamespace(nodes=found, **_modules())
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - before:
            if name.split(".")[0] in ("comfy", "comfy_api", "folder_paths", "nodes") or name.startswith(str(PACK)):
                del sys.modules[name]


def _modules():
    import comfy.model_management
    import comfy.model_sampling
    import comfy.sd
    import comfy.utils
    import nodes

    return {
        "management": comfy.model_management, "sampling": comfy.model_sampling, "sd": comfy.sd, "utils": comfy.utils,
        "own": nodes, "fields": sys.modules[f"{PACK}.nodes.fields"],
    }  # fmt: skip


def pack_nodes():
    """The pack, imported by its folder under the folder's name, and asked for its nodes."""
    spec = importlib.util.spec_from_file_location(str(PACK), PACK / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[str(PACK)] = module
    spec.loader.exec_module(module)

    async def ask():
        extension = await module.comfy_entrypoint()
        await extension.on_load()
        return await extension.get_node_list()

    return asyncio.run(ask())


def inputs_of(schema, given):
    """The inputs that a node has with what was given, by their full names: those of chosen options below the choice."""
    found = {}

    def add(inputs, prefix):
        for one in inputs:
            name = prefix + one.id
            found[name] = one
            if hasattr(one, "chosen") and name in given:
                add(one.chosen(given[name]), name + ".")

    add(schema.inputs, "")
    return found


def check(prompt, nodes):
    """Refuses a workflow that the host would refuse, and inputs that it would silently leave out.

    Raises:
        ValueError: naming the node.
    """
    schemas = {key: nodes[node["class_type"]].define_schema() for key, node in prompt.items()}
    if not any(schema.is_output_node for schema in schemas.values()):
        raise ValueError("the workflow has no outputs")
    for key, node in prompt.items():
        known = inputs_of(schemas[key], node["inputs"])
        lacking = [name for name, one in known.items() if not one.optional and name not in node["inputs"]]
        unknown = set(node["inputs"]) - set(known)
        if lacking or unknown:
            raise ValueError(f"node {key}: required input is missing: {lacking}; not known: {sorted(unknown)}")
        for name, value in node["inputs"].items():
            if isinstance(value, list):
                other, slot = value
                made = schemas[other].outputs[slot].io_type
                if known[name].io_type not in (made, "*"):
                    raise ValueError(f"node {key}: {name} takes {known[name].io_type}, not {made}")
            else:
                node["inputs"][name] = known[name].read(value)


def run(prompt, nodes):
    """Runs a checked workflow; of every node, what it put out."""
    check(prompt, nodes)
    done = {}

    def result(key):
        if key not in done:
            node = prompt[key]
            cls = nodes[node["class_type"]]
            given = {
                name: result(value[0])[value[1]] if isinstance(value, list) else value
                for name, value in node["inputs"].items()
            }
            done[key] = execute(cls, given, key)
        return done[key]

    for key in prompt:
        result(key)
    return done


def execute(cls, given, key="1"):
    """What a node puts out. In inference mode, as the host does it."""
    schema = cls.define_schema()
    copy = type(cls.__name__, (cls,), {"hidden": SimpleNamespace(unique_id=key)})
    with torch.inference_mode():
        out = copy.execute(**nested(given, inputs_of(schema, given)))
    assert len(out.args) == len(schema.outputs), schema.node_id
    for value, declared in zip(out.args, schema.outputs):
        check_value(value, declared.io_type)
    return out.args


def nested(given, known):
    """Arguments: a choice with the inputs of its option in one dict; those that were not given are None there."""
    arguments = {}
    for name, one in known.items():
        *parents, last = name.split(".")
        if hasattr(one, "chosen") and name in given:
            parents.append(last)
        elif not parents and name not in given:
            continue  # the node's own default
        at = arguments
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = given.get(name)
    return arguments


def check_value(value, kind):
    """What goes along links is what its kind says."""
    match kind:
        case "IMAGE":
            assert value.ndim == 4 and value.shape[-1] == 3
        case "MASK":
            assert value.ndim == 3
        case "STRING" | "FLOAT":
            assert isinstance(value, str if kind == "STRING" else float)
    if isinstance(value, torch.Tensor):
        assert value.dtype == torch.float32 and value.device.type == "cpu" and 0 <= value.min() <= value.max() <= 1
