"""Screening list: put in force, replaced, withdrawn."""

from services.allocation.domain.screening.screening_list import DECIDER, PutListInForce, Reason, WithdrawList
from services.allocation.events import ListName, ScreeningListPutInForce, ScreeningListWithdrawn, SubjectId
from tests.stories.given import Given

NAME, BY = ListName("entity-list"), SubjectId("sub_operator")
WITHDRAW = WithdrawList(list=NAME, reason="taken back", by=BY)


def put(document: str = "ab") -> PutListInForce:
    return PutListInForce(list=NAME, document=document * 32, entries=3, reason="of 6 January", by=BY)


def test_each_version_takes_the_place_of_the_one_before():
    story, versions = Given(DECIDER), []
    for document in ("ab", "cd"):
        story = story.when(put(document)).then(ScreeningListPutInForce)
        [event] = story.events
        versions.append((event.version, event.document))
    assert versions == [(1, "ab" * 32), (2, "cd" * 32)]


def test_the_same_list_again_is_refused_until_it_is_withdrawn():
    story = Given(DECIDER, put())
    story.when(put()).refused(Reason.SAME)
    story = story.when(WITHDRAW).then(ScreeningListWithdrawn(list=NAME, version=1, reason="taken back", withdrawn_by=BY))
    again = story.when(put()).then(ScreeningListPutInForce)
    assert again.events[0].version == 2  # no version comes twice


def test_what_is_not_in_force_is_not_withdrawn():
    Given(DECIDER).when(WITHDRAW).refused(Reason.NOT_IN_FORCE)
