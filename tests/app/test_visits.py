"""Visits: known by a token, forgotten when idle, with a history that is a tree and does not grow for ever."""

import pytest

from retouch.app import visits as module
from retouch.app.visits import TOKEN, NoVisit, TooManyVisits, Visits
from tests.app.common import png


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_visit_is_found_by_its_token_alone():
    visits = Visits()
    one, other = visits.begin(), visits.begin()
    assert visits.of(one.token) is one and one.token != other.token and TOKEN.fullmatch(one.token)
    for wrong in (None, "", "x" * 32, one.token[:-1]):
        with pytest.raises(NoVisit, match="reload the page"):
            visits.of(wrong)


def test_an_idle_visit_is_forgotten_with_what_it_had_to_do_and_a_busy_visitor_is_not():
    clock, gone = Clock(), []
    visits = Visits(idle=60, gone=gone.append, clock=clock)
    idle, busy = visits.begin(), visits.begin()
    clock.now = 50
    visits.of(busy.token)
    visits.of(idle.token, looking=False)  # a job that ends is no sign of its visitor
    clock.now = 70
    visits.forget_idle()
    assert gone == [idle] and len(visits) == 1 and visits.of(busy.token) is busy


def test_no_more_are_let_in_than_there_is_room_for_and_the_idle_make_room():
    clock = Clock()
    visits = Visits(idle=60, most=2, clock=clock)
    visits.begin(), visits.begin()
    with pytest.raises(TooManyVisits):
        visits.begin()
    clock.now = 61
    assert visits.begin() and len(visits) == 1


def test_history_is_a_tree_and_every_edit_knows_where_it_came_from():
    visit = Visits().begin()
    root = visit.add(png(), (16, 12), "the picture")
    first, second = (visit.add(png(), (16, 12), name, root.number) for name in ("one", "two"))
    deeper = visit.add(png(), (16, 12), "three", first.number)
    assert [node.label for node in visit.line(deeper)] == ["three", "one", "the picture"]
    assert [node.label for node in visit.line(second)] == ["two", "the picture"]


def test_where_memory_is_full_the_oldest_leaves_go_and_what_is_looked_at_stays(monkeypatch):
    visit = Visits().begin()
    root = visit.add(png(), (16, 12), "root")
    monkeypatch.setattr(module, "MOST_BYTES", 6 * root.bytes)
    visit.current = root.number
    shown = visit.add(png(), (16, 12), "shown", root.number)
    visit.shown = shown.number
    parent = visit.add(png(), (16, 12), "parent", root.number)
    visit.add(png(), (16, 12), "child", parent.number)
    for _ in range(20):
        last = visit.add(png(), (16, 12), "more", root.number)
    assert sum(node.bytes for node in visit.nodes.values()) <= module.MOST_BYTES
    assert {root.number, shown.number, last.number} <= set(visit.nodes)


def test_what_was_brought_into_the_controls_since_is_told_by_name():
    visit = Visits().begin()
    visit.bring_back({"source": "a", "target": "b"})
    visit.bring_back({"source": "c"})
    assert visit.brought_since(0) == {"source": "c", "target": "b"}
    assert visit.brought_since(1) == {"source": "c"} and visit.brought_since(2) == {}
