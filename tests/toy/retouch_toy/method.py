"""A method made of the package's own parts and one of Retouch's."""

from retouch.methods.composition import Composed


class ToyEdit(Composed, inversion="remembered-noise", control="prompt-to-prompt", guidance="growing"):
    """The picture's maps and growing guidance."""

    name = "toy-edit"
    title = "Toy edit"
    paper = "none"
    good_for = "tests"
