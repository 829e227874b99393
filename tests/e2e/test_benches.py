"""Every bench runs, and ends: what measures the system follows it as it changes. How fast it is nobody asks here."""

import asyncio
import faulthandler
import math
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import msgspec
import pytest

from bench import listening
from bench.figures import QUICK, Figure, Options, figure
from bench.run import BENCHES, ENDS_WITHIN_S, NeverEnds, measure
from bench.wrk import post_many
from reserve.operate.migrate import ROOT
from shared.engines.processes import Died
from tests.waiting import HANGS_AFTER_S


@pytest.mark.long
@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_gives_its_figures(name: str) -> None:
    command = (sys.executable, "-m", "reserve", "bench", name, "--quick")
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANGS_AFTER_S, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    figures = [msgspec.json.decode(line, type=Figure) for line in ran.stdout.splitlines()]
    assert any(figure.met is not None for figure in figures), "a bench has a target"
    assert all(math.isfinite(figure.value) and figure.value >= 0 for figure in figures)
    names = [figure.name for figure in figures]
    assert len(set(names)) == len(names)


async def test_a_bench_that_waits_for_what_never_comes_is_ended_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    async def waits(_: Options) -> AsyncIterator[Figure]:
        yield figure("the_first", 1, "s")
        await asyncio.Event().wait()

    monkeypatch.setitem(BENCHES, "waits", waits)
    measured = []
    try:
        with pytest.raises(NeverEnds, match=r"^waits has not ended within 0.1 s. It waited in .*test_benches.py:\d+ waits"):
            async for each in measure(["waits"], Options(within_s=0.1)):
                measured.append(each.name)
    finally:
        faulthandler.cancel_dump_traceback_later()  # this process goes on
    assert measured == ["the_first"]
    assert QUICK.within_s + ENDS_WITHIN_S < HANGS_AFTER_S, "what a test hears is where it waited"


async def test_a_storm_goes_on_until_something_was_answered() -> None:
    """A machine may be so slow that a quick bench's time is too short for one answer."""
    storms: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        storms.append(await reader.readuntil(b"{}"))
        if len(storms) > 1:
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            writer.close()
        else:
            await reader.read()  # until wrk has left

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        load = await post_many(f"http://127.0.0.1:{port}", ["/x"], "none", b"{}", clients=1, seconds=1, key_prefix="slow")
    assert load.answered >= 1
    assert key_of(storms[0]) == key_of(storms[1]), "the same command, under the same key"


def key_of(request: bytes) -> bytes:
    [key] = re.findall(rb"Idempotency-Key: (\S+)", request)
    return bytes(key)


async def test_a_program_whose_port_a_stranger_was_given_is_not_taken_to_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        monkeypatch.setattr(listening, "free_port", lambda: stranger.getsockname()[1])
        with pytest.raises(Died):
            async with listening.listening(listening.module("bench.bare")):
                pass
