"""Runs whose edits keep the rest of the picture: as drawn and kept in one, and each as if it were made alone."""

import pickle

import numpy as np
import pytest

from retouch.auto.kind import kind_named
from retouch.diorama.suite import DioramaSuite
from retouch.errors import BadParameter
from retouch.methods.optimising import Optimising
from retouch.methods.registry import methods
from retouch.report import as_text, gather, leaderboard
from retouch.report.facts import settings
from retouch.runs.bench import begin, bench
from retouch.runs.edits import edits, local
from retouch.runs.files import BadRun
from retouch.runs.measuring import measure
from retouch.runs.run import Run
from retouch.runs.variants import kept, read_variants
from tests.runs.quick import Counting

ONE = DioramaSuite(["colour"], count=1)
QUICK = ["edit-friendly:num_inference_steps=3", "ddim:num_inference_steps=3"]


def fits(name):
    return issubclass(kind_named(name), Optimising)


def few(name):
    """Settings that make a method quick."""
    fit = {"embedding_steps": 1, "network_steps": 1} if fits(name) else {}
    known = {"num_inference_steps": 3, "iterations": 1, "inner_steps": 1, **fit}
    return {key: value for key, value in known.items() if key in kind_named(name).__dataclass_fields__}


def spoken(name):
    return f"{name}:{','.join(f'{key}={value}' for key, value in few(name).items())}"


def both(editor, folder, texts, **more):
    return begin(folder, ONE, editor, kept(read_variants([], texts), "both"), **more)


def alone(editor, name, keep, seed=0, case=None, **more):
    """The edit by itself, and what it cost."""
    case = case or ONE.case(ONE.entries[0])
    words = {"source": case.entry.source, "target": case.entry.target}
    if not fits(name):
        result = editor.edit(case.picture, **words, method=name, keep=keep, seed=seed, **more, **few(name))
        return result, result.evaluations
    sampling = {key: value for key, value in few(name).items() if key in kind_named(name).sampling}
    fitting = {key: value for key, value in few(name).items() if key not in sampling}
    before = editor.model.evaluations
    fit = editor.fit(case.picture, **words, method=name, seed=0, **fitting)
    (result,) = editor.variations(case.picture, fit, seeds=[seed], keep=keep, **sampling)
    return result, editor.model.evaluations - before


def test_what_keep_may_say():
    found = read_variants(["ddim"], ["quick=sdedit:num_inference_steps=2"])
    assert kept(found, "off") == found and "keep" not in found["ddim"].stored()
    assert {one.keep for one in kept(found, "exact").values()} == {"exact"}
    twice = kept(found, "both")
    assert list(twice) == ["ddim", "ddim kept", "quick", "quick kept"]
    assert twice["quick kept"].stored() == {**found["quick"].stored(), "keep": "auto"}
    with pytest.raises(BadParameter, match="--keep is 'some', expected auto, exact, off or both"):
        kept(found, "some")
    with pytest.raises(BadParameter, match="two methods are called 'ddim kept'"):
        kept({**found, **read_variants([], ["ddim kept=ddim:guidance_scale=3"])}, "both")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*methods(), "auto"])
def test_drawn_and_kept_are_what_each_is_alone(editor, tmp_path, name):
    run = both(editor, tmp_path, [spoken(name)])
    before = editor.model.evaluations
    assert bench(run, ONE, local(editor)).failed == 0
    spent, records = editor.model.evaluations - before, run.records()
    costs = []
    for record, keep in zip(records, ("off", "auto"), strict=True):
        result, cost = alone(editor, name, keep)
        assert run.edit(record).tobytes() == result.image.tobytes()
        assert record.evaluations == cost and record.seconds > 0
        costs.append(cost)
    assert records[0].method == spoken(name) and records[1].method == f"{spoken(name)} kept"
    if not kind_named(name).keeps_at_a_cost:
        assert spent == costs[0] == costs[1]  # one edit gave both
    elif name not in ("auto", "layer-diffusion"):  # tries may end sooner; knows no picture unasked
        assert costs[0] < costs[1]


@pytest.mark.slow
def test_the_recipe_says_how_it_was_kept(editor, tmp_path):
    from retouch.picture import read_recipe

    run = both(editor, tmp_path, QUICK[:1])
    bench(run, ONE, local(editor))
    for record, keep in zip(run.records(), ("off", "auto"), strict=True):
        recipe = read_recipe(run.edit_path(record))
        recipe.pop("bench")
        result, _ = alone(editor, "edit-friendly", keep)
        assert recipe == result.recipe and recipe["keep"] == keep
        same = (np.asarray(run.edit(record)) == np.asarray(ONE.case(ONE.entries[0]).picture)).all(2).mean()
        assert recipe["untouched"] == pytest.approx(same, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_run_of_both_that_broke_off_goes_on(editor, tmp_path, stop_after):
    whole = both(editor, tmp_path / "whole", QUICK, seeds=(0, 1))
    bench(whole, ONE, local(editor))
    first, second = Counting(editor, stop_after), Counting(editor)
    with pytest.raises(RuntimeError):
        bench(both(editor, tmp_path / "broken", QUICK, seeds=(0, 1)), ONE, first)
    broken = both(editor, tmp_path / "broken", QUICK, seeds=(0, 1))
    done = bench(broken, ONE, second)
    assert (done.now, done.there, done.total) == (8 - stop_after, 8, 8) and not set(first.asked) & set(second.asked)
    for one, other in zip(whole.records(), broken.records(), strict=True):
        assert (one.key, one.evaluations) == (other.key, other.evaluations)
        assert whole.edit(one).tobytes() == broken.edit(other).tobytes()


@pytest.mark.slow
def test_the_fit_of_a_method_that_fits_serves_both_after_a_kill(editor, tmp_path):
    """What a kill after the first sample left of the fit is found again, though another label asks for it."""
    label = spoken("imagic")
    first = Counting(editor, 1)
    with pytest.raises(RuntimeError):
        bench(both(editor, tmp_path, [label]), ONE, first)
    assert first.asked == [("colour-1000", label, 0)] and len(list((tmp_path / "fits").iterdir())) == 1
    before = editor.model.evaluations
    run = both(editor, tmp_path, [label])
    bench(run, ONE, local(editor))
    assert editor.model.evaluations - before == 3 * 2 * 2  # the sample and the picture unasked, and no fit
    assert run.edit(run.records()[1]).tobytes() == alone(editor, "imagic", "auto")[0].image.tobytes()
    assert not list((tmp_path / "fits").iterdir())


@pytest.mark.slow
def test_kept_edits_join_a_run_of_drawn_ones_and_no_label_changes_its_meaning(editor, tmp_path):
    variants = read_variants([], QUICK)
    bench(begin(tmp_path, ONE, editor, variants), ONE, local(editor))
    with pytest.raises(BadRun, match="with --keep off, and this is --keep exact: name another folder; --keep both"):
        begin(tmp_path, ONE, editor, kept(variants, "exact"))
    counting = Counting(editor)
    run = begin(tmp_path, ONE, editor, kept(variants, "both"))
    done = bench(run, ONE, counting)
    assert done.there == 4 and [label for _, label, _ in counting.asked] == [f"{label} kept" for label in QUICK]


@pytest.mark.slow
def test_under_a_mask_both_leave_what_lies_outside(editor, tmp_path):
    run = both(editor, tmp_path, QUICK, masked=True)
    assert bench(run, ONE, local(editor), masked=True).failed == 0
    case = ONE.case(ONE.entries[0])
    outside = np.asarray(case.mask) == 0
    for record in run.records():
        result, cost = alone(
            editor, record.method.partition(":")[0], "auto" if "kept" in record.method else "off", mask=case.mask
        )
        assert run.edit(record).tobytes() == result.image.tobytes() and record.evaluations == cost
        assert (np.asarray(run.edit(record)) == np.asarray(case.picture))[outside].all()


@pytest.mark.slow
def test_workers_elsewhere_and_shards_keep_as_well(editor, tmp_path):
    suite = DioramaSuite(["colour", "pose"], count=1)

    def elsewhere(works):
        for work in works:
            yield from pickle.loads(pickle.dumps(list(edits(editor, pickle.loads(pickle.dumps(work))))))

    variants = kept(read_variants([], QUICK), "both")
    here, there = (begin(tmp_path / name, suite, editor, variants) for name in ("here", "there"))
    bench(here, suite, local(editor))
    for share in (0, 1):
        bench(there, suite, elsewhere, shard=(share, 2))
    assert [one.key for one in here.records()] == [one.key for one in there.records()]
    for one in here.records():
        assert here.edit(one).tobytes() == there.edit(one).tobytes()


@pytest.mark.slow
def test_a_report_sets_drawn_beside_kept(editor, tmp_path):
    from retouch.measures.registry import measures_for

    run = both(editor, tmp_path, QUICK[:1])
    bench(run, ONE, local(editor))
    measure(run, measures_for(None, ["untouched.outside"])[0], suite=ONE)
    gathered = gather([Run.open(tmp_path)])
    drawn, also = leaderboard(gathered).rows
    assert also.label == f"{drawn.label} kept" and gathered.made == gathered.wanted == 2
    assert drawn.cells["untouched.outside"].mean < also.cells["untouched.outside"].mean
    assert f"{drawn.label} kept," in as_text(leaderboard(gathered), "csv").replace('"', "")
    given = [one["given"] for one in settings(gathered)]
    assert given == ["edit-friendly num_inference_steps=3", "edit-friendly num_inference_steps=3, keep=auto"]
