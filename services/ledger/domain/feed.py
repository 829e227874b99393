"""Feed: what concerns a partner, in the order of the log. Where something stands in it is its leaf."""

import re

import msgspec

from shared.journal.places import FIRST, LAST

ID_PATTERN = r"^(([2-9]|[1-9][0-9]{1,3})-)?(0|[1-9][0-9]{0,14})$"


class FeedId(msgspec.Struct, frozen=True, order=True):
    """A leaf in the log of its history: "123", and "2-123" in history 2."""

    history: int
    leaf: int

    def __str__(self) -> str:
        return str(self.leaf) if self.history == FIRST else f"{self.history}-{self.leaf}"


def parse_feed_id(text: str) -> FeedId:
    """The one id that is written so. Raises ValueError."""
    if (found := re.fullmatch(ID_PATTERN, text)) is None:
        raise ValueError("not an id of the feed, such as 123, or 2-123 of history 2")
    history = int(found[2] or FIRST)
    assert FIRST <= history <= LAST
    return FeedId(history, int(found[3]))
