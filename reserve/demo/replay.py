"""Replay: every process ends and comes back, and the read tables, made anew from the journals, are compared with the live ones."""

import asyncio

import msgspec

from reserve.demo.screen import Screen
from reserve.operate.deployment import Deployment
from services.registry import JOURNALED, service
from shared.process.rebuild import Compared, rebuild_and_compare


class Replayed(msgspec.Struct, frozen=True):
    """Each read table of each service, compared with its rebuilt twin."""

    tables: dict[str, list[Compared]]

    @property
    def equal(self) -> bool:
        return all(each.equal for compared in self.tables.values() for each in compared)


async def replay(deployment: Deployment, screen: Screen) -> Replayed:
    with screen.waiting("ending and starting every process"):
        restarted = await _restart_everything(deployment)
    screen.say(f"{restarted} processes ended and are back, PostgreSQL and Kafka among them.")
    with screen.waiting("reading the journals from their first event"):
        owner_url = deployment.owner_settings.database_owner_url
        replayed = Replayed({name: await rebuild_and_compare(service(name), owner_url) for name in JOURNALED})
    compared = [each for tables in replayed.tables.values() for each in tables]
    if replayed.equal:
        rows = sum(each.rows for each in compared)
        screen.say(f"{len(compared)} tables were made anew from the events alone, beside the live ones: all {rows:,} rows are equal.")
    for name, tables in replayed.tables.items():
        for each in tables:
            if not each.equal:
                screen.wrong(f"{name}.{each.table} differs: {each.differences}")
    return replayed


async def _restart_everything(deployment: Deployment) -> int:
    """How many processes ended and are ready again: the engines first, while the services wait for them, then the services."""
    supervisor = deployment.supervisor
    engines = [program.process.name for program in deployment.engines.programs]
    before = supervisor.pids
    await asyncio.gather(*(supervisor.restart(name) for name in engines))
    await asyncio.gather(*(supervisor.restart(name) for name in before if name not in engines))
    after = supervisor.pids
    assert before.keys() == after.keys() and not set(before.values()) & set(after.values()), "each process is another one now"
    return len(after)
