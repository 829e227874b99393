"""Witnesses: what they cost, and how soon they vouch. Two deployments beside each other, one with three witnesses of which one is dead."""

import contextlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from bench.figures import Figure, Options, figure, percentile_ms
from bench.hot_stock import release_stock
from bench.receipts import drain
from bench.served import Draws
from bench.wrk import find_wrk
from reserve.demo.parties import Parties
from reserve.operate.deployment import Deployment
from reserve.operate.serving import serving
from reserve.witness.keys import make_keys
from shared.engines.engines import remembered_ports
from shared.engines.private_files import private_folder

NAMES = ("one", "two", "dead")
TURNS = 10
STORM_S = 3.0
RECEIPTS, RECEIPTS_A_SECOND = 600, 20
T_95 = 2.26  # Student's, two-sided, of ten turns


async def witnessed(options: Options) -> AsyncGenerator[Figure]:
    """Raises what `served` raises."""
    find_wrk()
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        policy = _name_witnesses(folder / "witnessed", folder / "witnesses")
        async with _deployed(folder / "plain", options) as plain, _deployed(folder / "witnessed", options) as watched:
            with _witnesses(folder / "witnesses", watched.deployment.verifier_key, policy):
                took_s = await watched.receipts(RECEIPTS, RECEIPTS_A_SECOND, "witnessed")
                yield figure("draw_to_witnessed_receipt_p50", percentile_ms(took_s, 0.5), "ms")
                yield figure("draw_to_witnessed_receipt_p99", percentile_ms(took_s, 0.99), "ms", at_most=3000)
                ratios = [await _turn(plain, watched, options, number) for number in range(options.some(TURNS))]
                mean = statistics.fmean(ratios)
                yield figure("draws_with_witnesses_to_without", mean, "1", at_least=0.97)
                if len(ratios) > 1:
                    around = T_95 * statistics.stdev(ratios) / len(ratios) ** 0.5
                    yield figure("draws_with_witnesses_to_without_95_percent_interval", around, "+-1")
            for each in (plain, watched):
                await each.check()


async def _turn(plain: Draws, watched: Draws, options: Options, number: int) -> float:
    """One storm each, the first of them by turns."""
    per_second = {}
    for each in (plain, watched) if number % 2 else (watched, plain):
        load = await each.storm(f"turn-{number}", seconds=min(STORM_S, options.seconds))
        await drain(each.parties.auditor)
        per_second[each is watched] = load.per_second
    return per_second[True] / per_second[False]


@asynccontextmanager
async def _deployed(folder: Path, options: Options) -> AsyncIterator[Draws]:
    deployment = Deployment(private_folder(folder))
    async with serving(deployment) as endpoints, Parties(endpoints) as parties:
        [release] = await release_stock(parties, folder, deployment.verifier_key, ["bench-oxide"])
        yield Draws(deployment, parties, endpoints, [f"/v1/releases/{release}/draws"], options)


def _name_witnesses(data: Path, folder: Path) -> dict[str, int]:
    """In the policy of the deployment to come; gives their ports."""
    ports = remembered_ports(private_folder(folder), list(NAMES))
    lines = [f"witness {name} {make_keys(folder / name, f'witness.example/{name}')[0]} http://127.0.0.1:{ports[name]}" for name in NAMES]
    (private_folder(data / "keys") / "witnesses.policy").write_text("\n".join([*lines, f"group g 2 {' '.join(NAMES)}", "quorum g", ""]))
    return ports


@contextmanager
def _witnesses(folder: Path, log: str, ports: dict[str, int]) -> Iterator[None]:
    """All but the dead one."""
    command = (sys.executable, "-m", "reserve", "witness", "serve")
    with contextlib.ExitStack() as stack:
        for name in NAMES[:-1]:
            process = subprocess.Popen([*command, str(folder / name), "--log", log, "--port", str(ports[name])])
            stack.callback(process.wait)
            stack.callback(process.terminate)
        yield
