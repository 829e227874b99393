"""What the auditor reads of the log's tiles, against what the ledger writes."""

from socket import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reserve.audit.live import LiveEvidence, _tile_path, _unbundled
from reserve.client import Client, GivenToken
from services.ledger.tiles import Tile, decode_bundle, encode_bundle


@given(st.integers(0, 10**10), st.integers(1, 256))
@settings(max_examples=100, deadline=None)
def test_the_path_of_a_bundle_is_the_one_that_the_ledger_serves(index: int, width: int) -> None:
    assert f"tile/entries/{_tile_path(index, width)}" == Tile("entries", index, width).path


@given(st.lists(st.binary(max_size=40), max_size=256))
@settings(max_examples=100, deadline=None)
def test_a_bundle_reads_as_the_entries_that_were_written(entries: list[bytes]) -> None:
    assert _unbundled(encode_bundle(entries)) == entries


@pytest.mark.parametrize("kept", [1, 2, 20, 33])
def test_a_bundle_that_is_cut_short_gives_no_whole_entry(kept: int) -> None:
    bundle = encode_bundle([b"x" * 32])[:kept]
    with pytest.raises(ValueError, match="cut short"):
        decode_bundle(bundle)
    assert _unbundled(bundle) != [b"x" * 32]


async def test_who_hangs_up_when_asked_for_a_proof_shows_nothing() -> None:
    """The audit that asked has found something by then: it ends with that."""
    with socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with Client(f"http://127.0.0.1:{nobody.getsockname()[1]}", GivenToken("")) as client:
            assert await LiveEvidence(client).consistency(1, 2) is None
