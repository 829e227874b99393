"""A consignee: looked up once for all that goes to it, and asked for by a partner in place of another."""

from typing import Any, Literal

from services.allocation.domain.screening.consignee import (
    DECIDER,
    ApproveChange,
    AskForConsignee,
    DecideConsigneeHit,
    Reason,
    RefuseChange,
    ScreenConsignee,
)
from services.allocation.events import (
    AwardId,
    ChangeId,
    ConsigneeChangeApproved,
    ConsigneeChangeRefused,
    ConsigneeHit,
    ConsigneeHitDecided,
    ConsigneeId,
    ConsigneeScreened,
    HitId,
    ListName,
    SubjectId,
)
from tests.stories.given import Given

LISTS = {ListName("entity-list"): 1}
NAME = "Kyushu Bonded Warehouse"
CONSIGNEE = ConsigneeId("cns_1")


def hit(name: str = "hit_1", cleared_as: str | None = None) -> ConsigneeHit:
    as_asked = None if cleared_as is None else HitId(cleared_as)
    return ConsigneeHit(hit=HitId(name), list=ListName("entity-list"), entry="E-1", match="near", cleared_as=as_asked)


def screen(*hits: ConsigneeHit, lists: dict[ListName, int] | None = None, beyond: int = 0) -> ScreenConsignee:
    return ScreenConsignee(consignee=CONSIGNEE, name=NAME, lists=LISTS if lists is None else lists, hits=hits, beyond=beyond)


def say(outcome: Literal["cleared", "confirmed"]) -> DecideConsigneeHit:
    return DecideConsigneeHit(hit=HitId("hit_1"), outcome=outcome, reason="by its register", by=SubjectId("sub_operator"))


def ask() -> AskForConsignee:
    told: Any = {"request": "req_1", "product": "antimony-metal", "partner": "JP", "reason": "the other warehouse is full"}
    return AskForConsignee(
        change=ChangeId("chg_1"), award=AwardId("awd_1"), consignee=CONSIGNEE, name=NAME, by=SubjectId("sub_partner"), **told
    )


def approve(by: str = "sub_approver", lists: dict[ListName, int] | None = None, *others: str) -> ApproveChange:
    known = LISTS if lists is None else lists
    return ApproveChange(change=ChangeId("chg_1"), lists=known, reason="known", by=SubjectId(by), accounts=frozenset({by, *others}))


def test_a_name_that_no_list_has_is_clear_and_is_told_once():
    story = Given(DECIDER).when(screen())
    [event] = story.events
    assert isinstance(event, ConsigneeScreened) and event.clear
    story.when(screen()).then()


def test_with_no_list_in_force_it_is_said_too():
    Given(DECIDER).when(screen(lists={})).then(ConsigneeScreened)


def test_a_name_that_is_like_one_on_a_list_is_clear_once_a_person_has_said_so():
    story = Given(DECIDER).when(screen(hit()))
    assert not story.events[0].clear
    story = story.when(say("cleared"))
    story.then(ConsigneeHitDecided)
    assert story.events[0].clear
    assert not story.when(say("confirmed")).events[0].clear
    assert story.when(screen(hit(), lists={ListName("entity-list"): 2})).events[0].clear  # as long as it is the same hit


def test_what_was_cleared_for_a_request_is_cleared_for_its_consignee():
    story = Given(DECIDER, screen(hit()))
    assert story.when(screen(hit(cleared_as="hit_9"))).events[0].clear
    story = story.given(say("confirmed"))
    story.when(screen(hit(cleared_as="hit_9"))).then()  # a person has said of this name that it is the one


def test_too_many_hits_are_not_cleared_one_by_one():
    story = Given(DECIDER, screen(hit(), beyond=3))
    assert not story.when(say("cleared")).events[0].clear


def test_a_hit_that_it_has_not_is_refused():
    Given(DECIDER, screen()).when(say("cleared")).refused(Reason.HIT_NOT_FOUND)


def test_a_change_is_approved_once_by_another_person_and_once_its_name_is_cleared():
    asked = Given(DECIDER, ask())
    asked.when(approve()).refused(Reason.NOT_CLEARED)
    asked.given(screen(hit())).when(approve()).refused(Reason.NOT_CLEARED)
    asked.given(screen()).when(approve(lists={ListName("entity-list"): 2})).refused(Reason.NOT_CLEARED)
    asked.given(screen()).when(approve(by="sub_partner")).refused(Reason.OWN_CHANGE)
    asked.given(screen()).when(approve("sub_approver", None, "sub_partner")).refused(Reason.OWN_CHANGE)
    approved = asked.given(screen()).when(approve())
    approved.then(ConsigneeChangeApproved)
    assert (approved.events[0].award, approved.events[0].name) == ("awd_1", NAME)
    approved.when(approve()).refused(Reason.CHANGE_NOT_FOUND)


def test_a_change_is_refused_whatever_its_name_is():
    refuse = RefuseChange(change=ChangeId("chg_1"), reason="not known to us", by=SubjectId("sub_approver"))
    story = Given(DECIDER, ask(), screen(hit())).when(refuse)
    story.then(ConsigneeChangeRefused)
    story.when(refuse).refused(Reason.CHANGE_NOT_FOUND)
