"""What the auditor reads of the log's tiles, against what the ledger writes."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from threading import Thread
from typing import Any, override
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reserve.audit.evidence import Unreadable
from reserve.audit.live import LiveEvidence, _tile_path, _unbundled
from reserve.client import Client, GivenToken
from reserve.commands.audit import Asked, verify
from reserve.commands.failure import BAD_INPUT
from reserve.inflating import ANSWER_BYTES
from services.ledger.keys import open_key, seed_key
from services.ledger.tiles import Tile, decode_bundle, encode_bundle
from tests.stories.audit import RECORD


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


@contextmanager
def serving(answer: Callable[[str], Any]) -> Iterator[str]:
    """A service that answers each target that it is asked for so, with bytes as gzip: where it is."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = answer(self.path)
            self.send_response(200)
            if isinstance(said, bytes):
                self.send_header("Content-Encoding", "gzip")
            else:
                said = json.dumps(said).encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def growing() -> Iterator[tuple[str, list[int]]]:
    """A service whose journals grow with each answer: where it answers, and how many events a shard has, in pages of three."""
    events = [4]

    def answer(target: str) -> dict[str, Any]:
        asked = urlsplit(target)
        said = _heads() if asked.path.endswith("/heads") else _page(int(parse_qs(asked.query)["after"][0]))
        events[0] += 1
        return said

    def _heads() -> dict[str, Any]:
        return {"0": {"position": events[0]}, "1": {"position": events[0]}}

    def _page(after: int) -> dict[str, Any]:
        upto = min(after + 3, events[0])
        records = [replace(RECORD, position=position) for position in range(after + 1, upto + 1)]
        return {"records": msgspec.to_builtins(records), "next": upto if upto < events[0] else None}

    with serving(answer) as url:
        yield url, events


async def test_a_journal_ends_where_it_ended_when_that_was_asked_for() -> None:
    """Otherwise one shard would be read to a later end than another, and hold what something caused there that is not read."""
    with growing() as (url, events):
        async with Client(url, GivenToken("")) as client:
            evidence = LiveEvidence(client)
            heads = await evidence.heads("loans")
            assert heads == {0: 4, 1: 4}
            read = {shard: [each.position async for page in evidence.journal("loans", shard) for each in page] for shard in heads}
            assert read == {0: [1, 2, 3, 4], 1: [1, 2, 3, 4]} and events[0] > 5
            unasked = [each.position async for page in LiveEvidence(client).journal("loans", 0) for each in page]
            assert len(unasked) > 5, "without being asked, to the last that there is"


async def test_pages_that_do_not_go_on_are_not_read_for_ever() -> None:
    again = msgspec.to_builtins([replace(RECORD, position=1)])
    with serving(lambda _: {"records": again, "next": 1}) as url:
        async with Client(url, GivenToken("")) as client:
            with pytest.raises(Unreadable, match="loans, shard 0, does not go on after 1"):
                [page async for page in LiveEvidence(client).journal("loans", 0)]
    line = {"side": "a", "asset": "b", "account": "c", "posted": 0, "pending": 0}
    for page in ({"data": [], "next": "cursor"}, {"data": [line], "next": "cursor"}):  # nothing, or the same again
        with serving(lambda _, page=page: page) as url:
            async with Client(url, GivenToken("")) as client:
                with pytest.raises(Unreadable, match="/balances of ledger does not go on"):
                    await LiveEvidence(client).balances()


def test_an_answer_that_inflates_without_end_ends_the_audit_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed_key(tmp_path)
    key, _ = open_key(tmp_path)
    (token := tmp_path / "token").write_text("t")
    bomb = gzip.compress(bytes(ANSWER_BYTES + 1))
    with serving(lambda _: bomb) as url, pytest.raises(typer.Exit) as ended:
        verify(Asked(folder=tmp_path, url=url, keys=[str(key)], token_file=token))
    assert ended.value.exit_code == BAD_INPUT
    [said] = capsys.readouterr().err.splitlines()
    assert "the audit could not be finished: the answer is larger than" in said
