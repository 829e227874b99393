"""Whose things a caller of inventory may see, and whose it may draw."""

import pytest

from services.inventory.api.fields import draws_for, limited_to
from shared.http.auth import Caller
from shared.http.problems import Problem


def caller(*roles: str, partner: str | None = None) -> Caller:
    return Caller(subject="sub_1", client_id="console", partner=partner, roles=frozenset(roles), scopes=frozenset())


def test_a_partner_sees_and_draws_its_own():
    assert limited_to(caller("partner", partner="JP")) == draws_for(caller("partner", partner="JP")) == "JP"


def test_an_operator_sees_and_draws_for_all():
    assert limited_to(caller("operator")) is draws_for(caller("operator")) is None


def test_a_partners_claim_limits_whatever_its_roles():
    both = caller("partner", "auditor", "operator", partner="JP")
    assert limited_to(both) == draws_for(both) == "JP"


@pytest.mark.parametrize("roles", [("partner",), ("partner", "approver")])
def test_who_is_no_partners_draws_nothing(roles: tuple[str, ...]):
    with pytest.raises(Problem, match="names no partner"):
        draws_for(caller(*roles))
