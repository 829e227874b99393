"""Officials: a conflict of interest is declared, and withdrawn by somebody else."""

from services.allocation.domain.authority.official import (
    DECIDER,
    DeclareConflict,
    NamePerson,
    Reason,
    WithdrawConflict,
)
from services.allocation.events import ConflictDeclared, ConflictWithdrawn, SubjectId
from services.allocation.events.authority import PersonId, PersonNamed
from tests.stories.given import Given

WHO, ADMIN = SubjectId("sub_1"), SubjectId("sub_admin")
DECLARE = DeclareConflict(official=WHO, about="company", name="Kyushu Smelting", reason="holds shares")
WITHDRAW = WithdrawConflict(official=WHO, about="company", name="kyushu  smelting", reason="sold", by=ADMIN)


def test_a_conflict_is_declared_once_and_withdrawn_by_another():
    Given(DECIDER).when(DECLARE).then(ConflictDeclared(official=WHO, about="company", name="Kyushu Smelting", reason="holds shares"))
    Given(DECIDER, DECLARE).when(DECLARE).refused(Reason.ALREADY_DECLARED)
    Given(DECIDER, DECLARE).when(WITHDRAW).then(ConflictWithdrawn(official=WHO, about="company", name="Kyushu Smelting", reason="sold"))
    assert Given(DECIDER, DECLARE, WITHDRAW).state == Given(DECIDER).state
    Given(DECIDER).when(WITHDRAW).refused(Reason.NOT_FOUND)
    oneself = WithdrawConflict(official=WHO, about="company", name="Kyushu Smelting", reason="sold", by=WHO)
    Given(DECIDER, DECLARE).when(oneself).refused(Reason.BY_ONESELF)


def test_an_account_is_one_persons_for_ever():
    name = NamePerson(official=WHO, person=PersonId("per_12345678"))
    Given(DECIDER, DECLARE).when(name).then(PersonNamed(official=WHO, person=PersonId("per_12345678")))
    another = NamePerson(official=WHO, person=PersonId("per_87654321"))
    Given(DECIDER, name).when(another).refused(Reason.PERSON_NAMED, "/person")
    Given(DECIDER, name, DECLARE).when(DECLARE).refused(Reason.ALREADY_DECLARED)
