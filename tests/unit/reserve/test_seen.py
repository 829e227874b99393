"""What a partner sees of what it shares with others is listed: every field of these answers, as the Reserve's people see it and it."""

from collections.abc import Set
from typing import Any, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter

from services.allocation.api.book import rounds
from services.allocation.api.partners import agreements
from services.inventory.api import differences, holds
from shared.http.seen import seen

# (the answer, what is listed, what a partner is not to see): a new field fails here until it is said which it is.
HIDDEN: list[tuple[type[BaseModel], Set[str], Set[str]]] = [
    (rounds.RoundView, rounds.SEEN_BY_PARTNER, {"decision", "proposed_by", "approvals", "reason", "supply_g", "left_g", "summed_g"}),
    (rounds.RoundView, rounds.SEEN_ONCE_CERTIFIED, {"reason", "supply_g", "left_g", "summed_g"}),
    (rounds.RoundView, rounds.SEEN_ONCE_CANCELLED, {"decision", "proposed_by", "approvals", "supply_g", "left_g", "summed_g"}),
    (agreements.AgreementView, agreements.SEEN_BY_PARTNER, {"suspended_by", "suspension_confirmed_by"}),
    (differences.DifferenceView, differences.SEEN_BY_PARTNER, {"first_by", "weighed_by"}),
    (holds.HoldView, holds.SEEN_BY_PARTNER, {"put_on_by", "confirmed_by", "reason", "authority", "lifted_reason"}),
    (holds.HoldView, holds.SEEN_OF_ITS_OWN, {"put_on_by", "confirmed_by"}),
]


@pytest.mark.parametrize(("view", "listed", "hidden"), HIDDEN)
def test_a_partner_sees_what_is_listed_and_no_other_field(view: type[BaseModel], listed: Set[str], hidden: Set[str]):
    assert listed <= view.model_fields.keys()
    whole = view.model_construct(**{name: _filled(field.annotation) for name, field in view.model_fields.items()})
    shown = seen(whole, listed)
    assert {name for name in view.model_fields if getattr(shown, name) != getattr(whole, name)} == hidden
    for name in hidden:
        TypeAdapter(view.model_fields[name].annotation).validate_python(getattr(shown, name))  # so its document allows that it is hidden


def _filled(annotation: Any) -> Any:
    return ["something"] if get_origin(annotation) is list else "something"
