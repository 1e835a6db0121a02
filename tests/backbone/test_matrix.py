"""The table of docs/models.md is what every method does on every family of models in every form."""

import re
from pathlib import Path

import pytest

from retouch.methods.registry import methods
from tests.matrix import FAMILIES, cell, editors

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parent.parent.parent / "docs" / "models.md"
WRITTEN = {
    (family, found[1]): found[2 + place].strip()
    for found in re.finditer(r"^\| `([\w-]+)` \|([^|\n]+)\|([^|\n]+)\|([^|\n]+)\|([^|\n]+)\|$", PAGE.read_text(), re.M)
    for place, family in enumerate(FAMILIES)
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    return request.param, editors(tmp_path_factory.mktemp(request.param), request.param)


def test_every_method_is_in_the_table():
    assert {name for _, name in WRITTEN} == set(methods())


@pytest.mark.parametrize("method", methods())
def test_the_table_says_what_a_method_does(family, method):
    name, made = family
    assert cell(made, method) == WRITTEN[name, method]
