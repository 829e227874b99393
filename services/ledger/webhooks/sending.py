"""Sending: each webhook's events, one after the other in the feed's order, each until it was taken or the webhook is stopped.

One process of the ledger sends (an advisory lock). A webhook is a task of it, so that one that is slow keeps nobody waiting but itself. How
far it is, is written twice a second: after a crash what was sent since is sent again, and nothing is left out.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

import asyncpg
import msgspec
import structlog
from prometheus_client import Counter, Gauge

from services.ledger.domain.feed import parse_feed_id
from services.ledger.domain.webhooks import StopWebhook, stream_of_webhooks
from services.ledger.events import StopCause, WebhookId
from services.ledger.feed import WALK, FeedItem, find
from services.ledger.keys import open_webhook_key
from services.ledger.log import ACTOR, Log
from services.ledger.news import News
from services.ledger.webhooks.signing import Secret, secret_of, signed
from services.ledger.webhooks.targets import Answer, Outcome, Targets
from services.ledger.webhooks.trying import Trying
from shared.clock import day_of
from shared.journal.connection import Connection, reachable
from shared.journal.leads import leading
from shared.journal.protocol import Unreachable
from shared.process.service import Kernel, Part
from shared.writer.commands import CommandFailed, Context, Overloaded, Unavailable

log = structlog.get_logger()

attempts = Counter("reserve_ledger_webhook_attempts_total", "Attempts to deliver to a webhook, by what became of them", ["outcome"])
failing = Gauge("reserve_ledger_webhooks_failing", "Webhooks that have not taken their next event")
for _outcome in Outcome:
    attempts.labels(_outcome.value)  # there from the start, at zero

LOOK_S = 0.5  # how often it looks for webhooks that have changed
WRITE_S = 0.5  # how often it is written how far a webhook is
READ_AT_ONCE, READ_BYTES = 100, 256 * 1024  # events of a webhook, which are in memory until they are sent
IN_THE_DATABASE = 4  # webhooks that read, or write how far they are, at the same time: the API has the pool's other connections
FAILS_FOR = timedelta(days=3)  # then it is stopped
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 3600.0
LONGEST_BROKEN_S = 60.0  # until one that a bug has ended begins again
GONE = 410
KEPT_DELIVERIES = 10_000  # of a webhook
_FORGET_EVERY = 1000

_REGISTERED = "SELECT * FROM webhooks"
# Those that are sent, and where in the journal their partner said so last: version `forgiven` of its stream.
_WANTED_AT = """
    SELECT webhooks.*, events.shard, events.position
    FROM webhooks JOIN events ON events.stream = 'webhooks/' || webhooks.partner AND events.version = webhooks.forgiven
    WHERE webhooks.stopped IS NULL"""
_CURSOR = "SELECT begun, forgiven, next, failures, failing_since FROM webhook_cursors WHERE webhook = $1"
_DELIVERIES = """
    INSERT INTO webhook_deliveries (webhook, number, event, outcome, status, took_ms)
    SELECT $1::text, made.* FROM {source}unnest($2::bigint[], $3::text[], $4::text[], $5::smallint[], $6::int[]) AS made
    ON CONFLICT DO NOTHING"""
_WRITE_DELIVERIES = _DELIVERIES.format(source="")
# Another process may have taken over, and be further. What a crash takes back is sent again, so the commit need not wait for the disk.
_WRITE = f"""
    WITH moved AS (
        INSERT INTO webhook_cursors AS kept (webhook, begun, forgiven, next, failures, failing_since)
        VALUES ($1::text, $7::bigint, $8::bigint, $9::bigint, $10::bigint, $11::timestamptz)
        ON CONFLICT (webhook) DO UPDATE SET begun = excluded.begun, forgiven = excluded.forgiven, next = excluded.next,
            failures = excluded.failures, failing_since = excluded.failing_since
        WHERE (kept.begun, kept.next) <= (excluded.begun, excluded.next))
    {_DELIVERIES.format(source="set_config('synchronous_commit', 'off', true), ")}"""  # noqa: S608
_FORGET = """
    DELETE FROM webhook_deliveries WHERE webhook = $1 AND number <= (
        SELECT number FROM webhook_deliveries WHERE webhook = $1 ORDER BY number DESC OFFSET $2 LIMIT 1)"""
_FORGET_REMOVED = (  # one of them; null: all
    "DELETE FROM webhook_cursors WHERE ($1::text IS NULL OR webhook = $1) AND webhook NOT IN (SELECT webhook FROM webhooks)",
    "DELETE FROM webhook_deliveries WHERE ($1::text IS NULL OR webhook = $1) AND webhook NOT IN (SELECT webhook FROM webhooks)",
)


class Webhook(msgspec.Struct, frozen=True):
    """As it is registered: a row of `webhooks`."""

    webhook: WebhookId
    partner: str
    url: str
    types: tuple[str, ...]
    begins: int
    begun: int
    forgiven: int
    secret: int
    before_until: datetime | None
    version: int


class Delivery(msgspec.Struct, frozen=True):
    """An attempt. `number`: when it began, in microseconds since 1970."""

    number: int
    event: str
    answer: Answer
    took_ms: int


type _Sending = dict[WebhookId, tuple[Webhook, asyncio.Task[None]]]


class _Place(msgspec.Struct):
    """How far a webhook is. `next`: the ledger's number of the next leaf. `made`: attempts that are not written down yet."""

    next: int
    failures: int = 0
    failing_since: datetime | None = None
    stopped: bool = False
    written: int = 0  # `next` as it is in the database, or less
    made: list[Delivery] = []
    written_at: float = 0.0
    counted: int = _FORGET_EVERY  # attempts since the oldest were forgotten: who begins does not know how many there are


class Webhooks(Part):
    """`first_wait_s`: until what failed is tried again, the first time."""

    def __init__(self, kernel: Kernel) -> None:
        """Raises KeyUnsafe, FileNotFoundError when the key of their secrets is not there."""
        super().__init__(kernel)
        self.targets = Targets(local=kernel.settings.environment == "local")
        self.trying = Trying()
        self.first_wait_s = FIRST_WAIT_S
        self._key = open_webhook_key(kernel.settings.data_dir)
        self._database = asyncio.Semaphore(IN_THE_DATABASE)
        self._failing: set[WebhookId] = set()

    async def close(self) -> None:
        await self.targets.close()

    def secret(self, webhook: str, number: int) -> Secret:
        return secret_of(self._key, webhook, number)

    def secrets(self, webhook: Webhook, now: datetime) -> Sequence[Secret]:
        """Those that it is signed by, the newest first."""
        before = [webhook.secret - 1] if webhook.before_until is not None and now < webhook.before_until else []
        return [self.secret(webhook.webhook, number) for number in (webhook.secret, *before)]

    async def attempt(self, webhook: Webhook, event: str, body: bytes) -> Delivery:
        """Sends it an event once. The time in the headers is the machine's, as receivers have it, also where the clock is shifted."""
        began = time.time()
        headers = signed(self.secrets(webhook, self.kernel.clock.now()), event, int(began), body)
        answer = await self.targets.post(webhook.url, headers, body, webhook.partner)
        attempts.labels(answer.outcome.value).inc()
        return Delivery(round(began * 1_000_000), event, answer, round((time.time() - began) * 1000))

    async def record(self, webhook: str, made: Sequence[Delivery]) -> None:
        """Raises Unreachable."""
        with reachable():
            async with self.kernel.pool.acquire() as connection:
                await connection.execute(_WRITE_DELIVERIES, webhook, *_columns(made))
                await connection.execute(_FORGET, webhook, KEPT_DELIVERIES)

    async def forget_removed(self, webhook: str | None = None) -> None:
        """What is left of it, or of all that were removed. Raises Unreachable."""
        with reachable():
            async with self.kernel.pool.acquire() as connection:
                for forget in _FORGET_REMOVED:
                    await connection.execute(forget, webhook)

    async def run(self) -> None:
        while True:
            try:
                async with leading(self.kernel.pool, "webhooks/ledger") as connection:
                    if connection is not None:
                        await self._lead(connection)
            except (Unreachable, Unavailable, Overloaded, CommandFailed) as error:
                log.warning("webhooks_wait", error=repr(error))
            await asyncio.sleep(LOOK_S)

    async def _lead(self, connection: Connection) -> None:
        sending: _Sending = {}
        try:
            await self.forget_removed()
            await self._stop_those_of_before(connection)
            known: set[WebhookId] = set()
            while True:
                with reachable(connection):
                    rows = await connection.fetch(_REGISTERED)
                await self._keep_sending(sending, {row["webhook"]: webhook_of(row) for row in rows if row["stopped"] is None})
                registered = {row["webhook"] for row in rows}
                for removed in known - registered:  # nothing of it is under way any more
                    await self.forget_removed(removed)
                known = registered
                failing.set(len(self._failing))
                await asyncio.sleep(LOOK_S)
        finally:
            await self._keep_sending(sending, {})
            failing.set(0)

    async def _stop_those_of_before(self, connection: Connection) -> None:
        """Those that their partner has not wanted since this history began: what a restore brings back may be gone since, or another's."""
        histories, of = self.kernel.journal.histories, self.kernel.service.name
        with reachable(connection):
            rows = await connection.fetch(_WANTED_AT)
        for row in rows:
            if histories.at(of, row["shard"], row["position"]) < histories.current:
                await self._stop(webhook_of(row), StopCause.RESTORED)

    async def _keep_sending(self, sending: _Sending, wanted: Mapping[WebhookId, Webhook]) -> None:
        """What has changed begins anew where it is."""
        ended = [each for each, (webhook, _) in sending.items() if wanted.get(each) != webhook]
        tasks = [sending.pop(each)[1] for each in ended]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._failing -= set(ended)
        for name, webhook in wanted.items():
            if name not in sending:
                sending[name] = webhook, asyncio.create_task(self._send_all(webhook))

    async def _send_all(self, webhook: Webhook) -> None:
        """Until it is stopped."""
        broke = 0
        while True:
            began = time.monotonic()
            try:
                await self._send(webhook)
                return
            except (Unreachable, Unavailable, Overloaded, CommandFailed) as error:
                log.warning("webhook_starts_again", webhook=webhook.webhook, error=repr(error))
                await asyncio.sleep(LOOK_S)
            except Exception:  # a bug: it stops none of the others, and not the ledger
                log.exception("webhook_broke", webhook=webhook.webhook)
                broke = 1 if time.monotonic() - began > LONGEST_BROKEN_S else broke + 1
                await asyncio.sleep(min(LONGEST_BROKEN_S, LOOK_S * 2.0 ** min(broke, 16)))

    async def _send(self, webhook: Webhook) -> None:
        place = await self._place_of(webhook)
        with self.kernel.part(News).waited_for(webhook.partner) as news:
            while True:
                news.clear()
                if await self._send_some(webhook, place):
                    continue
                if place.stopped:
                    return
                if place.failures:
                    await asyncio.sleep(self._wait_s(place.failures))
                    continue
                if place.made or place.next - place.written >= WALK:
                    await self._write(webhook, place)
                await news.wait()

    async def _send_some(self, webhook: Webhook, place: _Place) -> bool:
        """What comes next, until something of it fails: nothing is kept in memory while that waits. Whether there is more to send now."""
        limit = 1 if place.failures else READ_AT_ONCE
        async with self._database:
            found = await find(self.kernel, webhook.partner, place.next, limit, webhook.types, READ_BYTES)
        for item in found.items:
            if not await self._deliver(webhook, place, item):
                return False
        place.next = found.next
        return found.more

    async def _deliver(self, webhook: Webhook, place: _Place, item: FeedItem) -> bool:
        """One attempt. False: it has not taken it."""
        made = await self.attempt(webhook, item.id, item.model_dump_json().encode())
        place.made.append(made)
        if made.answer.outcome is Outcome.DELIVERED:
            place.next = await self._number_after(item)
            place.failures, place.failing_since = 0, None
            self._failing.discard(webhook.webhook)
            if time.monotonic() - place.written_at >= WRITE_S:
                await self._write(webhook, place)
            return True
        now = self.kernel.clock.now()
        place.failures += 1
        place.failing_since = place.failing_since or now
        self._failing.add(webhook.webhook)
        await self._write(webhook, place)
        if made.answer.status == GONE or now - place.failing_since >= FAILS_FOR:
            place.stopped = True
            await self._stop(webhook, StopCause.GONE if made.answer.status == GONE else StopCause.FAILING)
        return False

    async def _number_after(self, item: FeedItem) -> int:
        place = parse_feed_id(item.id)
        return (await self.kernel.part(Log).logs()).number_after(place.history, place.leaf)

    def _wait_s(self, failures: int) -> float:
        """Half of it by chance, so that those who failed together do not come back together."""
        longest = min(LONGEST_WAIT_S, self.first_wait_s * 2.0 ** min(failures - 1, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # no secret

    async def _stop(self, webhook: Webhook, cause: StopCause) -> None:
        log.warning("webhook_stopped", webhook=webhook.webhook, cause=cause.value)
        instant = self.kernel.clock.now()
        named = f"stop/{webhook.webhook}/{webhook.version}"
        context = Context(
            command_id=(of_name := sha256(named.encode())).digest(),
            actor=ACTOR,
            correlation_id=of_name.hexdigest()[:32],
            causation_id=f"webhook/{webhook.webhook}",
            effective_on=day_of(instant, self.kernel.settings.zone).isoformat(),
        )
        # It may be refused: its partner was quicker, and has stopped or removed it.
        await self.kernel.writer.submit(stream_of_webhooks(webhook.partner), StopWebhook(webhook=webhook.webhook, cause=cause), context)

    async def _place_of(self, webhook: Webhook) -> _Place:
        with reachable():
            row = await self.kernel.pool.fetchrow(_CURSOR, webhook.webhook)
        if row is None or row["begun"] != webhook.begun:
            return _Place(webhook.begins)
        if row["forgiven"] != webhook.forgiven:
            return _Place(row["next"])
        return _Place(row["next"], row["failures"], row["failing_since"])

    async def _write(self, webhook: Webhook, place: _Place) -> None:
        made, place.made = place.made, []
        place.written, place.written_at = place.next, time.monotonic()
        place.counted += len(made)
        cursor = (webhook.begun, webhook.forgiven, place.next, place.failures, place.failing_since)
        with reachable():
            async with self._database, self.kernel.pool.acquire() as connection:
                await connection.execute(_WRITE, webhook.webhook, *_columns(made), *cursor)
                if place.counted >= _FORGET_EVERY:
                    await connection.execute(_FORGET, webhook.webhook, KEPT_DELIVERIES)
                    place.counted = 0


def _columns(made: Sequence[Delivery]) -> Sequence[Sequence[object]]:
    return (
        [each.number for each in made],
        [each.event for each in made],
        [each.answer.outcome.value for each in made],
        [each.answer.status for each in made],
        [each.took_ms for each in made],
    )


def webhook_of(row: asyncpg.Record) -> Webhook:
    return msgspec.convert({name: row[name] for name in Webhook.__struct_fields__} | {"types": msgspec.json.decode(row["types"])}, Webhook)


async def send_webhooks(kernel: Kernel) -> None:
    """The service's task: sends for as long as it serves."""
    await kernel.part(Webhooks).run()
