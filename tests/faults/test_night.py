"""At three in the morning: no issuer answers, and two people bring goods to dispatch. What they need was issued, or is their own file.

The commands are those of docs/oncall.md, run as they stand there.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reserve.client import Client, GivenToken, ProblemAnswer
from reserve.operate.migrate import ROOT
from shared.delivery.tokens import TokenUnavailable
from shared.terms.approval import private_key_pem
from tests.e2e.world import DISPATCH, UNIT_G, World
from tests.faults.second import second_of, suspended
from tests.waiting import HANGS_AFTER_S, until

ON_CALL = ("operator-1", "operator-2", "approver-1", "approver-2")
GUIDE = (ROOT / "docs" / "oncall.md").read_text().partition("## At three in the morning")[2].partition("\n## ")[0]
BEFORE, SIGNING, CERTIFYING = re.findall(r"```\n(.*?)```", GUIDE, flags=re.DOTALL)
FUNCTIONS = "".join(re.findall(r"^\w+\(\) \{.*\n", BEFORE, flags=re.MULTILINE))
# `reserve`; what signs runs as on a machine that has no network
OFFLINE = """
import runpy, socket, sys
def refuse(*_): raise OSError("there is no network")
socket.socket.connect = socket.socket.connect_ex = refuse
sys.argv[0] = "reserve"
runpy.run_module("reserve", run_name="__main__")
"""
RESERVE = 'reserve() { if [ "$1" = approve ]; then "$PYTHON" -c "$OFFLINE" "$@"; else "$PYTHON" -m reserve "$@"; fi; }\n'


async def shell(folder: Path, script: str, **said: str) -> str:
    """What it prints, run in that folder. `said`: what stands in the place of a word in capitals, or of a variable."""
    environment = {"PYTHON": sys.executable, "OFFLINE": OFFLINE, "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]} | said
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euc", RESERVE + script), cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await process.communicate()
    assert process.returncode == 0, f"{script}\n{out.decode()}{error.decode()}"
    return out.decode()


class Night(msgspec.Struct, frozen=True):
    """Who is on call, each with a token of their shift, in a folder of their own, while no issuer answers."""

    world: World
    folder: Path
    on_call: dict[str, Client]
    subjects: dict[str, str]
    instruments: dict[str, str]

    async def does(self, who: str, path: str, body: Any = None) -> Any:
        return (await self.world.post(self.on_call[who], path, body)).body

    async def signs(self, who: str, round: str) -> None:
        """The round's decision, by the commands of the guide."""
        said = await self._by_the_guide(who, SIGNING.replace("INSTRUMENT", self.instruments[who]), round)
        assert said["round"] == round, said

    async def certifies(self, who: str, round: str) -> None:
        said = await self._by_the_guide(who, CERTIFYING, round)
        assert said["status"] == "certified", said

    async def _by_the_guide(self, who: str, script: str, round: str) -> Any:
        """What the last of the commands answers."""
        script = script.replace("ROUND", round).replace("SUBJECT", self.subjects[who])
        script = script.replace("VERIFIER-KEY", f"'{(self.world.running.folder / 'keys' / 'ledger.vkey').read_text().strip()}'")
        said = await shell(self.folder / who, FUNCTIONS + script, base=self.world.running.endpoints.base_url)
        return msgspec.json.decode(said.strip().splitlines()[-1])

    async def release(self, who: str, round: str) -> str | None:
        """Once inventory has heard of the round."""
        releases = await self.world.rows(self.on_call[who], "/inventory/v1/releases")
        return next((row["release"] for row in releases if row["round"] == round), None)

    async def ratification(self, who: str) -> Any:
        """Of the decision that is in their folder."""
        command = next(line for line in SIGNING.splitlines() if line.startswith("reserve approve"))
        command = command.replace("SUBJECT", self.subjects[who]).replace("INSTRUMENT", self.instruments[who])
        command = command.replace("VERIFIER-KEY", f"'{(self.world.running.folder / 'keys' / 'ledger.vkey').read_text().strip()}'")
        await shell(self.folder / who, f"{command} --purpose ratification")
        return msgspec.json.decode((self.folder / who / "approval.json").read_bytes())


@asynccontextmanager
async def a_night(world: World, folder: Path) -> AsyncIterator[Night]:
    """Tokens were issued before it; then identity is killed, and nobody starts it again until it is over."""
    await until(lambda: an_issuer_answers(world))  # again, after the night before
    tokens = {}
    for who in ON_CALL:
        (own := folder / who).mkdir()
        before = BEFORE.replace("operator-1", who).replace(".reserve", str(world.running.folder))
        await shell(own, before, base="")
        tokens[who] = (own / "on_call.token").read_text().strip()
        assert (own / "on_call.token").stat().st_mode & 0o077 == 0
        key = world.keys[who] if who in world.keys else await world.operators_key() if who == "operator-1" else None
        if key is not None:
            (file := own / ("approver.pem" if who in world.keys else "operator.pem")).write_bytes(private_key_pem(key))
            file.chmod(0o600)
    subjects = {who: await world.subject(who) for who in ON_CALL}
    instruments = {who: (await world.approval("0" * 64, who))["authority"] for who in ON_CALL if who in world.keys}
    async with AsyncExitStack() as stack:
        clients = {
            who: await stack.enter_async_context(Client(world.running.endpoints.base_url, GivenToken(token), patience_s=HANGS_AFTER_S))
            for who, token in tokens.items()
        }
        stack.enter_context(suspended(world.running.pid))
        os.kill(world.running.endpoints.pids["identity"], signal.SIGKILL)
        await until(lambda: no_issuer_answers(world))
        yield Night(world, folder, clients, subjects, instruments)


async def an_issuer_answers(world: World) -> bool:
    return not await no_issuer_answers(world)


async def no_issuer_answers(world: World) -> bool:
    async with Client.of(world.running.endpoints, "operator-1") as newcomer:
        try:
            await newcomer.token()
        except TokenUnavailable:
            return True
    return False


async def an_emergency(world: World) -> str:
    """A round of a request that was accepted the evening before, under a policy that has an emergency path."""
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
        await night.signs("approver-1", round)
        await night.certifies("operator-1", round)
        release = await until(lambda: night.release("operator-1", round))
        draw = (await night.does("operator-1", f"/inventory/v1/releases/{release}/draws", {"mass_g": 2 * UNIT_G}))["draw"]
        await night.does("operator-1", f"/inventory/v1/draws/{draw}/weighing", {"weighed_g": 2 * UNIT_G})
        with pytest.raises(ProblemAnswer, match=r"receipt_missing|dispatched_by_weigher"):
            await night.does("operator-1", f"/inventory/v1/draws/{draw}/dispatch", DISPATCH)
        await night.does("approver-1", f"/inventory/v1/draws/{draw}/weighing", {"weighed_g": 2 * UNIT_G})

        async def dispatched() -> bool:
            """Once inventory knows of a checkpoint that covers the draw."""
            try:
                return bool(await night.does("operator-1", f"/inventory/v1/draws/{draw}/dispatch", DISPATCH))
            except ProblemAnswer as problem:
                assert problem.code == "receipt_missing"
                return False

        await until(dispatched)
        with pytest.raises(ProblemAnswer, match="ratification_by_decider"):
            await night.does("approver-1", f"{rounds}/ratification", await night.ratification("approver-1"))
        (tmp_path / "approver-2" / "decision.json").write_bytes((tmp_path / "approver-1" / "decision.json").read_bytes())
        third = await night.ratification("approver-2")
        assert (await night.does("approver-2", f"{rounds}/ratification", third))["late"] is False

        with pytest.raises(ProblemAnswer, match="ordinary session"):  # what can wait, waits
            await night.does("operator-1", f"/inventory/v1/draws/{draw}/correct", {"carrier": "Toll", "reason": "misspelt"})
        async with (
            second_of(world, "inventory", tmp_path) as second,  # a process that is started meanwhile goes on as well
            Client(second.url, GivenToken((tmp_path / "operator-1" / "on_call.token").read_text().strip())) as at,
        ):
            assert (await at.get(f"/v1/draws/{draw}"))["status"] == "dispatched"


async def test_underweight_goods_leave_without_an_issuer(shaken: World, tmp_path: Path) -> None:
    world = shaken
    _, _, release = await world.stocked_release("JP", 2)
    draw = (await world.drawn("JP", release, 2 * UNIT_G))["draw"]
    await world.receipt(world.partner("JP"), (await world.operator.get(f"/inventory/v1/draws/{draw}"))["place"])
    light = {"weighed_g": 2 * UNIT_G - 100_000}
    async with a_night(world, tmp_path) as night:
        waits = await night.does("operator-1", f"/inventory/v1/draws/{draw}/weighing", light)
        assert waits["act"] == "accept_weight"
        [command] = re.findall(r"`(post /inventory/v1/draws/DRAW/second-weighing '[^`]+')`", GUIDE)
        command = command.replace("DRAW", draw).replace("9900000", str(light["weighed_g"]))
        said = await shell(tmp_path / "operator-2", FUNCTIONS + command, base=world.running.endpoints.base_url)
        assert msgspec.json.decode(said)["missing_g"] == 100_000, said

        async def dispatched() -> Any:
            try:
                return await night.does("operator-1", f"/inventory/v1/draws/{draw}/dispatch", DISPATCH)
            except ProblemAnswer as problem:
                assert problem.code == "receipt_missing"
                return None

        assert (await until(dispatched))["weighed_g"] == light["weighed_g"]
    await world.countersigned(f"draws/{draw}/difference/settle", {"cause": "measurement"})
