"""Officials: a conflict of interest is declared, and withdrawn by somebody else."""

from services.allocation.domain.official import (
    Command,
    DeclareConflict,
    Matter,
    Official,
    Reason,
    WithdrawConflict,
    conflicts_with,
    decide,
    evolve,
)
from services.allocation.events import ConflictDeclared, ConflictWithdrawn, SubjectId
from shared.authority import interest_in
from shared.decider import Refused

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


def test_a_conflict_bars_from_whatever_its_name_has_a_part_in():
    matter = Matter(round="rnd_1", product="antimony-metal", partners={"JP", "US"}, companies={"KYUSHU SMELTING"})
    barred = conflicts_with(matter)
    assert set(given(DECLARE).conflicts) <= barred
    assert {interest_in("partner", "JP"), interest_in("product", "antimony-metal"), interest_in("round", "rnd_1")} <= barred
    assert interest_in("partner", "EU") not in barred
    assert interest_in("company", "JP") not in barred
