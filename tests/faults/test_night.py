"""At three in the morning: no issuer answers, and two people bring goods to dispatch. What they need was issued, or is their own file."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reserve.client import Client, GivenToken, ProblemAnswer
from shared.delivery.tokens import TokenUnavailable
from shared.terms.approval import private_key_pem
from tests.e2e.world import DISPATCH, UNIT_G, World
from tests.faults.second import second_of, suspended
from tests.waiting import HANGS_AFTER_S, until

ON_CALL = ("operator-1", "approver-1", "approver-2")
# `reserve`, on a machine that has no network
OFFLINE = """
import runpy, socket, sys
def refuse(*_): raise OSError("there is no network")
socket.socket.connect = socket.socket.connect_ex = refuse
sys.argv[0] = "reserve"
runpy.run_module("reserve", run_name="__main__")
"""


async def reserve(*arguments: str, offline: bool = False) -> str:
    """What the command prints."""
    started = ("-c", OFFLINE) if offline else ("-m", "reserve")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *started, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    return out.decode()


class Night(msgspec.Struct, frozen=True):
    """Who is on call, each with a token of their shift and a key file, while no issuer answers."""

    world: World
    folder: Path
    on_call: dict[str, Client]
    tokens: dict[str, str]
    subjects: dict[str, str]
    instruments: dict[str, str]

    async def does(self, who: str, path: str, body: Any = None) -> Any:
        return (await self.world.post(self.on_call[who], path, body)).body

    async def signed(self, who: str, paper: bytes, *more: str) -> Any:
        """As `reserve approve` writes it without a network."""
        file = self.folder / "paper.json"
        file.write_bytes(paper)
        (key := self.folder / f"{who}.pem").write_bytes(private_key_pem(self.world.keys[who]))
        key.chmod(0o600)
        out = self.folder / f"{who}.approval.json"
        log_key = (self.world.running.folder / "keys" / "ledger.vkey").read_text().strip()
        owner = ("--key", str(key), "--approver", self.subjects[who], "--authority", self.instruments[who], "--log-key", log_key)
        await reserve("approve", str(file), *owner, *more, "--out", str(out), offline=True)
        return msgspec.json.decode(out.read_bytes())


@asynccontextmanager
async def a_night(world: World, folder: Path) -> AsyncIterator[Night]:
    """Tokens were issued before it; then identity is killed, and nobody starts it again until it is over."""
    data = ("--data", str(world.running.folder))
    tokens = {who: (await reserve("token", "--client", who, "--duty", "on_call", *data)).strip() for who in ON_CALL}
    subjects = {who: await world.subject(who) for who in ON_CALL}
    # The instrument that each acts under, which they know beforehand as well.
    instruments = {who: (await world.approval("0" * 64, who))["authority"] for who in ON_CALL[1:]}
    async with AsyncExitStack() as stack:
        clients = {
            who: await stack.enter_async_context(Client(world.running.endpoints.base_url, GivenToken(token), patience_s=HANGS_AFTER_S))
            for who, token in tokens.items()
        }
        stack.enter_context(suspended(world.running.pid))
        os.kill(world.running.endpoints.pids["identity"], signal.SIGKILL)
        await until(lambda: no_issuer_answers(world))
        yield Night(world, folder, clients, tokens, subjects, instruments)


async def no_issuer_answers(world: World) -> bool:
    async with Client.of(world.running.endpoints, "operator-1") as newcomer:
        try:
            await newcomer.token()
        except TokenUnavailable:
            return True
    return False


async def an_emergency(world: World) -> str:
    """A request that was accepted the evening before, of a product whose policy has an emergency path."""
    product = await world.registered_product()
    await world.taken_in(product, 2)
    await world.agreed_with("JP", product)
    request = await world.requested("JP", product, 2 * UNIT_G)
    await world.accepted(request, 2 * UNIT_G)
    terms = {"ratify_within_hours": 24, "max_g": 100 * UNIT_G}
    return await world.opened(product, [request], policy=await world.policy(release_days=90, emergency=terms), emergency=True)


async def test_two_people_reach_dispatch_without_an_issuer_and_a_third_ratifies(shaken: World, tmp_path: Path) -> None:
    world = shaken
    round = await an_emergency(world)
    rounds = f"/allocation/v1/rounds/{round}"
    async with a_night(world, tmp_path) as night:
        await night.does("operator-1", f"{rounds}/propose", {"supply_g": 2 * UNIT_G})
        decision = (await night.on_call["approver-1"].request("GET", f"{rounds}/decision")).content
        await night.does("approver-1", f"{rounds}/approvals", await night.signed("approver-1", decision))
        certified = await world.post(night.on_call["operator-1"], f"{rounds}/certify")
        releases = await world.rows(night.on_call["operator-1"], "/inventory/v1/releases", at_least=certified.position)
        [release] = [row["release"] for row in releases if row["round"] == round]
        draw = (await night.does("operator-1", f"/inventory/v1/releases/{release}/draws", {"mass_g": 2 * UNIT_G}))["draw"]
        await night.does("operator-1", f"/inventory/v1/draws/{draw}/weighing", {"weighed_g": 2 * UNIT_G})

        async def dispatched() -> bool:
            """Once inventory knows of a checkpoint that covers the draw."""
            try:
                return bool(await night.does("operator-1", f"/inventory/v1/draws/{draw}/dispatch", DISPATCH))
            except ProblemAnswer as problem:
                assert problem.code == "receipt_missing"
                return False

        await until(dispatched)
        own = await night.signed("approver-1", decision, "--purpose", "ratification")
        with pytest.raises(ProblemAnswer, match="ratification_by_decider"):
            await night.does("approver-1", f"{rounds}/ratification", own)
        third = await night.signed("approver-2", decision, "--purpose", "ratification")
        assert (await night.does("approver-2", f"{rounds}/ratification", third))["late"] is False

        with pytest.raises(ProblemAnswer, match="ordinary session"):  # what can wait, waits
            await night.does("operator-1", f"/inventory/v1/draws/{draw}/correct", {"carrier": "Toll", "reason": "misspelt"})
        async with (
            second_of(world, "inventory", tmp_path) as second,  # a process that is started meanwhile goes on as well
            Client(second.url, GivenToken(night.tokens["operator-1"])) as at,
        ):
            assert (await at.get(f"/v1/draws/{draw}"))["status"] == "dispatched"
