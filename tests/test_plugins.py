"""A package that adds a suite and measures: they are everywhere ours are, and it can take nothing of ours away."""

import json
from dataclasses import dataclass
from typing import ClassVar, get_args

import pytest

from retouch.diorama import paint, scene_for
from retouch.editor import Editor
from retouch.errors import BadParameter
from retouch.measures.measure import Measure
from retouch.measures.registry import every, measures_for
from retouch.methods.catalogue import parts_of
from retouch.methods.method import Method
from retouch.methods.registry import method_type, methods
from retouch.parameters import read_settings
from retouch.parts.job import Outcome
from retouch.parts.part import Addition, Inversion
from retouch.quantity import Better
from retouch.runs.results import about_measures, results, set_measures
from retouch.runs.run import Run
from retouch.suites.registry import open_suite, options_of, suites
from tests.plugins import installed
from tests.test_cli import process, retouch
from tests.test_docs import generator

pytestmark = pytest.mark.slow

QUICK = ("--methods", "none", "--variant", "quick=sdedit:num_inference_steps=2")


@pytest.fixture
def toy(tmp_path):
    with installed(tmp_path / "site"):
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of the toy suite with every toy measure, made by the command line; the package is gone afterwards."""
    folder = tmp_path_factory.mktemp("toy")
    with installed(folder / "site"):
        done = retouch(
            "bench", "toy", "--squares", 2, "-o", folder / "run", *QUICK, "--measures", "toys,spread,psnr",
            "--colour", "blue",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Run.open(folder / "run")


def test_a_suite_of_another_package_runs_with_its_own_options_and_verdicts(made):
    table = results(made)
    assert list(table.case) == ["square-0", "square-1"] and set(table.kind) == {"blue"}
    assert table.coloured.between(0, 1).all() and list(table.columns)[-4:] == [
        "coloured", "brightness", "seen.inside", "psnr"
    ]  # fmt: skip
    assert made.manifest.suite == {"suite": "toy", "edits": 2, "colour": "blue"}


def test_measures_of_another_package_are_taken_with_their_models(made):
    table = results(made)
    assert table.brightness.notna().all() and (table["seen.inside"] > 0).all()
    assert set_measures(made)["quick"]["spread"] > 0
    about = about_measures(made)
    assert about["seen.inside"]["model"] == about["spread"]["model"] == "eye 0123456789abcdef"
    assert about["brightness"]["better"] == "zero" and about["coloured"]["unit"] == "%"


def test_the_report_needs_the_run_alone(made, tmp_path):
    assert "toy" not in suites() and "brightness" not in every()
    assert retouch("report", made.folder, "-o", tmp_path / "report.html").returncode == 0
    page = (tmp_path / "report.html").read_text()
    assert "square is coloured" in page and "share of the way to the asked colour" in page
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert data["axes"] == {"x": "psnr", "y": "coloured"}
    table = retouch("report", made.folder, "--format", "markdown", "--measures", "coloured,brightness,spread").stdout
    assert "square is coloured (%) ↑ | shift of brightness → 0 | distance of the means ↓" in table


def test_what_is_added_is_listed_and_offered_as_ours_are(toy):
    listed = {one["name"]: one for one in json.loads(process("suites", "--json").stdout)}
    assert list(listed)[-1] == "toy" and listed["toy"]["summary"] == "grey squares that should be coloured"
    assert [one["name"] for one in listed["toy"]["options"]] == ["squares", "colour"]
    listed = {one["name"]: one for one in json.loads(retouch("measures", "--json").stdout)}
    assert listed["brightness"]["groups"] == ["toys", "all"] and listed["spread"]["of"] == "all edits"
    told = " ".join(retouch("suites", "toy").stdout.split())
    assert "--squares 3 how many squares" in told and "sdedit: strength=0.25" in told
    asked = retouch("bench", "--help").stdout
    assert "--squares" in asked and "--kinds" in asked
    assert "toys: brightness, seen.inside" in retouch("measures").stdout


def test_options_are_checked_by_the_suite_that_declares_them(toy, tmp_path):
    for given, says in (
        (("diorama", "--squares", 3), "--squares goes with the suite toy, not diorama."),
        (("toy", "--count", 3), "--count goes with the suites diorama, drift, not toy."),
        (("toy", "--squares", 0), "squares is 0, expected a whole number of at least 1: how many squares"),
        (("toy", "--squares", "many"), "squares is 'many', expected a whole number"),
        (("toy", "--colour", "pink"), "colour is 'pink', expected a choice in red | green | blue"),
        (("toi",), "there is no suite 'toi' (did you mean toy?)"),
        (
            ("toy", "--measures", "brightnes"),
            "there is no measure 'brightnes'; the groups are default, keeping, pie-bench, toys",
        ),
    ):
        done = retouch("bench", given[0], "-o", tmp_path / "run", *given[1:], *QUICK)
        assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr
    with pytest.raises(BadParameter, match=r"needs the benchmark's folder .* say where with --data"):
        open_suite("tedbench")


def test_the_settings_that_a_suite_was_published_with_reach_its_methods(toy, tmp_path):
    folder, quick = tmp_path / "run", ("--methods", "none", "--measures", "none", "--squares", 1)
    for name, more in (("own", ()), ("published", ("--suite-settings",))):
        variant = f"a=sdedit:num_inference_steps=4{',strength=0.25' if name == 'own' else ''}"
        done = retouch("bench", "toy", "-o", folder / name, *quick, "--variant", variant, *more)
        assert done.returncode == 0, done.stderr
    own, published = (Run.open(folder / name) for name in ("own", "published"))
    assert own.edit(own.records()[0]).tobytes() == published.edit(published.records()[0]).tobytes()


@pytest.mark.parametrize("name", suites())
def test_published_settings_are_settings_of_their_methods(name):
    for method, settings in suites()[name].published.items():
        assert read_settings(method_type(method), settings, method) == settings
    assert suites()[name].name == name and suites()[name].summary
    assert all(one.help for one in (*suites()[name].verdicts, *options_of(suites()[name])))


def test_every_measure_says_what_it_is():
    for one in every().values():
        assert one.title and one.help and one.better in get_args(Better), one.name


@pytest.mark.parametrize(
    ("group", "points", "says"),
    [
        ("suites", {"diorama": "retouch_toy.suite:Toy"}, "calls itself 'toy'"),
        ("suites", {"broken": "retouch_toy.nowhere:Toy"}, "'broken' .* could not be loaded"),
        ("suites", {"toy": "retouch_toy.measures:MEASURES"}, "is no Suite"),
        ("measures", {"psnr": "tests.test_plugins:TAKEN"}, "'psnr' .* the name is taken"),
        ("measures", {"all": "tests.test_plugins:GROUP"}, "'default' .* the name is taken"),
        ("measures", {"a": "retouch_toy.suite:Toy"}, "could not be loaded"),
    ],
)
def test_what_cannot_be_added_is_said_and_takes_nothing_away(tmp_path, group, points, says):
    before = list(suites()), every()["psnr"], list(every())
    with installed(tmp_path / "site", {f"retouch.{group}": points}):
        with pytest.warns(UserWarning, match=says):
            suites() if group == "suites" else every()
        assert (list(suites()), every()["psnr"], list(every())) == before


TAKEN = Measure("psnr", "mine", help="x", compute=lambda batch: batch.inputs.mean((1, 2, 3)))
GROUP = Measure("default", "mine", help="x", compute=lambda batch: batch.inputs.mean((1, 2, 3)))


def test_two_packages_do_not_take_each_other_s_names(tmp_path):
    points = {"a": "retouch_toy.measures:MEASURES", "b": "retouch_toy.measures:MEASURES"}
    with installed(tmp_path / "site", {"retouch.measures": points}):
        with pytest.warns(UserWarning, match="'brightness' .* the name is taken"):
            assert "brightness" in every()
        assert [one.name for one in measures_for(None, ["toys"])[0]] == ["brightness", "seen.inside"]


def test_parts_and_a_method_of_another_package_edit_and_are_listed(toy, tmp_path):
    picture = tmp_path / "cat.png"
    assert retouch("diorama", "paint", "a red cat sitting on a beach", "-o", picture).returncode == 0
    texts = ("--from", "a red cat sitting on a beach", "--to", "a blue cat sitting on a beach")
    few = ("--set", "num_inference_steps=4")
    done = retouch("edit", picture, *texts, "--method", "toy-edit", *few, "-o", tmp_path / "one.png")
    assert done.returncode == 0, done.stderr
    mixed = ("--method", "ddim", "--guidance", "growing", "--inversion", "remembered-noise")
    done = retouch("edit", picture, *texts, *mixed, *few, "-o", tmp_path / "two.png")
    assert done.returncode == 0, done.stderr
    assert "growing" in retouch("methods", "--parts").stdout and "toy-edit" in retouch("methods").stdout
    assert method_type("toy-edit").parts["inversion"] == "remembered-noise"


def test_the_toy_method_costs_what_it_declares(toy):
    editor = Editor.from_pretrained("diorama")
    source, target = "a red cat sitting on a beach", "a blue cat sitting on a beach"
    picture, _ = paint(scene_for(source, 3))
    result = editor.edit(picture, source=source, target=target, method="toy-edit", num_inference_steps=4)
    assert result.evaluations == method_type("toy-edit")(num_inference_steps=4).evaluations() == 3 * 4


def test_what_is_no_part_is_left_out_with_a_warning(tmp_path):
    wrong = {
        "retouch.guidances": {
            "odd": "retouch_toy.inversion:RememberedNoise",
            "proximal": "retouch_toy.guidance:Growing",
        }
    }
    with installed(tmp_path / "site", wrong):
        with pytest.warns(UserWarning) as warned:
            assert not {"odd"} & set(parts_of("guidance"))
        assert any("no subclass of retouch.parts.part.Guidance" in str(one.message) for one in warned)
        assert parts_of("guidance")["proximal"].__module__ == "retouch.guidance.proximal"


@dataclass(frozen=True)
class Uncomposed(Method):
    """Returns the picture."""

    name: ClassVar[str] = "uncomposed"
    title: ClassVar[str] = "A method of no parts"
    paper: ClassVar[str] = "none"
    good_for: ClassVar[str] = "tests"
    how: ClassVar[str] = "by doing nothing"

    def steps(self):
        return 0

    def evaluations(self):
        return 0

    def edit(self, job):
        return Outcome(job.latents)


@pytest.mark.parametrize(("how", "said"), [("by doing nothing", "by doing nothing"), ("", "in its own way")])
def test_a_method_of_no_parts_says_itself_how_it_edits(tmp_path, monkeypatch, how, said):
    monkeypatch.setattr(Uncomposed, "how", how) if how else monkeypatch.delattr(Uncomposed, "how")
    with installed(tmp_path / "site", {"retouch.methods": {"uncomposed": f"{__name__}:Uncomposed"}}):
        page = generator("make_methods").page().splitlines()
        heading, row = (line.split(" | ") for line in page if line.startswith(("| method |", "| [`uncomposed`]")))
        assert row[heading.index("inversion")] == said and len(row) == len(heading)
        assert f"it edits: {said}" in retouch("methods", "uncomposed").stdout
        rows = [line for line in page if line.startswith("| [`")]
        assert {line.count(" | ") for line in rows} == {len(heading) - 1}


class Silent(Uncomposed):
    """Does not say what it costs."""

    name = "silent"
    evaluations = Method.evaluations
    steps = Method.steps


class Untitled(Uncomposed):
    """Says nothing of itself."""

    name = "untitled"
    paper = None


class Idle(Inversion):
    """Inverts nothing."""

    name = "idle"
    summary = "nothing"


class Mute(Addition):
    """Shifts nothing."""

    name = "mute"
    summary = "nothing"


class Shouting(Uncomposed):
    """A name that no option takes."""

    name = "Shouting, loud"


@pytest.mark.parametrize(
    ("group", "name", "kind", "says"),
    [
        ("methods", "silent", "Silent", "does not define steps, evaluations"),
        ("methods", "untitled", "Untitled", "says no paper"),
        ("methods", "other", "Uncomposed", "its name is 'uncomposed'"),
        ("methods", "Shouting, loud", "Shouting", "a name is made of small letters"),
        ("inversions", "idle", "Idle", "does not define run"),
        ("guidances", "mute", "Mute", "does not define shifted"),
    ],
)
def test_what_could_be_listed_but_not_run_is_left_out_with_the_reason(tmp_path, group, name, kind, says):
    with installed(tmp_path / "site", {f"retouch.{group}": {name: f"{__name__}:{kind}"}}):
        with pytest.warns(UserWarning, match=says):
            known = methods() if group == "methods" else parts_of(group[:-1])
        assert name not in known
