"""Who else is at work, in a third of the seeds: all others stay the runs that they are without them."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from services.allocation.domain.book import opening as book_opening
from tests.simulation import (
    clock_clients,
    creditor_clients,
    deputy_clients,
    oversight_clients,
    policy_clients,
    rights_clients,
    screening_clients,
    terms_clients,
)
from tests.simulation.client import Client
from tests.simulation.clients import Approver

REQUESTS_AN_EVENT = book_opening.REQUESTS_AN_EVENT


def are_at_work(seed: int) -> bool:
    """By a die of their own."""
    return random.Random(f"people of {seed}").random() < 1 / 3  # noqa: S311


def limit_events(at_work: bool) -> None:
    """Where they are at work, an event of an opened round has room for a single request."""
    book_opening.REQUESTS_AN_EVENT = 1 if at_work else REQUESTS_AN_EVENT


def at_work(
    client: Callable[[str], Client], products: Sequence[Any], partners: Sequence[Any], approvers: list[Approver], until_s: float
) -> list[Any]:
    deputy = Approver("deputy")
    approvers.insert(1, deputy)  # she is asked, too, whenever others are
    return [
        policy_clients.write_policy(client("author"), approvers, until_s),
        screening_clients.keep_lists(client("lists"), until_s),
        screening_clients.keep_screening(client("screening"), products, until_s),
        screening_clients.decide_hits(client("screener"), products, until_s),
        screening_clients.object_to(client("objector"), products, until_s),
        clock_clients.pause_clocks(client("clocks"), until_s),
        clock_clients.keep_ready(client("register"), products, partners, until_s),
        oversight_clients.oversee(client("overseer"), until_s),
        deputy_clients.stand_in(client("deputy"), deputy, approvers[0], until_s),
        deputy_clients.declare_interests(client("interests"), deputy, products, partners, until_s),
        terms_clients.let_run_out(client("terms"), products, until_s),
        creditor_clients.replace_overdue(client("creditor"), until_s),
        rights_clients.look_after_rights(client("rights"), products, until_s),
    ]
