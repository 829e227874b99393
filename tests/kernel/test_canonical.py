"""The hashed bytes are RFC 8785's, for everything that an event may hold."""

import msgspec
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from shared.journal.record import MAX_INTEGER, Record, canonical, hashed_bytes

# Any text but half surrogates, which are no Unicode text. Names of members are ASCII: they are the fields of structs, and ids.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAMES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


@given(VALUES)
def test_canonical_json_is_rfc_8785(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(data=st.dictionaries(NAMES, VALUES, max_size=5), texts=st.lists(TEXTS, min_size=9, max_size=9), number=st.integers(1, MAX_INTEGER))
def test_hashed_bytes_are_rfc_8785_of_all_columns_but_salt_and_hashes(data: dict[str, object], texts: list[str], number: int) -> None:
    stream, kind, partner, effective_on, recorded_at, command_id, actor, correlation_id, causation_id = texts
    columns = {
        "shard": 3,
        "position": number,
        "stream": stream,
        "version": number,
        "type": kind,
        "partner": partner or None,
        "partner_seq": number if partner else None,
        "effective_on": effective_on,
        "recorded_at": recorded_at,
        "command_id": command_id,
        "actor": actor,
        "correlation_id": correlation_id,
        "causation_id": causation_id,
    }
    record = Record(**columns, data=msgspec.Raw(canonical(data)), salt=b"", event_hash=b"", chain_hash=b"")
    assert hashed_bytes(record) == rfc8785.dumps(columns | {"data": data})
