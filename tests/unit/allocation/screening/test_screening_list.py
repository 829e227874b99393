"""Screening list: put in force, replaced, withdrawn."""

from services.allocation.domain.screening.screening_list import PutListInForce, Reason, ScreeningList, WithdrawList, decide, evolve
from services.allocation.events import ListName, ScreeningListPutInForce, ScreeningListWithdrawn, SubjectId
from shared.journal.decider import Refused

NAME, BY = ListName("entity-list"), SubjectId("sub_operator")
WITHDRAW = WithdrawList(list=NAME, reason="taken back", by=BY)


def put(document: str = "ab") -> PutListInForce:
    return PutListInForce(list=NAME, document=document * 32, entries=3, reason="of 6 January", by=BY)


def test_each_version_takes_the_place_of_the_one_before():
    state, versions = ScreeningList(), []
    for document in ("ab", "cd"):
        decided = decide(put(document), state)
        assert not isinstance(decided, Refused)
        [event] = decided
        assert isinstance(event, ScreeningListPutInForce)
        versions.append((event.version, event.document))
        state = evolve(state, event)
    assert versions == [(1, "ab" * 32), (2, "cd" * 32)]


def test_the_same_list_again_is_refused_until_it_is_withdrawn():
    state = ScreeningList(1, "ab" * 32)
    refused = decide(put(), state)
    assert isinstance(refused, Refused)
    assert refused.code == Reason.SAME
    decided = decide(WITHDRAW, state)
    assert decided == [ScreeningListWithdrawn(list=NAME, version=1, reason="taken back", withdrawn_by=BY)]
    again = decide(put(), evolve(state, decided[0]))
    assert not isinstance(again, Refused)
    assert isinstance(again[0], ScreeningListPutInForce)
    assert again[0].version == 2  # no version comes twice


def test_what_is_not_in_force_is_not_withdrawn():
    refused = decide(WITHDRAW, ScreeningList())
    assert isinstance(refused, Refused)
    assert refused.code == Reason.NOT_IN_FORCE
