"""A study on the disk: answers count once, and a damaged file is one sentence."""

import json
import random
import sqlite3

import pytest

from retouch.runs.run import Run
from retouch.study.ballot import BadAnswer, ForgedToken, UnknownRater
from retouch.study.questions import BadStudy
from retouch.study.store import Study
from retouch.study.tokens import made
from tests.study.common import SENTENCE, token_of
from tests.test_cli import retouch


def test_an_answer_counts_once_and_the_first_one_stays(run):
    with Study.opened(run, {"checks": 0}) as study:
        assert study.join(token_of(study, 7)) == study.join(token_of(study, 7)) == 1
        assert study.answer(token_of(study, 7), 1, "left") and not study.answer(token_of(study, 7), 1, "right")
        assert len(study.answers()) == 1
        item = study.standing(token_of(study, 7))
        assert (item.position, item.answered) == (2, 1)
        for position, choice in ((3, "left"), (99, "left"), (2, "middle"), (2, "1")):
            with pytest.raises(BadAnswer):
                study.answer(token_of(study, 7), position, choice)
        with pytest.raises(UnknownRater):
            study.answer(token_of(study, 8), 1, "left")
    with Study.opened(run) as study:  # and after a restart
        assert len(study.answers()) == 1 and study.settings.checks == 0
        assert study.standing(token_of(study, 7)) == item


def test_a_changed_answer_is_kept_beside_the_new_one_with_both_times(run):
    with Study.opened(run, {"checks": 0}) as study:
        token = token_of(study, 1)
        study.join(token)
        study.answer(token, 1, "left")
        study.answer(token, 2, "left")
        (_, before) = study.answers()
        assert not study.change(token, 2, "left") and study.changes() == 0  # the same
        assert not study.change(token, 1, "right")  # not the last one
        assert study.change(token, 2, "right") and study.last(token).chosen == "right"
        with pytest.raises(BadAnswer, match="no answer to change yet"):
            study.change(token, 3, "left")
        (_, after) = study.answers()
        assert (after.question, after.value) == (before.question, 3 - before.value) and study.changes() == 1
    with sqlite3.connect(run.folder / "study.sqlite") as file:
        ((value, at, until),) = file.execute("SELECT value, at, until FROM replaced").fetchall()
        assert value == before.value and at < until == file.execute("SELECT max(at) FROM answer").fetchone()[0]


def test_an_undo_that_is_not_finished_loses_nothing(run):
    with Study.opened(run, {"checks": 0}) as study:
        token = token_of(study, 1)
        study.join(token)
        study.answer(token, 1, "left")
        looked = study.last(token)
        assert (looked.position, looked.answered, looked.chosen) == (1, 1, "left") and len(study.answers()) == 1
        assert study.standing(token).position == 2


def test_only_tokens_of_this_study_begin_a_ballot(run):
    with Study.opened(run) as study:
        assert len({made(study.secret) for _ in range(50)}) == 50
        assert study.join(made(study.secret)) == 1
        for forged in ("", "0" * 22, "0" * 44, made(b"another study's"), token_of(study, 1)[:-1] + "é"):
            with pytest.raises(ForgedToken):
                study.join(forged)


def test_a_study_of_an_earlier_version_goes_on_with_its_raters(run):
    """Their tokens were their browsers' own, and no answer could be replaced."""
    old = "b" * 22
    with Study.opened(run, {"checks": 0}) as study:
        study.join(token_of(study, 1))
        study.answer(token_of(study, 1), 1, "left")
    with sqlite3.connect(run.folder / "study.sqlite") as file:
        file.execute("UPDATE rater SET token = ?", (old,))
        file.execute("DROP TABLE replaced")
    with Study.existing(run) as study:
        assert len(study.answers()) == 1 and study.changes() == 0
    with Study.opened(run) as study:
        assert study.join(old) == 1 and study.standing(old).position == 2
        assert study.change(old, 1, "right") and study.answer(old, 2, "left")
        assert len(study.answers()) == 2


def test_a_study_goes_on_with_its_settings_and_refuses_others(run):
    with Study.opened(run, {"compare": "sdedit", "per_rater": 500}) as study:
        secret, asked = study.secret, study.questions
    with Study.opened(run, {"per_rater": 500}) as study:
        assert (study.secret, study.questions) == (secret, asked) and study.settings.compare == "sdedit"
    for name, value in (("compare", "masactrl"), ("per_rater", 5), ("questions", "rating"), ("checks", 1), ("seed", 2)):
        with (
            pytest.raises(BadStudy, match=f"a study with --{name.replace('_', '-')} .* was given: leave"),
            Study.opened(run, {name: value}),
        ):
            pass


def test_edits_made_with_other_settings_are_another_study(run):
    with Study.opened(run):
        pass
    manifest = json.loads((run.folder / "run.json").read_text())
    manifest["methods"]["masactrl"]["settings"] = {"step": 3}
    (run.folder / "run.json").write_text(json.dumps(manifest))
    with (
        pytest.raises(BadStudy, match="edits by masactrl that this run does not have"),
        Study.opened(Run.open(run.folder)),
    ):
        pass


def not_a_database(path):
    path.write_bytes(b"these are not the pages of a database" * 200)


def torn(path):
    whole = bytearray(path.read_bytes())
    whole[4096:8192] = random.Random(0).randbytes(4096)
    path.write_bytes(whole)


def another_database(path):
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE notes (text)")


def another_version(path):
    with sqlite3.connect(path) as study:
        study.execute("PRAGMA user_version = 99")


def unreadable_settings(path):
    with sqlite3.connect(path) as study:
        study.execute("UPDATE study SET value = '{' WHERE name = 'settings'")


@pytest.mark.parametrize("damage", [not_a_database, torn, another_database, another_version, unreadable_settings])
def test_a_damaged_study_is_one_sentence(run, damage):
    with Study.opened(run) as study:
        path = study.path
    damage(path)
    for options in ((), ("--results",)):
        done = retouch("study", run.folder, "--port", 0, *options)
        assert done.returncode == 2 and SENTENCE.match(done.stderr) and "study.sqlite" in done.stderr
