"""The world of one run: the real kernel of four services on simulated engines, clients at work, and what goes wrong around them."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from services.allocation.main import SERVICE as ALLOCATION
from services.inventory.main import SERVICE as INVENTORY
from services.inventory.projections.dispatch import Pinned
from services.inventory.reactions import check_checkpoint
from services.ledger.main import SERVICE as LEDGER
from services.loans.main import SERVICE as LOANS
from shared.clock import day_of
from shared.delivery import inbox, lines, relay
from shared.delivery.broker import Message
from shared.delivery.inbox import IDLE_SECONDS, Inbox, Subscription
from shared.delivery.relay import Relay
from shared.delivery.sources import Unanswered
from shared.delivery.timers import Timers
from shared.journal.decider import Decider
from shared.journal.messages import to_feed, to_headers, topic_of
from shared.journal.protocol import Unreachable
from shared.journal.record import GENESIS, Record, chain_hash, event_hash, hashed_bytes
from shared.process.service import Service
from shared.writer import shard as writer_shard
from shared.writer import writer
from shared.writer.commands import Unavailable
from shared.writer.writer import Writer
from tests.simulation import authority_clients, clients, emergency_clients, loan_clients, material_clients, people, tender_clients
from tests.simulation.auditor import Evidence
from tests.simulation.chance import CALM, Chance, Fault, draw_rates
from tests.simulation.client import Client, Operation
from tests.simulation.log_keeper import LOG_KEY, LogKeeper
from tests.simulation.process import Process, adopting
from tests.simulation.sim_broker import SimBroker, Topics
from tests.simulation.sim_journal import SimJournal, Store
from tests.simulation.tables import AllocationTables, InventoryTables, LedgerTables, LoanTables

SERVICES = (INVENTORY, ALLOCATION, LOANS, LEDGER)
CODECS = {service.name: service.codec for service in SERVICES}
EPOCH = datetime(2026, 1, 6, tzinfo=UTC)
ZONE = ZoneInfo("Australia/Sydney")
WORK_SECONDS = 30.0  # how long clients work and faults go on
SETTLE_SECONDS = 90.0  # how long it may take, after that, until all is quiet


class Kernel(msgspec.Struct, frozen=True, kw_only=True):
    """What a process is built of. `broken` replaces one of these. `lost_lots`: of the clients' attempts, those for a depot that a table's
    constraint refuses. `rates`: of `Rates`, those that are so in each run, whatever its seed draws; `copies`: processes of each service,
    at least. A fault that shows only where much goes wrong of one kind is found in a few seeds where that is so in all of them."""

    journal: Callable[..., Any] = SimJournal
    writer: Callable[..., Any] = Writer
    relay: Callable[..., Any] = Relay
    inbox: Callable[..., Any] = Inbox
    timers: Callable[..., Any] = Timers
    deciders: Callable[[Sequence[Decider]], Sequence[Decider]] = tuple
    lost_lots: float = 0.15
    rates: Mapping[str, float] = {}
    copies: int = 1


SOUND = Kernel()


class Running(Process):
    """A process of a service, with its parts."""

    def __init__(self, world: "World", service: Service, name: str) -> None:
        super().__init__(name, world.chance)
        self.world = world
        self.service = service
        self.skew = timedelta()
        self.ready = False
        self.parts: dict[str, asyncio.Task[Any]] = {}
        self.stopping: asyncio.Task[Any] | None = None
        dice, kernel = world.chance.random, world.kernel
        self.journal = kernel.journal(world.stores[service.name], CODECS[service.name], self)
        self.broker = SimBroker(world.topics, self)
        self.writer = kernel.writer(
            self.journal,
            kernel.deciders(service.deciders),
            self,
            epoch=service.epoch,
            queue_limit=dice.choice((4, 4096)),
            batch_limit=dice.choice((1, 3, 512)),
            salts=world.chance.bytes,
        )
        self.relay = kernel.relay(self.journal, self.broker)
        self.inbox = kernel.inbox(self.journal, self.broker, self.writer, SimSources(world, self), world.subscriptions[service.name])
        self.timers = kernel.timers(self.journal, self.writer, self, ZONE)

    def now(self) -> datetime:
        """This process's clock."""
        return self.world.now() + self.skew

    def today(self) -> date:
        return day_of(self.now(), ZONE)

    async def live(self) -> None:
        """Starts, and serves until it dies or a part of it breaks."""
        try:
            await self.writer.start()
        except (Unreachable, Unavailable) as error:
            self.note(f"cannot start: {error}")
            return
        parts = {
            "relay": self.relay.run(),
            "inbox": self.inbox.run(),
            "timers": self.timers.run(),
        }
        if self.service.name == "ledger":
            parts["log"] = LogKeeper(self.journal, self.writer, self.today).run()
        self.parts = tasks = {name: self.spawn(part, name) for name, part in parts.items()}
        self.ready = True
        self.note("serves")
        await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        if self.stopping is not None:
            await asyncio.wait([self.stopping])
        for name, task in tasks.items():
            if task.done() and not task.cancelled() and self.alive:
                self.world.fault(f"the {name} of {self.name} broke: {task.exception()!r}")

    def stop(self) -> None:
        """In good order, as the service does when it is told to."""
        if self.ready and self.stopping is None:
            self.fault(Fault.STOPPED)
            self.ready = False
            self.stopping = self.spawn(self._stop(), "stop")

    async def _stop(self) -> None:
        for task in self.parts.values():
            task.cancel()
        await asyncio.gather(*self.parts.values(), return_exceptions=True)
        await self.writer.stop()
        self.note("has stopped")


class SimSources:
    """Other services, asked over a network that may not answer."""

    def __init__(self, world: "World", process: Process) -> None:
        self.world = world
        self.process = process
        self.chance = world.chance

    async def head(self, service: str, shard: int, *, at: int) -> tuple[int, bytes | None]:
        store = await self._ask(service, f"head of {service}/{shard} at {at}")
        return store.shards[shard].head().position, store.chain_at(shard, at)

    async def feed(self, service: str, shard: int, *, after: int, limit: int) -> bytes:
        store = await self._ask(service, f"feed of {service}/{shard} after {after}")
        return msgspec.json.encode(to_feed(store.shards[shard].after(after, limit), store.chain_at(shard, after) or b"", limit))

    async def document(self, service: str, name: str) -> bytes | None:
        found = (await self._ask(service, f"document of {service}")).documents.get(name)
        return found.content if found is not None else None

    async def _ask(self, service: str, what: str) -> Store:
        await self.process.out(what)
        if not self.world.serving(service) or self.chance.happens(self.chance.rates.source_silent):
            self.process.fault(Fault.SOURCE_SILENT, what)
            raise Unanswered(f"{service} does not answer")
        return self.world.stores[service]


class World:
    def __init__(self, seed: int, kernel: Kernel = SOUND) -> None:
        self.seed = seed
        self.kernel = kernel
        self.people = people.are_at_work(seed)
        people.limit_events(self.people)
        self.loop = asyncio.get_running_loop()
        self.chance = Chance(seed)
        dice = self.chance.random
        self.faults: list[str] = []
        self.operations: list[Operation] = []
        self.order: list[tuple[str, int, int]] = []
        self.processes: dict[str, Running] = {}
        self.working = True
        self.passed = timedelta()  # days that the nemesis has let pass
        tables = {"inventory": InventoryTables(), "allocation": AllocationTables(), "loans": LoanTables(), "ledger": LedgerTables()}
        takes: dict[str, dict[str, Any]] = {
            "inventory": {"ledger": InventoryTables.take_checkpoints},
            "allocation": {"inventory": AllocationTables.take_stock},
            "loans": {},
            "ledger": dict.fromkeys(("inventory", "allocation", "loans"), LedgerTables.take),
        }
        self.services = {service.name: service for service in SERVICES}
        self.stores: dict[str, Store] = {}
        for name, own in tables.items():
            shards = 1 if name == "ledger" else dice.choice((1, 1, 2) if name == "loans" else (1, 2, 3))
            project: Any = type(own).project
            self.stores[name] = Store(name, shards, tables=own, project=project, takes=takes[name])
            self.stores[name].committed = self._committed
        self.stores["inventory"].refuses = tables["inventory"].refuses
        self.topics = Topics({topic_of(name): len(store.shards) for name, store in self.stores.items()})
        self.subscriptions = {name: _subscriptions(service) for name, service in self.services.items()}

    # Time

    def now(self) -> datetime:
        return EPOCH + self.passed + timedelta(seconds=self.loop.time())

    def today(self) -> date:
        return day_of(self.now(), ZONE)

    # What the run notes

    def fault(self, what: str) -> None:
        self.chance.note("FAULT", what)
        self.faults.append(what)

    def _committed(self, service: str, records: Sequence[Record]) -> None:
        self.order += [(service, record.shard, record.position) for record in records]

    def serving(self, service: str) -> list[Running]:
        return [process for process in self.processes.values() if process.service.name == service and process.alive and process.ready]

    # The run

    async def run(self) -> Evidence:
        """What is left behind; `faults` says what went wrong meanwhile."""
        loop = self.loop
        loop.set_task_factory(adopting)  # type: ignore[arg-type]
        dice = self.chance.random
        keepers = [
            loop.create_task(self._keep(service, f"{name}-{number}"), name=f"keeper {name}-{number}")
            for name, service in self.services.items()
            for number in range(max(self.kernel.copies, dice.choice((1, 1, 2))))
        ]
        self.chance.rates = msgspec.structs.replace(draw_rates(dice), **self.kernel.rates)
        self.chance.note("world", f"{self.chance.rates} {_draw_limits(dice)}")
        nemesis = [loop.create_task(work, name=f"nemesis {number}") for number, work in enumerate(self._nemesis())]
        at_work = [loop.create_task(work, name=f"client {number}") for number, work in enumerate(self._clients(dice))]
        _done, late = await asyncio.wait(at_work, timeout=WORK_SECONDS * 4)
        for task in [*nemesis, *late]:
            task.cancel()
        for task in at_work:
            if task.done() and not task.cancelled() and task.exception() is not None:
                self.fault(f"{task.get_name()} broke: {task.exception()!r}")
        self._calm()
        await self._settle()
        left_behind = self.evidence()
        await self._look_inside()
        if not self.faults:
            await self._fork()
        for task in keepers:
            task.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        return left_behind

    async def _keep(self, service: Service, name: str) -> None:
        """Starts a process again whenever it has died."""
        try:
            while True:
                process = self.processes[name] = Running(self, service, name)
                await asyncio.wait([process.spawn(process.live(), "live")])
                process.die()
                await process.ended()
                await asyncio.sleep(self.chance.random.choice((0.05, 0.5, 3.0)))
        finally:
            self.processes[name].die()

    def _clients(self, dice: random.Random) -> list[Any]:
        products = ["antimony", "gallium"][: dice.randrange(1, 3)]
        partners = ["AU", "JP", "KR"][: dice.randrange(1, 4)]
        approvers = [clients.Approver("approver1"), clients.Approver("approver2")]

        def client(name: str) -> Client:
            return Client(self, name)

        work: list[Any] = [clients.stock_up(client(f"depot-{product}"), product) for product in products]
        work += [clients.sign_terms(client(f"desk-{partner}"), partner, products) for partner in partners]
        work += [clients.enrol(client(f"enrol-{approver.subject}"), approver) for approver in approvers]
        ratifier = clients.Approver("ratifier")
        work.append(authority_clients.empower(client("administrator"), [*approvers, ratifier]))
        work.append(emergency_clients.ratify(client("ratifier"), products, ratifier, WORK_SECONDS))
        work += [clients.run_rounds(client(f"rounds-{product}"), product, approvers, WORK_SECONDS) for product in products]
        work += [
            clients.ask_for_stock(client(f"{partner}-{product}"), partner, product, dice.randrange(1, 6), WORK_SECONDS)
            for partner in partners
            for product in products
        ]
        work.append(clients.send_out(client("depots"), WORK_SECONDS))
        work += loan_clients.at_work(client, dice, WORK_SECONDS)
        work.append(material_clients.lend_material(client("lender"), WORK_SECONDS))
        work.append(tender_clients.hold_tenders(client("tenders"), products[0], partners, approvers, WORK_SECONDS))
        work.append(clients.meddle(client("meddler"), products, partners, approvers, WORK_SECONDS))
        if self.people:
            work += people.at_work(client, products, partners, approvers, WORK_SECONDS)
        return work

    # What goes wrong

    def _nemesis(self) -> list[Any]:
        rates = self.chance.rates
        return [
            self._every(rates.crash_every_s, self._crash),
            self._every(rates.stop_every_s, self._stop),
            self._every(rates.pause_every_s, self._pause),
            self._every(rates.lead_lost_every_s, self._lose_lead),
            self._every(rates.tail_lost_every_s, self._lose_tail),
            self._every(rates.clock_jumps_every_s, self._jump),
            self._every(rates.broker_down_every_s, self._brokers_down),
            self._every(rates.rubbish_every_s, self._rubbish),
            self._every(rates.journal_restarts_every_s, self._journal_restarts),
            self._every(3.0, self._next_day),
        ]

    async def _every(self, mean_s: float, action: Callable[[], Awaitable[None] | None]) -> None:
        while mean_s:
            await asyncio.sleep(self.chance.random.expovariate(1.0) * mean_s)
            if (more := action()) is not None:
                await more

    def _some_process(self) -> Running | None:
        alive = [process for process in self.processes.values() if process.alive]
        return self.chance.random.choice(alive) if alive else None

    def _crash(self) -> None:
        if (process := self._some_process()) is not None:
            process.fault(Fault.KILLED)
            process.die()

    def _stop(self) -> None:
        if (process := self._some_process()) is not None:
            process.stop()

    def _pause(self) -> None:
        if (process := self._some_process()) is not None:
            seconds = self.chance.random.choice((0.5, 3.0, 20.0))
            process.paused_until = self.loop.time() + seconds
            process.fault(Fault.STANDS_STILL, f"for {seconds} s")
            if seconds > 15.0:  # the servers give it up
                for role in ("relay", "inbox", "timers", "log"):
                    store = self.stores[process.service.name]
                    if (session := store.leading.get(role)) is not None and session.process is process:
                        store.lose_session(role, broken=self.chance.random.random() < 0.5)

    def _lose_lead(self) -> None:
        dice = self.chance.random
        service, role = dice.choice(list(self.stores)), dice.choice(("relay", "inbox", "timers", "log"))
        self.stores[service].lose_session(role, broken=dice.random() < 0.3)

    def _lose_tail(self) -> None:
        dice = self.chance.random
        key = dice.choice(list(self.topics.held))
        count = dice.randrange(1, 12)
        self.chance.fault(Fault.TAIL_LOST, "brokers", f"the last {count} of {key[0]}/{key[1]}")
        self.topics.lose_tail(key, count)

    def _rubbish(self) -> None:
        dice = self.chance.random
        key = dice.choice(list(self.topics.held))
        headers = dict(dice.choice(self.topics.held[key]).headers) if self.topics.held[key] and dice.random() < 0.7 else {}
        self.chance.fault(Fault.RUBBISH, "brokers", f"in {key[0]}/{key[1]}")
        headers["ce_actor"] = b"nobody"  # its hash does not cover this
        self.topics.add(key, [Message(b"", b"{}", list(headers.items()))], event=False)

    def _journal_restarts(self) -> None:
        """Whatever is open is rolled back, and every session is gone."""
        store = self.stores[self.chance.random.choice(list(self.stores))]
        self.chance.fault(Fault.JOURNAL_RESTARTS, store.service)
        store.end_transactions()
        for role in list(store.leading):
            store.lose_session(role, broken=True)

    async def _jump(self) -> None:
        if (process := self._some_process()) is not None:
            process.skew = timedelta(seconds=self.chance.random.choice((-86_400, -3600, -5, 5, 3600, 86_400, 172_800)))
            process.fault(Fault.CLOCK_JUMPS, f"{process.now():%F %T}")
            await asyncio.sleep(self.chance.random.uniform(0.5, 4.0))
            process.skew = timedelta()

    async def _brokers_down(self) -> None:
        self.chance.fault(Fault.BROKERS_DOWN, "brokers")
        self.topics.down = True
        try:
            await asyncio.sleep(self.chance.random.choice((0.3, 2.0, 8.0)))
        finally:
            self.topics.down = False
            self.chance.note("brokers", "are up")

    def _next_day(self) -> None:
        self.passed += timedelta(days=1)
        self.chance.note("world", f"it is {self.today()}")

    # The end: all is quiet, and everything is looked at

    def _calm(self) -> None:
        self.chance.note("world", "no more faults")
        self.chance.rates = CALM
        self.topics.down = False
        self.working = False
        for process in self.processes.values():
            process.skew = timedelta()
            process.paused_until = 0.0

    async def _settle(self) -> None:
        deadline = self.loop.time() + SETTLE_SECONDS
        while behind := self._behind():
            if self.loop.time() > deadline:
                self.fault(f"it does not come to rest: {'; '.join(behind)}")
                return
            await asyncio.sleep(0.5)

    def _behind(self) -> list[str]:
        """What has still to happen."""
        behind = [f"{name} is down" for name, process in self.processes.items() if not (process.alive and process.ready)]
        behind += [
            f"{task.get_name()} is under way"
            for process in self.processes.values()
            for task in process.tasks
            if ".request-" in task.get_name()
        ]
        for name, store in self.stores.items():
            for shard, held in store.shards.items():
                if (at := store.carried[shard]) < (last := held.head().position):
                    behind.append(f"the relay of {name}/{shard} is at {at} of {last}")
            for subscription in self.subscriptions[name]:
                for shard, held in self.stores[subscription.source].shards.items():
                    cursor = store.taken.get((subscription.source, shard))
                    if (at := cursor.position if cursor is not None else 0) < (last := held.head().position):
                        behind.append(f"{name} has taken {subscription.source}/{shard} to {at} of {last}")
            behind += [
                f"{row.stream} {row.name} is due"
                for row in store.timers.values()
                if row.due <= self.today() and (row.at is None or row.at <= self.now())
            ]
        log = self.stores["ledger"].tables
        if log.entries and (not log.checkpoints or log.checkpoints[-1].size < len(log.entries)):
            behind.append("the log is not signed to its end")
        return behind

    async def _look_inside(self) -> None:
        """What each process holds in memory is what its journal says, and no line stands still."""
        for process in self.processes.values():
            for line, why in process.inbox.stopped.items():
                self.fault(f"{process.name}: the line {line} stands still: {why}")
            if process.writer.refusing is not None:
                self.fault(f"{process.name} refuses writes: {process.writer.refusing}")
            if not process.alive:
                continue
            store = self.stores[process.service.name]
            task = process.spawn(self._compare_states(process, sorted(store.by_stream)), "compare")
            await asyncio.wait([task])
            if task.exception() is not None:
                self.fault(f"{process.name}: its states cannot be read: {task.exception()!r}")

    async def _compare_states(self, process: Running, streams: Sequence[str]) -> None:
        store, decode = self.stores[process.service.name], CODECS[process.service.name].decode
        for stream in streams:
            state, version = await process.writer.state(stream)
            decider = process.writer.decider_of(stream)
            replayed = decider.initial
            for record in store.by_stream[stream]:
                replayed = decider.evolve(replayed, decode(record.type, record.data))
            if (version, state) != (len(store.by_stream[stream]), replayed):
                self.fault(f"{process.name} holds {stream} at {version} otherwise than its journal says")

    async def _fork(self) -> None:
        """A source that was restored to the past and went on says something else of a position: whoever took the first must stop.

        They hear it from the broker, or when they look at the source.
        """
        dice = self.chance.random
        source, shard = dice.choice(
            [(name, shard) for name, store in self.stores.items() for shard, held in store.shards.items() if held.records]
        )
        *before, last = self.stores[source].shards[shard].records
        previous = before[-1].chain_hash if before else GENESIS
        own = event_hash(bytes(16), hashed_bytes(last))
        other = msgspec.structs.replace(last, salt=bytes(16), event_hash=own, chain_hash=chain_hash(previous, own))
        by_the_broker = dice.random() < 0.5
        if by_the_broker:
            self.chance.note("world", f"another {source}/{shard}/{last.position} is published")
            message = Message(b"", bytes(other.data), to_headers(source, other, previous))
            partition = topic_of(source), shard
            hidden = self.topics.longest[partition] - len(self.topics.held[partition])  # from whoever has not seen that a tail was lost
            self.topics.add(partition, [message] * (hidden + 1), event=False)
        else:
            self.chance.note("world", f"{source}/{shard}/{last.position} is another now")
            self.stores[source].shards[shard].records[-1] = other
        heard = len(self.chance.stops)
        await asyncio.sleep(3.0 if by_the_broker else IDLE_SECONDS + 3.0)  # a look at the source would tell that it is as it was
        stopped = {
            process.partition("-")[0] for process, line, why in self.chance.stops[heard:] if line == f"{source}/{shard}" and "fork" in why
        }
        for name, subscriptions in self.subscriptions.items():
            if any(each.source == source for each in subscriptions) and name not in stopped:
                self.fault(f"{name} has passed over another {source}/{shard}/{last.position} than it had taken")

    def evidence(self) -> Evidence:
        """What is left behind, as plain JSON."""
        return Evidence(
            journals={
                name: {shard: [_plain(record) for record in held.records] for shard, held in store.shards.items()}
                for name, store in self.stores.items()
            },
            order=list(self.order),
            published=[_published(message) for message in self.topics.ever],
            operations=[msgspec.to_builtins(operation) for operation in self.operations],
            outcomes={
                name: {command_id.hex(): msgspec.to_builtins(outcome) for command_id, outcome in store.outcomes.items()}
                for name, store in self.stores.items()
            },
            timers={name: [msgspec.to_builtins(row) for row in store.timers.values()] for name, store in self.stores.items()},
            log=[
                {"place": entry.place, "leaf": entry.leaf.hex(), "event_hash": entry.event_hash.hex()}
                for entry in self.stores["ledger"].tables.entries
            ],
            documents={
                "allocation": sorted(self.stores["allocation"].documents),
                "loans": sorted(self.stores["loans"].documents),
                "ledger": sorted(self.stores["ledger"].tables.documents),
            },
            balances={key.id: (balance.posted, balance.pending) for key, balance in self.stores["ledger"].tables.balances.items()},
            today=self.today().isoformat(),
            now=self.now().isoformat(),
        )


def _subscriptions(service: Service) -> Sequence[Subscription]:
    """The service's own, with the simulation's log key in the place of the pinned one."""
    return tuple(
        msgspec.structs.replace(each, react=partial(check_checkpoint, lambda: Pinned((LOG_KEY,)))) if each.source == "ledger" else each
        for each in service.subscriptions
    )


LIMITS: dict[str, tuple[Any, tuple[int, ...]]] = {  # how much the kernel takes at once, or remembers: sometimes very little
    "STATES_KEPT": (writer_shard, (1, 3, 10_000)),
    "PLACES_KEPT": (writer, (1, 1_000_000)),
    "REMEMBERED": (lines, (1, 5, 4096)),
    "FETCHED": (relay, (1, 4, 1000)),
    "TAKEN": (inbox, (1, 4, 500)),
}


def _draw_limits(dice: random.Random) -> dict[str, int]:
    chosen = {}
    for name, (module, values) in LIMITS.items():
        chosen[name] = dice.choice(values)
        setattr(module, {"FETCHED": "BATCH", "TAKEN": "BATCH"}.get(name, name), chosen[name])
    return chosen


def _plain(record: Record) -> dict[str, Any]:
    plain = {name: getattr(record, name) for name in record.__struct_fields__}
    plain["data"] = msgspec.json.decode(record.data)
    for name in ("salt", "event_hash", "chain_hash"):
        plain[name] = plain[name].hex()
    return plain


def _published(message: Any) -> tuple[str, str]:
    headers = dict(message.headers)
    return headers["ce_id"].decode(), headers["ce_eventhash"].decode()
