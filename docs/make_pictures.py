"""Makes every picture in the README and the docs with the embedded model: `make pictures`."""

import sys
from pathlib import Path

from PIL import Image

from retouch import Editor, list_methods
from retouch.diorama import paint, scene_for
from retouch.diorama.pairs import edit_pair
from retouch.explore.clip_score import ClipScorer
from retouch.explore.sweep import run_sweep
from retouch.parts.inversions import Inversions
from retouch.picture import write_picture
from retouch.sheet import contact_sheet, in_rows, labelled

FOLDER = Path(__file__).parent / "pictures"

EDITS = (
    (3, "a red cat sitting on a beach", "a blue cat sitting on a beach"),
    (11, "a yellow dog sitting in a meadow", "a yellow dog sitting in the snow"),
    (6, "a photo of a white rabbit sitting in a forest", "a pencil sketch of a white rabbit sitting in a forest"),
    (7, "a green cat sitting on a beach", "a green cat sitting on a beach, wearing a scarf"),
    (18, "an orange horse sitting in a meadow", "an orange cat sitting in a meadow"),
)


def edits(editor: Editor) -> None:
    """Five edits by the default method, of pictures of 1024 pixels, with what each left untouched."""
    top, bottom, recipes = [], [], []
    for seed, source, target in EDITS:
        picture = paint(scene_for(source, seed), side=1024)[0]
        result = editor.edit(picture, source=source, target=target)
        top.append(labelled(picture, source, 320))
        bottom.append(labelled(result.image, f"{target}\n{result.untouched:.0%} of the pixels untouched", 320, 3))
        recipes.append(result.recipe)
    write_picture(contact_sheet([top, bottom]), FOLDER / "edits.jpg", recipe={"edits": recipes}, force=True)


def keeping(editor: Editor) -> None:
    """Twenty-four held-out edits at 1024 pixels, none selected: the input and what comes back."""
    tiles, recipes = [], []
    for seed in range(2000, 2006):
        for kind in ("colour", "accessory", "subject", "pose"):
            pair = edit_pair(kind, seed, side=1024)
            result = editor.edit(pair.picture, source=pair.source_prompt, target=pair.target_prompt)
            said = f"{pair.target_prompt}\n{result.untouched:.0%} untouched"
            tiles += [labelled(pair.picture, f"{kind} {seed}", 256, 3), labelled(result.image, said, 256, 3)]
            recipes.append(result.recipe)
    write_picture(contact_sheet(in_rows(tiles, 8)), FOLDER / "keeping.jpg", recipe={"edits": recipes}, force=True)


def by_every_method(editor: Editor) -> None:
    """One edit by every method."""
    seed, source, target = EDITS[1]
    picture, kept = paint(scene_for(source, seed))[0], Inversions()
    row = [labelled(picture, "input", lines=1)]
    for name in list_methods():
        result = editor.edit(picture, source=source, target=target, method=name, inversions=kept)
        row.append(labelled(result.image, name, lines=1))
    recipe = {"source": source, "target": target, "seed": seed}
    write_picture(contact_sheet(in_rows(row, 8)), FOLDER / "methods.png", recipe=recipe, force=True)


def fits(editor: Editor) -> None:
    """A sweep from one fit with its curve, and LayerDiffusion with and without iterative guidance."""
    source, target = "a red cat sitting on a beach", "a red cat jumping on a beach"
    picture = paint(scene_for(source, 3))[0]
    fit = editor.fit(picture, target=target)
    swept = run_sweep(editor, picture, fit, etas=[0.2, 0.4, 0.5, 0.6, 0.8, 1.0], seeds=range(4), scorer=ClipScorer())
    write_picture(swept.sheet(128), FOLDER / "sweep.jpg", recipe=swept.recipe(), force=True)
    write_picture(swept.curve(), FOLDER / "curve.png", force=True)
    pair = edit_pair("subject and place", 1000)
    fit = editor.fit(pair.picture, target=pair.target_prompt, method="layer-diffusion")
    rows, recipes = [], []
    for guided in (True, False):
        results = editor.variations(pair.picture, fit, iterative_guidance=guided)
        name = "iterative guidance" if guided else "without it"
        rows.append(
            [labelled(pair.picture, pair.source_prompt, 128), labelled(pair.truth, f"truth: {pair.target_prompt}", 128)]
        )
        rows[-1] += [labelled(result.image, f"{name}, seed {i}", 128) for i, result in enumerate(results)]
        recipes += [result.recipe for result in results]
    write_picture(contact_sheet(rows), FOLDER / "layers.jpg", recipe={"edits": recipes}, force=True)


def world(editor: Editor) -> None:
    """Scenes of the painted world."""
    captions = (
        "a red cat sitting on a beach",
        "a blue dog jumping in a forest",
        "a white rabbit standing in the snow",
        "a pencil sketch of a purple bird standing in a city at night",
        "an oil painting of a yellow giraffe standing in a meadow",
        "an orange horse standing in a desert, wearing a hat",
        "a green car in a city at night",
        "a red round cake on a beach",
    )
    tiles = [labelled(paint(scene_for(text, 40 + i))[0], text) for i, text in enumerate(captions)]
    write_picture(
        contact_sheet([tiles[:4], tiles[4:]]), FOLDER / "world.png", recipe={"captions": captions}, force=True
    )


def sizes(editor: Editor) -> None:
    """Scenes at 128 pixels, at 1024, and a part of the latter as it is."""
    scenes = (
        (43, "a red cat sitting in a meadow, wearing a scarf"),
        (44, "an oil painting of a blue horse in a desert"),
    )
    rows = []
    for seed, text in scenes:
        small, large = (paint(scene_for(text, seed), side)[0] for side in (128, 1024))
        as_it_is = large.crop((400, 250, 720, 570))
        enlarged = small.resize((320, 320), Image.Resampling.NEAREST)
        shown = ((enlarged, text), (large, "at 1024 pixels"), (as_it_is, "a part of it, pixel by pixel"))
        rows.append([labelled(one, label, 320, lines=1) for one, label in shown])
    write_picture(contact_sheet(rows), FOLDER / "sizes.jpg", recipe={"scenes": scenes}, force=True)


def cascade(_editor: Editor) -> None:
    """Edits by the pixel cascade: a scene of each kind, by the method that auto chose; none selected."""
    kinds = ("colour", "accessory", "subject", "pose", "place", "style")
    pairs = [edit_pair(kind, seed) for kind in kinds for seed in (300, 302)]
    wanted = [{"image": p.picture, "source": p.source_prompt, "target": p.target_prompt} for p in pairs]
    tiles, recipes = [], []
    for pair, result in zip(pairs, Editor.from_pretrained("diorama-pixels").edit_many(wanted, batch=6), strict=True):
        tiles += [
            labelled(pair.picture, pair.source_prompt, 192, 3),
            labelled(result.image, pair.target_prompt, 192, 3),
        ]
        recipes.append(result.recipe)
    write_picture(contact_sheet(in_rows(tiles, 8)), FOLDER / "cascade.jpg", recipe={"edits": recipes}, force=True)


SHEETS = {
    "cascade": cascade,
    "edits": edits,
    "keeping": keeping,
    "methods": by_every_method,
    "fits": fits,
    "world": world,
    "sizes": sizes,
}


def main() -> None:
    """Makes them all, or those that are named."""
    FOLDER.mkdir(exist_ok=True)
    editor = Editor.from_pretrained("diorama")
    for name in sys.argv[1:] or SHEETS:
        SHEETS[name](editor)


if __name__ == "__main__":
    main()
