# Made from _async/feed.py by generate.py: change it there.
"""The feed: everything that concerns the partner, in the order of the log, from its first event. Source: docs/feed.md."""

import time
from collections.abc import Iterator

import msgspec

from reserve_partner._sync.transport import Transport
from reserve_partner.models import Event, FeedPage
from reserve_partner.problems import NoAnswer, ProblemError
from reserve_partner.retrying import AGAIN, Patience

FEED = "/ledger/v1/feed"
STREAM = {"accept": "text/event-stream"}


class Feed:
    """Keep an event's `id` with what you made of it, in one transaction: you go on after it, and take nothing twice."""

    def __init__(self, transport: Transport, patience_s: float) -> None:
        self._transport = transport
        self._patience_s = patience_s

    def page(self, after: str | None = None, *, limit: int = 1000, wait_s: int = 0) -> FeedPage:
        """`wait_s`: at most 25, for news where there are none yet."""
        answer = self._transport.get(FEED, after=after, limit=limit, wait=wait_s)
        return msgspec.json.decode(answer.content, type=FeedPage)

    def events(self, after: str | None = None) -> Iterator[Event]:
        """All that there are now, after the event of that id. Ends with the last."""
        while True:
            page = self.page(after)
            for event in page.data:
                yield event
            if not page.more:
                return
            after = page.cursor

    def follow(self, after: str | None = None) -> Iterator[Event]:
        """All that there are, and then each as it happens, without end: by server-sent events. Where a stream ends, or breaks, it goes on
        after the last event. Raises ProblemError, NoAnswer once nothing has been heard for as long as the client is patient."""
        patience = Patience(self._patience_s)
        while True:
            asked_s = None
            try:
                for line in self._transport.lines(FEED, STREAM | ({} if after is None else {"last-event-id": after})):
                    patience = Patience(self._patience_s)  # also what says only that the stream is there
                    if line.startswith("data:"):
                        event = msgspec.json.decode(line.removeprefix("data:").encode(), type=Event)
                        after = event.id
                        yield event
                failed: Exception = NoAnswer("the stream ended")  # as it does after minutes
            except ProblemError as error:
                asked_s = error.retry_after_s
                if error.status not in AGAIN:
                    raise
                failed = error
            except NoAnswer as error:
                failed = error
            if (pause_s := patience.pause_s(asked_s)) is None:
                raise failed
            time.sleep(pause_s)
