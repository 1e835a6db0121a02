"""Makes every picture in the README and the docs with the embedded model: `make pictures`."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from retouch import Editor, list_methods
from retouch.diorama import paint, scene_for
from retouch.picture import write_picture

FOLDER = Path(__file__).parent / "pictures"
SIDE, GAP, TEXT = 192, 8, 34

EDITS = (
    (3, "a red cat sitting on a beach", "a blue cat sitting on a beach"),
    (11, "a yellow dog sitting in a meadow", "a yellow dog sitting in the snow"),
    (6, "a photo of a white rabbit sitting in a forest", "a pencil sketch of a white rabbit sitting in a forest"),
    (7, "a green cat sitting on a beach", "a green cat sitting on a beach, wearing a scarf"),
    (15, "an orange horse sitting in a meadow", "an orange cat sitting in a meadow"),
)


def labelled(image: Image.Image, text: str) -> Image.Image:
    """The picture enlarged, with up to two lines of text below it."""
    tile = Image.new("RGB", (SIDE, SIDE + TEXT), "white")
    tile.paste(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    draw, font = ImageDraw.Draw(tile), ImageFont.load_default(11)
    lines, line = [], ""
    for word in text.split():
        if draw.textlength(f"{line} {word}", font) > SIDE - 4:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    for i, words in enumerate([*lines, line][:2]):
        draw.text((2, SIDE + 3 + 14 * i), words, fill="black", font=font)
    return tile


def sheet(rows: list[list[Image.Image]]) -> Image.Image:
    """Tiles in rows on white."""
    width, height = rows[0][0].size
    canvas = Image.new("RGB", (max(map(len, rows)) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP), "white")
    for y, row in enumerate(rows):
        for x, tile in enumerate(row):
            canvas.paste(tile, (x * (width + GAP), y * (height + GAP)))
    return canvas


def main() -> None:
    """Makes them."""
    FOLDER.mkdir(exist_ok=True)
    editor = Editor.from_pretrained("diorama")
    top, bottom, recipes = [], [], []
    for seed, source, target in EDITS:
        picture = paint(scene_for(source, seed))[0]
        result = editor.edit(picture, source=source, target=target)
        top.append(labelled(picture, source))
        bottom.append(labelled(result.image, target))
        recipes.append(result.recipe)
    write_picture(sheet([top, bottom]), FOLDER / "edits.png", recipe={"edits": recipes}, force=True)

    seed, source, target = EDITS[1]
    picture, row = paint(scene_for(source, seed))[0], []
    row.append(labelled(picture, "input"))
    for name in list_methods():
        result = editor.edit(picture, source=source, target=target, method=name)
        row.append(labelled(result.image, name))
    write_picture(
        sheet([row]), FOLDER / "methods.png", recipe={"source": source, "target": target, "seed": seed}, force=True
    )

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
    write_picture(sheet([tiles[:4], tiles[4:]]), FOLDER / "world.png", recipe={"captions": captions}, force=True)


if __name__ == "__main__":
    main()
