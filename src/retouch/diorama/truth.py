"""What the painter knows about a picture it painted."""

from __future__ import annotations

from PIL import Image

from retouch.diorama.captions import scene_for
from retouch.diorama.painter import paint
from retouch.diorama.textures import SIDE
from retouch.errors import BadPicture
from retouch.picture import Picture, read_recipe


def true_mask(picture: Picture) -> Image.Image:
    """The subject's mask, L, of a picture that ``retouch diorama paint`` wrote.

    Raises:
        BadPicture: when the file does not say how it was painted, or the picture is another.
    """
    recipe = None if picture.path is None else read_recipe(picture.path)
    if recipe is None or not isinstance(recipe.get("diorama"), str):
        raise BadPicture(
            f"{picture.path or 'the picture'} does not say how it was painted: only files that `retouch diorama paint` "
            "wrote do. Use --point or --word."
        )
    scene = scene_for(recipe["diorama"], int(recipe.get("seed", 0)))
    painted, mask = paint(scene, int(recipe.get("side", SIDE)))
    if painted.tobytes() != picture.image.tobytes():
        raise BadPicture(f"{picture.path} was changed since it was painted: use --point or --word.")
    return mask
