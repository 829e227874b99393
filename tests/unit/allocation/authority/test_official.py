"""Officials: a conflict of interest is declared, and withdrawn by somebody else."""

from msgspec.structs import replace

from services.allocation.domain.authority.endorsement import Endorsing
from services.allocation.domain.authority.endorsement import Reason as EndorsementReason
from services.allocation.domain.authority.official import (
    DECIDER,
    DeclareConflict,
    NamePerson,
    Reason,
    WithdrawConflict,
)
from services.allocation.events import ConflictDeclared, ConflictWithdrawn, SubjectId
from services.allocation.events.authority import PersonId, PersonNamed
from services.allocation.events.papers import PersonPaper
from shared.terms.acting import ApprovalReason
from tests.stories.barring import barring
from tests.stories.endorsing import ADMIN, ENDORSER, UNENDORSED, endorsing
from tests.stories.given import Given

WHO = SubjectId("sub_1")
DECLARE = DeclareConflict(official=WHO, about="company", name="Kyushu Smelting", reason="holds shares", barring=barring(WHO))
WITHDRAW = WithdrawConflict(official=WHO, about="company", name="kyushu  smelting", reason="sold", by=SubjectId(ADMIN))


def test_a_conflict_is_declared_once_and_withdrawn_by_another():
    Given(DECIDER).when(DECLARE).then(
        ConflictDeclared(official=WHO, about="company", name="Kyushu Smelting", reason="holds shares", declared_by=WHO)
    )
    Given(DECIDER, DECLARE).when(DECLARE).refused(Reason.ALREADY_DECLARED)
    Given(DECIDER, DECLARE).when(WITHDRAW).then(ConflictWithdrawn(official=WHO, about="company", name="Kyushu Smelting", reason="sold"))
    assert Given(DECIDER, DECLARE, WITHDRAW).state == Given(DECIDER).state
    Given(DECIDER).when(WITHDRAW).refused(Reason.NOT_FOUND)
    oneself = WithdrawConflict(official=WHO, about="company", name="Kyushu Smelting", reason="sold", by=WHO)
    Given(DECIDER, DECLARE).when(oneself).refused(Reason.BY_ONESELF)
    by_another_account = replace(WITHDRAW, accounts=(ADMIN, WHO))
    Given(DECIDER, DECLARE).when(by_another_account).refused(Reason.BY_ONESELF)


def test_an_account_is_one_persons_for_ever():
    name = naming("per_12345678")
    [event] = Given(DECIDER, DECLARE).when(name).events
    assert isinstance(event, PersonNamed) and event.endorsement is not None
    assert (event.person, event.endorsement.subject) == ("per_12345678", ENDORSER)
    another = naming("per_87654321")
    Given(DECIDER, name).when(another).refused(Reason.PERSON_NAMED, "/person")
    Given(DECIDER, name, DECLARE).when(DECLARE).refused(Reason.ALREADY_DECLARED)


def test_another_approver_signs_whose_account_it_is():
    """Not the administrator, nor by the account itself, nor by another that is already that person's."""
    story, paper = Given(DECIDER), PersonPaper(official=WHO, person=PersonId("per_1"))
    story.when(naming("per_1", UNENDORSED)).refused(EndorsementReason.MISSING, "/endorsement")
    for party in (WHO, ADMIN, "sub_other"):
        story.when(naming("per_1", endorsing(paper, by=party))).refused(EndorsementReason.BY_PARTY)
    other = PersonPaper(official=WHO, person=PersonId("per_2"))
    story.when(naming("per_1", endorsing(other))).refused(ApprovalReason.ANOTHER_DOCUMENT)


def naming(person: str, given: Endorsing | None = None) -> NamePerson:
    paper = PersonPaper(official=WHO, person=PersonId(person))
    return NamePerson(official=WHO, person=paper.person, others=frozenset({"sub_other"}), endorsing=given or endorsing(paper))
