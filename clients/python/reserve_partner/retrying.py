"""When a call that failed is sent again: what a good client does.

A POST is sent again under the same Idempotency-Key, so that it is done once, whatever was lost on the way.
"""

import random
import time

import httpx
import msgspec

AGAIN = (429, 502, 503, 504)
FIRST_PAUSE_S, LAST_PAUSE_S = 0.25, 8.0


class Patience:
    """Of one call: for how long it goes on, and how long it pauses."""

    def __init__(self, patience_s: float) -> None:
        self._ends = time.monotonic() + patience_s
        self._pause_s = FIRST_PAUSE_S

    def pause_s(self, asked_s: float | None = None) -> float | None:
        """Seconds until the next attempt: as many as the server asked for, or, where it did not, twice as many as before, half of them by
        chance, so that those who were cut off together do not come back together. None: that is beyond the patience."""
        pause_s = asked_s if asked_s is not None else self._pause_s * random.uniform(0.5, 1.0)  # noqa: S311
        self._pause_s = min(2 * self._pause_s, LAST_PAUSE_S)
        return pause_s if time.monotonic() + pause_s <= self._ends else None


class Grant(msgspec.Struct, frozen=True):
    """An issuer's answer (RFC 6749 5.1)."""

    access_token: str
    expires_in: float = 60.0


def retry_after_s(answer: httpx.Response) -> float | None:
    """As the Reserve writes it: whole seconds."""
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdigit() else None
