"""Officials: a conflict of interest is declared, and withdrawn by somebody else."""

from services.allocation.domain.authority.official import Command, DeclareConflict, Official, Reason, WithdrawConflict, decide, evolve
from services.allocation.events import ConflictDeclared, ConflictWithdrawn, SubjectId
from shared.journal.decider import Refused

WHO, ADMIN = SubjectId("sub_1"), SubjectId("sub_admin")
DECLARE = DeclareConflict(official=WHO, about="company", name="Kyushu Smelting", reason="holds shares")
WITHDRAW = WithdrawConflict(official=WHO, about="company", name="kyushu  smelting", reason="sold", by=ADMIN)


def given(*commands: Command) -> Official:
    official = Official()
    for command in commands:
        decided = decide(command, official)
        assert not isinstance(decided, Refused), decided
        for event in decided:
            official = evolve(official, event)
    return official


def refusal(command: Command, official: Official) -> Reason:
    decided = decide(command, official)
    assert isinstance(decided, Refused), decided
    return decided.code


def test_a_conflict_is_declared_once_and_withdrawn_by_another():
    assert decide(DECLARE, Official()) == [ConflictDeclared(official=WHO, about="company", name="Kyushu Smelting", reason="holds shares")]
    assert refusal(DECLARE, given(DECLARE)) == Reason.ALREADY_DECLARED
    assert decide(WITHDRAW, given(DECLARE)) == [ConflictWithdrawn(official=WHO, about="company", name="Kyushu Smelting", reason="sold")]
    assert given(DECLARE, WITHDRAW) == Official()
    assert refusal(WITHDRAW, Official()) == Reason.NOT_FOUND
    oneself = WithdrawConflict(official=WHO, about="company", name="Kyushu Smelting", reason="sold", by=WHO)
    assert refusal(oneself, given(DECLARE)) == Reason.BY_ONESELF
