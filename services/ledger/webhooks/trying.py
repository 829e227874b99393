"""Trying: tests of webhooks, and look-ups of what is registered, wait for a stranger: how many do at once.

Each holds a connection of the edge meanwhile, and the ledger's other callers need theirs. Counted in each process by itself.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from shared.http.problems import Problem

MOST_OF_ONE = 2  # partner


class Trying:
    def __init__(self) -> None:
        self._partners: Counter[str] = Counter()
        self._webhooks: set[str] = set()

    @contextmanager
    def of(self, partner: str, webhook: str | None = None) -> Iterator[None]:
        """While it is tried. `webhook`: None for one that is to be registered. Raises Problem `too_many_webhook_tests`."""
        if self._partners[partner] >= MOST_OF_ONE or webhook in self._webhooks:
            accepted = f"one test of a webhook at once, and {MOST_OF_ONE} tests and registrations of a partner"
            raise Problem("too_many_webhook_tests", "others are under way", accepted=accepted, headers={"Retry-After": "5"})
        self._partners[partner] += 1
        if webhook is not None:
            self._webhooks.add(webhook)
        try:
            yield
        finally:
            if webhook is not None:
                self._webhooks.discard(webhook)
            self._partners[partner] -= 1
            self._partners += Counter()  # forgets who has none
