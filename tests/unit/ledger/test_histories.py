"""The logs of a deployment's histories: where in the ledger's numbers each of their leaves is."""

from pathlib import Path

import pytest

from services.ledger.histories import Begun, Logs
from shared.proofs.history import Before, Commitment


def begun(history: int, before: int, begins: int) -> Begun:
    kept = Before(history=before, key=f"key of {before}", kept=begins, kept_checkpoint=None, checkpoint=None)
    return Begun(history, begins, Commitment(history=history, key=f"key of {history}", before=kept, ends={}).leaf)


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    """Of history 1, ten leaves are kept; of history 2, five more with its commitment; then comes history 5."""
    return Logs([begun(2, 1, 10), begun(5, 2, 15)], tmp_path)


@pytest.mark.parametrize(
    ("history", "leaf", "after"),
    [(1, 0, 1), (1, 8, 9), (1, 9, 10), (2, 0, 11), (2, 4, 15), (5, 0, 16), (5, 70, 86)],
)
def test_after_a_leaf_comes_the_next_one(logs: Logs, history: int, leaf: int, after: int):
    assert logs.number_after(history, leaf) == logs.number_of(history, leaf) + 1 == after


@pytest.mark.parametrize(("history", "leaf", "after"), [(1, 10, 10), (1, 17, 10), (1, 10**12, 10), (2, 5, 15), (2, 99, 15)])
def test_after_a_leaf_that_is_lost_comes_the_first_of_the_log_that_follows(logs: Logs, history: int, leaf: int, after: int):
    assert logs.number_after(history, leaf) == after


def test_there_is_one_log_where_nothing_was_restored(tmp_path: Path):
    assert Logs([], tmp_path).number_after(1, 7) == 8
