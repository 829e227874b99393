"""Servers that exist already, and fail: one of three Kafka brokers dies, PostgreSQL is slow, connections break in mid-commit."""

import os
import signal
from collections.abc import AsyncIterator

import msgspec
import pytest

from services.registry import JOURNALED
from shared.engines.engines import engines
from shared.journal.messages import topic_of
from shared.kafka import Kafka
from tests.e2e.running import up
from tests.e2e.world import a_world
from tests.faults.ground import MORE, Ground, a_ground
from tests.faults.kafka_cluster import NODES, Cluster, a_cluster
from tests.kernel.breaking_proxy import BreakingProxy, breaking_proxy
from tests.waiting import until

SLOW_S = 0.1  # a draw asks PostgreSQL several times
CUT_EVERY = 5

pytestmark = pytest.mark.long


class Elsewhere(msgspec.Struct, frozen=True):
    ground: Ground
    cluster: Cluster
    proxy: BreakingProxy


@pytest.fixture(scope="module")
async def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Elsewhere]:
    folder = tmp_path_factory.mktemp("elsewhere")
    [postgres] = engines(folder, kafka=Kafka("a cluster")).programs
    database_url = engines(folder, kafka=Kafka("a cluster")).database_url
    try:
        await postgres.start()
        async with a_cluster(folder) as cluster, breaking_proxy(database_url) as proxy:
            servers = {"DATABASE_URL": proxy.url, **cluster.environment()}
            async with up(folder / "reserve", servers=servers) as running, a_world(running) as world:
                yield Elsewhere(await a_ground(world), cluster, proxy)
    finally:
        await postgres.stop()


async def test_any_one_broker_of_three_may_die(elsewhere: Elsewhere) -> None:
    """Each in its turn, so one that leads partitions is among them, and the controller."""
    topics = [topic_of(name) for name in JOURNALED]

    async def all_in_sync() -> bool:
        found = await elsewhere.cluster.in_sync(topics)
        return all(nodes and nodes == [list(NODES)] * len(nodes) for nodes in found.values())

    await until(all_in_sync)
    for node in elsewhere.cluster.nodes:
        async with elsewhere.ground.under_load(f"kill -9 of Kafka's broker {node.number} of 3"):
            assert node.process.pid is not None
            os.kill(node.process.pid, signal.SIGKILL)
            await node.process.wait()
        # All of it was audited without the broker; only now it comes back.
        await node.start()
        await until(all_in_sync)


async def test_with_a_slow_postgresql_draws_are_slow_and_nothing_else(elsewhere: Elsewhere) -> None:
    async with elsewhere.ground.under_load(f"PostgreSQL answers {SLOW_S * 1000:.0f} ms late") as load:
        elsewhere.proxy.delay_s = SLOW_S
        await load.goes_on(MORE)
        elsewhere.proxy.delay_s = 0.0


async def test_connections_cut_in_mid_commit_lose_and_double_nothing(elsewhere: Elsewhere) -> None:
    """Before PostgreSQL has heard of the commit, and when it is done: the client cannot tell the one from the other."""
    proxy = elsewhere.proxy
    async with elsewhere.ground.under_load("connections cut in mid-commit") as load:
        proxy.cut_every = CUT_EVERY
        while proxy.unheard < MORE or proxy.unanswered < MORE:
            await load.goes_on(1)
        proxy.cut_every = 0
