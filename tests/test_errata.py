"""What docs/errata.md says of others' code still holds with the installed versions, and its tests are there."""

import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@cache
def measured():
    spec = importlib.util.spec_from_file_location("errata", ROOT / "benchmarks" / "errata.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_test_that_the_page_names_is_there():
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", (ROOT / "docs" / "errata.md").read_text())
    assert len(named) > 15
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(), (path, name)


def test_the_inverse_scheduler_loses_with_v_prediction():
    noise, v = (measured().round_trip(kind) for kind in ("epsilon", "v_prediction"))
    assert noise["theirs"] == pytest.approx(noise["ours"], rel=1e-3) == pytest.approx(0.037, abs=5e-4)
    assert v["theirs"] == pytest.approx(0.067, abs=5e-4) and v["ours"] == pytest.approx(noise["ours"])
    assert (round(v["top"], 3), round(noise["top"], 3)) == (0.968, 0.999)


def test_linspace_steps_miss_the_next_timestep():
    assert measured().off_the_grid(50) == {"steps": 19, "of": 49, "at_most": 1}
    assert measured().off_the_grid(10) == {"steps": 9, "of": 9, "at_most": 11}


def test_padding_that_is_paired_by_position_takes_words():
    found = measured().padding_that_takes_words("a cat with a red hat on its head", "a cat")
    assert found["columns"] == found["source_tokens"] - found["target_tokens"] == 7
