"""Comparing methods that change nothing, and a mask that leaves nothing to be kept."""

import json
from types import SimpleNamespace

import pytest
from PIL import Image, ImageFilter

from retouch.cli.compare import _print
from retouch.explore.compare import compare
from retouch.sheet import labelled
from tests.measures.stand_ins import pictures

PICTURE = Image.fromarray((pictures(1, 32, 32)[0] * 255).permute(1, 2, 0).byte().numpy())


class Copying:
    """In place of an editor: ddim returns the picture, every other method blurs it."""

    def method_for(self, *_):
        return SimpleNamespace(steps=lambda: 1)

    def edit(self, image, method, **_):
        shown = image.image if method == "ddim" else image.image.filter(ImageFilter.GaussianBlur(2))
        return SimpleNamespace(image=shown, seconds=1.0, evaluations=10, notes=(), recipe={})


def compared(mask=None):
    return compare(Copying(), PICTURE, source="a cat", target="a dog", methods=["ddim", "ddib"], mask=mask)


def test_identical_is_a_word_on_the_sheet_and_in_the_table_and_100_in_json(capsys, monkeypatch):
    texts = []
    monkeypatch.setattr(
        "retouch.explore.compare.labelled", lambda image, text, *a: texts.append(text) or labelled(image, text, *a)
    )
    comparison = compared()
    comparison.sheet()
    assert "PSNR identical\n" in texts[1] and "dB" in texts[2] and "identical" not in texts[2]
    _print(comparison, as_json=False)
    _, ddim, ddib = capsys.readouterr().out.splitlines()
    assert "identical" in ddim and "1.000" in ddim and "identical" not in ddib
    _print(comparison, as_json=True)
    rows = [json.loads(line, parse_constant=pytest.fail) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["psnr"] == 100 and 5 < rows[1]["psnr"] < 99


def test_where_the_mask_leaves_nothing_to_be_kept_there_is_a_dash(capsys):
    comparison = compared(Image.new("L", (32, 32), 255))
    _print(comparison, as_json=False)
    assert "nan" not in (out := capsys.readouterr().out) and out.count("–") == 4
    _print(comparison, as_json=True)
    rows = [json.loads(line, parse_constant=pytest.fail) for line in capsys.readouterr().out.splitlines()]
    assert [row["psnr"] for row in rows] == [None, None]
    assert "nan" not in comparison._measured(comparison.rows[0])
