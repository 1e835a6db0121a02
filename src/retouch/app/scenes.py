"""Scenes of the painted world that the page proposes."""

SCENES = (
    "a red cat sitting on a beach",
    "a blue bird in a forest",
    "a green car in the snow",
    "an orange dog standing in a meadow",
    "a pencil sketch of a black horse in a desert",
    "a white cat jumping in a city at night",
    "an oil painting of a purple bird on a beach",
    "a yellow square cake in a meadow",
    "a red house in the snow",
)
