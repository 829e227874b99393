"""How tests tell a history must itself be able to fail."""

import ast
from pathlib import Path

import pytest

from services.allocation.domain.partners.partner import DECIDER, Reason, RegisterPartner
from services.allocation.events import PartnerCode, PartnerRegistered
from tests.stories.given import Given

REGISTER = RegisterPartner(partner=PartnerCode("JP"), name="Japan")
REGISTERED = PartnerRegistered(partner=PartnerCode("JP"), name="Japan")
TESTS = Path(__file__).parents[2]


def test_what_follows_is_all_that_was_said_in_its_order():
    told = Given(DECIDER).when(REGISTER)
    told.then(REGISTERED).then(PartnerRegistered)
    for wrong in ((), (REGISTERED, REGISTERED), (RegisterPartner,), (PartnerRegistered(partner=PartnerCode("JP"), name="Nippon"),)):
        with pytest.raises(AssertionError):
            told.then(*wrong)
    with pytest.raises(AssertionError):
        told.refused(Reason.ALREADY_REGISTERED)


def test_a_history_is_told_in_commands_events_or_what_makes_them():
    for happened in (REGISTER, REGISTERED, lambda state: REGISTER):
        told = Given(DECIDER, happened).when(REGISTER)
        told.refused(Reason.ALREADY_REGISTERED)
        with pytest.raises(AssertionError):
            told.refused("another")
        with pytest.raises(AssertionError):
            told.refused(Reason.ALREADY_REGISTERED, field="/name")
        with pytest.raises(AssertionError):
            told.then()
        with pytest.raises(AssertionError):
            _ = told.events
    with pytest.raises(AssertionError):
        Given(DECIDER, REGISTER, REGISTER)


def test_what_goes_on_leaves_what_was_as_it_was():
    before = Given(DECIDER)
    assert before.given(REGISTER).state != before.state == Given(DECIDER).state
    before.when(REGISTER).then(REGISTERED)
    assert before.events == []
    assert before.given(REGISTER).events == [REGISTERED] == Given(DECIDER, REGISTER).events


def test_no_command_is_told_of_which_nobody_looks_at_the_answer():
    """`story.when(command)` by itself would say nothing, also where it is refused, and what goes on from it would be lost."""
    lost = [
        f"{path.relative_to(TESTS)}:{node.lineno}"
        for path in TESTS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute)
        if node.value.func.attr == "when"
    ]
    assert lost == []
