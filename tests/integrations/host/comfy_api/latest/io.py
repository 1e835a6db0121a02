"""Inputs, outputs and schemas of nodes, with the arguments that ComfyUI's take, and stricter: what its page would
silently put right (a default outside the range, an option twice) is an error here."""

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import Any, ClassVar


def _once(names, what):
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{what}: {twice} are there twice")


@dataclass
class Input:
    id: str
    _: KW_ONLY
    display_name: str | None = None
    optional: bool = False
    tooltip: str | None = None
    lazy: bool | None = None
    extra_dict: dict | None = None
    raw_link: bool | None = None
    io_type: ClassVar[str]

    def validate(self):
        """Refuses what the page could not show."""
        if not self.id.isidentifier():  # a dot would be taken for nesting
            raise ValueError(f"{self.id!r} is no name of an input")
        if self.tooltip is not None and not (isinstance(self.tooltip, str) and self.tooltip.strip()):
            raise ValueError(f"{self.id}: the tooltip is {self.tooltip!r}")

    def read(self, value):
        """A value of a workflow, refused as the host does before anything runs."""
        raise ValueError(f"{self.id} takes a link to {self.io_type}, not {value!r}")


@dataclass(kw_only=True)
class WidgetInput(Input):
    default: Any = None
    socketless: bool | None = None
    force_input: bool | None = None
    value_type: ClassVar[type]

    def validate(self):
        super().validate()
        if self.default is not None:
            if type(self.default) is not self.value_type:
                raise ValueError(f"{self.id}: the default {self.default!r} is no {self.value_type.__name__}")
            self.read(self.default)

    def read(self, value):
        return self.value_type(value)


@dataclass
class Output:
    id: str | None = None
    display_name: str | None = None
    tooltip: str | None = None
    is_output_list: bool = False
    io_type: ClassVar[str]


def Custom(io_type):
    """A kind of value that goes along links."""
    return type(io_type, (), {
        "io_type": io_type,
        "Input": dataclass(type("Input", (Input,), {"io_type": io_type})),
        "Output": dataclass(type("Output", (Output,), {"io_type": io_type})),
    })  # fmt: skip


Image, Mask, Model, Clip, Vae = map(Custom, ("IMAGE", "MASK", "MODEL", "CLIP", "VAE"))
AnyType = Custom("*")


@dataclass(kw_only=True)
class _Number(WidgetInput):
    min: float | None = None
    max: float | None = None
    step: float | None = None
    display_mode: Any = None

    def validate(self):
        if self.default is None or self.min is None or self.max is None:  # the page has bounds of its own otherwise
            raise ValueError(f"{self.id} lacks a default or a bound")
        if not self.step or self.step <= 0:
            raise ValueError(f"{self.id}: the step is {self.step}")
        super().validate()

    def read(self, value):
        value = self.value_type(value)
        if not self.min <= value <= self.max:
            raise ValueError(f"{self.id} is {value}, expected {self.min}..{self.max}")
        return value


class Int(Custom("INT")):
    @dataclass(kw_only=True)
    class Input(_Number):
        control_after_generate: bool | None = None
        step: int | None = 1
        io_type: ClassVar = "INT"
        value_type: ClassVar = int


class Float(Custom("FLOAT")):
    @dataclass(kw_only=True)
    class Input(_Number):
        round: float | None = None
        io_type: ClassVar = "FLOAT"
        value_type: ClassVar = float


class Boolean(Custom("BOOLEAN")):
    @dataclass(kw_only=True)
    class Input(WidgetInput):
        label_on: str | None = None
        label_off: str | None = None
        io_type: ClassVar = "BOOLEAN"
        value_type: ClassVar = bool


class String(Custom("STRING")):
    @dataclass(kw_only=True)
    class Input(WidgetInput):
        multiline: bool = False
        placeholder: str | None = None
        dynamic_prompts: bool | None = None
        io_type: ClassVar = "STRING"
        value_type: ClassVar = str


class Combo(Custom("COMBO")):
    @dataclass(kw_only=True)
    class Input(WidgetInput):
        options: list[str] = field(default_factory=list)
        control_after_generate: bool | None = None
        upload: Any = None
        image_folder: Any = None
        remote: Any = None
        io_type: ClassVar = "COMBO"
        value_type: ClassVar = str

        def validate(self):
            if not self.options or not all(isinstance(one, str) for one in self.options):
                raise ValueError(f"{self.id}: the options are {self.options!r}")
            _once(self.options, self.id)
            super().validate()

        def read(self, value):
            if value not in self.options:
                raise ValueError(f"{self.id} is {value!r}, not in the list {self.options}")
            return value


class DynamicCombo(Custom("COMFY_DYNAMICCOMBO_V3")):
    """A choice whose options have inputs of their own; the node gets them in one dict with the choice."""

    Output = None

    class Option:
        def __init__(self, key, inputs):
            self.key, self.inputs = key, inputs

    @dataclass(kw_only=True)
    class Input(Input):
        options: list["DynamicCombo.Option"] = field(default_factory=list)
        io_type: ClassVar = "COMFY_DYNAMICCOMBO_V3"

        def validate(self):
            super().validate()
            _once([option.key for option in self.options], self.id)
            for option in self.options:
                _once([self.id, *(one.id for one in option.inputs)], f"{self.id}, {option.key}")
                for one in option.inputs:
                    one.validate()

        def chosen(self, key):
            """The inputs of an option."""
            found = [option.inputs for option in self.options if option.key == key]
            if not found:
                raise ValueError(f"{self.id} is {key!r}, not in the list {[option.key for option in self.options]}")
            return found[0]

        def read(self, value):
            self.chosen(value)
            return value


class Hidden(StrEnum):
    """What a node may ask the host for."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"


@dataclass
class Schema:
    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    description: str = ""
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    not_idempotent: bool = False

    def validate(self):
        """No name twice, among inputs and outputs together; and every input by itself."""
        _once([one.id for one in (*self.inputs, *self.outputs) if one.id is not None], self.node_id)
        for one in self.inputs:
            one.validate()


class ComfyNode(ABC):
    """A node: never made an object of; ``hidden`` is set on a copy of the class."""

    hidden = None

    @classmethod
    @abstractmethod
    def define_schema(cls):
        """Its schema."""

    @classmethod
    @abstractmethod
    def execute(cls, **inputs):
        """Its work."""


class NodeOutput:
    def __init__(self, *args, ui=None, expand=None, block_execution=None):
        self.args, self.ui, self.expand, self.block_execution = args, ui, expand, block_execution
