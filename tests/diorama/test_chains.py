"""Chains of edits of the painted world: there and back, and a mask of all that they may change."""

from itertools import pairwise

import numpy as np
import pytest

from retouch.diorama.chains import changed_by, edit_chain
from retouch.diorama.drift import Drift
from retouch.errors import BadParameter
from retouch.suites.suite import chains_of, share_of

KINDS = ("colour", "accessory")


def test_a_chain_goes_there_and_back_by_turns():
    chain = edit_chain(KINDS, 3, 6)
    assert [pair.kind for pair in chain] == ["colour", "colour", "accessory", "accessory", "colour", "colour"]
    first = chain[0].source
    assert first.accessory is None and all(pair.target == first for pair in chain[1::2])
    for number, pair in enumerate(chain):
        assert pair.source == (chain[number - 1].target if number else first)
        differ = {
            name for name in ("subject", *KINDS, "pose") if getattr(pair.source, name) != getattr(pair.target, name)
        }
        assert differ == {pair.kind}
    assert edit_chain(KINDS, 3, 3) == chain[:3] and edit_chain(KINDS, 4, 6) != chain


def test_what_a_chain_may_change_is_what_any_of_its_edits_may():
    chain = edit_chain(KINDS, 3, 4)
    mask, first = np.asarray(changed_by(chain)), np.asarray(chain[0].picture)
    for pair in chain:
        assert (mask >= np.asarray(pair.mask)).all()
        assert (np.asarray(pair.truth) == first).all(2)[mask == 0].mean() > 0.99  # but for what nobody sees
    assert (mask == np.maximum(np.asarray(chain[0].mask), np.asarray(chain[2].mask))).all() and (mask == 0).any()


def test_the_suite_holds_every_edit_of_every_chain():
    suite = Drift(count=3, edits=4, start=50)
    assert [entry.id for entry in suite.entries[:5]] == ["50-001", "50-002", "50-003", "50-004", "51-001"]
    chains = chains_of(reversed(suite.entries))
    assert sorted(chain[0].chain for chain in chains) == ["50", "51", "52"]
    assert all([entry.step for entry in chain] == [1, 2, 3, 4] for chain in chains)
    for chain in chains:
        assert all(one.target == other.source for one, other in pairwise(chain))
        cases = [suite.case(entry) for entry in chain]
        assert len({case.picture.tobytes() for case in cases}) == len({case.mask.tobytes() for case in cases}) == 1
        assert cases[0].truth.tobytes() != cases[1].truth.tobytes() == cases[0].picture.tobytes()
    about = suite.entries[2].about
    assert list(about["asked"]) == ["accessory"] and "colour" in about["kept"] and "accessory" not in about["kept"]
    shares = [share_of(suite, (share, 2)) for share in (0, 1)]
    assert sorted(entry.id for share in shares for entry in share) == [entry.id for entry in suite.entries]
    assert all(len(share) % 4 == 0 for share in shares)  # no chain is torn


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kinds": "place"}, "no chains of 'place': a chain asks for colour, accessory, pose, subject"),
        ({"kinds": ","}, "a chain of 0 kinds and 6 edits"),
        ({"edits": 0}, "a chain of 2 kinds and 0 edits"),
        ({"count": 0}, "count is 0"),
        ({"side": 100}, "100"),
    ],
)
def test_what_is_no_chain_is_one_sentence(given, says):
    with pytest.raises(BadParameter, match=says):
        Drift(**given)
