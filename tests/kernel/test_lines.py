"""Lines and messages, without a broker: what follows, what repeats, what forks, and what is no event."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.delivery import lines
from shared.delivery.lines import Fork, Line, Stopped
from shared.journal.messages import Headed, NotAnEvent, from_feed, from_message, to_feed, to_headers
from shared.journal.record import GENESIS, Record, chain_hash, event_hash, hashed_bytes


def history(length: int, *, salt: bytes = bytes(16), after: Headed | None = None) -> list[Headed]:
    """Events of one stream that follow `after`."""
    made: list[Headed] = []
    previous, position = (GENESIS, 0) if after is None else (after.record.chain_hash, after.record.position)
    for number in range(position + 1, position + length + 1):
        record = Record(
            shard=0,
            position=number,
            stream="counter/a",
            version=number,
            type="counter.added.v1",
            data=msgspec.Raw(b'{"amount":1,"counter":"a","partner":null,"type":"counter.added.v1"}'),
            partner="JP",
            partner_seq=number,
            effective_on="2026-01-06",
            recorded_at="2026-01-06T00:00:00.000000Z",
            command_id="00" * 32,
            actor="tester",
            correlation_id="0" * 32,
            causation_id="request:test",
            salt=salt,
            event_hash=b"",
            chain_hash=b"",
        )
        own = event_hash(salt, hashed_bytes(record))
        made.append(Headed(msgspec.structs.replace(record, event_hash=own, chain_hash=chain_hash(previous, own)), previous))
        previous = made[-1].record.chain_hash
    return made


def taken(events: list[Headed]) -> Line:
    line = Line("counter", 0)
    for headed in events:
        assert line.follow(headed, None)
        line.moved(headed)
    return line


def test_what_repeats_is_passed_over() -> None:
    events = history(5)
    line = taken(events)
    assert [line.follow(headed, None) for headed in events] == [False] * 5


def test_a_gap_is_no_successor() -> None:
    events = history(3)
    with pytest.raises(Stopped, match="3 came after 1"):
        taken(events[:1]).follow(events[2], None)


def test_another_hash_at_a_taken_position_is_a_fork() -> None:
    events = history(5)
    other = history(1, salt=b"another salt....", after=events[2])[0]
    for line in (taken(events), taken(events[:4])):  # older than the cursor, and at it
        with pytest.raises(Fork, match="counter/0/4 has another hash"):
            line.follow(other, None)


def test_an_event_that_does_not_follow_the_one_taken_is_a_fork() -> None:
    events = history(3)
    forked = history(2, salt=b"another salt....", after=events[1])
    with pytest.raises(Fork, match="counter/0/4 does not follow"):
        taken(events).follow(forked[1], None)


def test_the_next_event_tells_a_fork_that_is_older_than_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "REMEMBERED", 2)
    events = history(5)
    forked = history(5, salt=b"another salt....", after=events[0])
    line = taken(events)
    assert line.follow(forked[0], None) is False
    with pytest.raises(Fork):
        line.follow(forked[4], None)


def test_a_message_and_the_feed_say_the_same_as_the_record() -> None:
    events = history(3)
    for headed in events:
        headers = to_headers("counter", headed.record, headed.previous)
        assert from_message(headers, bytes(headed.record.data), source="counter", shard=0) == headed
    feed = to_feed([headed.record for headed in events], GENESIS, limit=3)
    assert from_feed(msgspec.json.encode(feed)) == events
    assert feed.next == 3 and to_feed([], GENESIS, limit=3).next is None


def test_the_trace_id_of_a_message_is_its_correlation_id() -> None:
    headed = history(1)[0]
    headers = dict(to_headers("counter", headed.record, headed.previous))
    assert headers["traceparent"] == f"00-{headed.record.correlation_id}-{headed.record.event_hash[:8].hex()}-00".encode()


HEADERS = [name for name, _ in to_headers("counter", history(1)[0].record, GENESIS)]
UNCHECKED = {"ce_specversion", "ce_source", "content-type", "traceparent"}  # say nothing that ce_id and the hash do not


@pytest.mark.parametrize("name", sorted(set(HEADERS) - UNCHECKED))
@pytest.mark.parametrize("change", [lambda content: None, lambda content: b"", lambda content: content + b"00", lambda content: b"\xff"])
def test_a_message_with_any_attribute_changed_is_no_event(name: str, change: Callable[[bytes], bytes | None]) -> None:
    headed = history(1)[0]
    headers: list[tuple[str, Any]] = [
        (each, change(content) if each == name else content) for each, content in to_headers("counter", headed.record, headed.previous)
    ]
    with pytest.raises(NotAnEvent):
        from_message(headers, bytes(headed.record.data), source="counter", shard=0)


NAMES = st.text(max_size=10) | st.sampled_from(HEADERS)


@given(st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=20)), max_size=25), st.binary(max_size=30))
def test_whatever_stands_in_a_topic_is_an_event_or_set_aside(headers: list[tuple[str, bytes | None]], value: bytes) -> None:
    with pytest.raises(NotAnEvent):
        from_message(headers, value, source="counter", shard=0)


def test_an_event_of_another_source_or_shard_is_none_of_this_partition() -> None:
    headed = history(1)[0]
    headers = to_headers("counter", headed.record, headed.previous)
    for source, shard in (("counter", 1), ("other", 0)):
        with pytest.raises(NotAnEvent):
            from_message(headers, bytes(headed.record.data), source=source, shard=shard)


@given(st.binary(max_size=60))
def test_whatever_a_source_answers_is_a_feed_or_refused(content: bytes) -> None:
    with pytest.raises(NotAnEvent):
        from_feed(content)
