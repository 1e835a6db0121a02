"""Pictures in and out: reading, fitting to a model's grid and back, writing with the recipe inside."""

from retouch.picture.arrays import from_array, to_array
from retouch.picture.decoding import MAX_PIXELS, READABLE
from retouch.picture.grid import AS_IT_IS, MAX_SIDES, Fitted, fit, fit_mask
from retouch.picture.masks import changed_mask, check_growth, mask_from_bytes, opened_mask, overlaid, read_mask
from retouch.picture.notes import Note, notes_of, summed
from retouch.picture.reading import Picture, from_bytes, from_image, read_picture
from retouch.picture.writing import (
    MAX_SIDE,
    RECIPE_KEY,
    WRITABLE,
    check_output,
    check_outputs,
    png_bytes,
    read_head,
    read_recipe,
    recipe_from_bytes,
    write_picture,
)
from retouch.sheet import side_by_side

__all__ = [
    "AS_IT_IS",
    "MAX_PIXELS",
    "MAX_SIDE",
    "MAX_SIDES",
    "READABLE",
    "RECIPE_KEY",
    "WRITABLE",
    "Fitted",
    "Note",
    "Picture",
    "changed_mask",
    "check_growth",
    "check_output",
    "check_outputs",
    "fit",
    "fit_mask",
    "from_array",
    "from_bytes",
    "from_image",
    "mask_from_bytes",
    "notes_of",
    "opened_mask",
    "overlaid",
    "png_bytes",
    "read_head",
    "read_mask",
    "read_picture",
    "read_recipe",
    "recipe_from_bytes",
    "side_by_side",
    "summed",
    "to_array",
    "write_picture",
]
