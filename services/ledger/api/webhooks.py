"""Webhooks: a partner's events, sent to an address of its own. By whoever speaks for the partner."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, StrictInt, StringConstraints
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.ledger.api.callers import PARTNER, READERS, only_of
from services.ledger.api.feed import number_after
from services.ledger.domain.feed import ID_PATTERN
from services.ledger.domain.webhooks import (
    Command,
    RegisterWebhook,
    RemoveWebhook,
    ReplayWebhook,
    ResumeWebhook,
    RotateWebhookSecret,
    StopWebhook,
    stream_of_webhooks,
)
from services.ledger.events import StopCause, WebhookEvent, WebhookId, WebhookSecretRotated
from services.ledger.feed import end_of, id_of
from services.ledger.log import Log
from services.ledger.tables import WebhookCursorRow, WebhookDeliveryRow, WebhookRow
from services.ledger.webhooks.sending import Delivery, Webhook, Webhooks
from services.ledger.webhooks.targets import Outcome, TargetRefused
from shared.clock import written
from shared.http.auth import Caller, allow
from shared.http.fields import TYPEID, Body
from shared.http.handlers import Page, Paging, Post, Posting, Reading, Reads
from shared.http.problems import Problem
from shared.journal.codec import without_version
from shared.journal.protocol import Unreachable
from shared.process.service import Kernel

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

MOST_TYPES = 50
LONGEST_OVERLAP_H = 168

type Url = Annotated[str, StringConstraints(min_length=1, max_length=500)]
type EventType = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,30}\.[a-z_]{1,60}$")]
type After = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
WebhookPath = Annotated[str, Path(pattern=f"^whk_{TYPEID}$")]
Partner = Annotated[Caller, allow(PARTNER)]
Sees = Annotated[Caller, allow(PARTNER, *READERS)]
Stops = Annotated[Caller, allow(PARTNER, "operator", "administrator")]


class WebhookBody(Body):
    url: Url = Field(description="https, to a public address; on a machine for trying also http to the loopback")
    types: list[EventType] = Field(
        default=[], max_length=MOST_TYPES, description="of events, without versions: inventory.stock_drawn; none: all"
    )
    after: After | None = Field(default=None, description="an id of the feed: what comes after it is sent; none: what comes from now on")


class RotationBody(Body):
    overlap_h: Annotated[StrictInt, Field(ge=0, le=LONGEST_OVERLAP_H)] = Field(
        default=24, description="hours for which the secret before it signs as well"
    )


class ReplayBody(Body):
    after: After | None = Field(default=None, description="an id of the feed: what comes after it is sent again; none: all is")


class WebhookView(BaseModel):
    """`public_keys`: by which it is signed now (`v1a`), the newest first. `cursor`: it has taken all up to this id of the feed; none:
    nothing since it was registered or replayed. `failing_since`: when its next event failed first."""

    webhook: str
    url: str
    types: list[str]
    stopped: StopCause | None = Field(
        description="why nothing is sent: asked, failing (three days), gone (answered 410), restored (a new history began), reserve"
    )
    changed_at: datetime
    secret: int = Field(description="the number of the secret that signs")
    before_until: datetime | None = Field(description="until when the secret before it signs as well")
    public_keys: list[str]
    cursor: str | None
    failures: int = Field(description="attempts at its next event that have failed")
    failing_since: datetime | None


class WebhookSecretView(BaseModel):
    """The answer to who made the secret, and no other, shows it."""

    webhook: str
    number: int
    secret: str = Field(description="for HMAC-SHA256 (v1): whsec_ and base64")
    public_key: str = Field(description="for Ed25519 (v1a): whpk_ and base64")
    before_until: datetime | None


class WebhookChangedView(BaseModel):
    webhook: str


class DeliveryView(BaseModel):
    """An attempt. `event`: the id of what was sent, as in the feed; of a test, its own."""

    number: int
    event: str
    at: datetime
    outcome: Outcome
    status: int | None
    took_ms: int

    @classmethod
    def of(cls, row: WebhookDeliveryRow) -> Self:
        return cls.model_validate(row.model_dump() | {"at": datetime.fromtimestamp(row.number / 1_000_000, UTC)})

    @classmethod
    def of_test(cls, made: Delivery) -> Self:
        return cls(
            number=made.number,
            event=made.event,
            at=datetime.fromtimestamp(made.number / 1_000_000, UTC),
            outcome=made.answer.outcome,
            status=made.answer.status,
            took_ms=made.took_ms,
        )


class DeliveriesView(BaseModel):
    """The newest first. `next`: for `before`, to go on."""

    data: list[DeliveryView]
    next: int | None


@router.post("", status_code=201)
async def register_webhook(body: WebhookBody, caller: Partner, post: Posting) -> WebhookSecretView:
    """A partner has at most a hundred. The address is looked up now, and again for each connection."""
    partner, kernel = _partner(caller), post.kernel
    with kernel.part(Webhooks).trying.of(partner):
        command = await _registering(post, partner, body)
    event = await _submit(post, partner, command)
    return _secret(kernel, event.webhook, 1, None)


@router.get("")
async def list_webhooks(caller: Sees, pages: Paging) -> Page[WebhookView]:
    query = select(WebhookRow)
    if (own := only_of(caller)) is not None:
        query = query.where(WebhookRow.partner == own)
    async with pages.session() as session:
        found = await pages.of(query, WebhookRow.webhook, lambda row: row, session=session)
        return Page(data=[await _view(pages.kernel, session, row) for row in found.data], next=found.next)


@router.get("/{webhook}")
async def show_webhook(webhook: WebhookPath, caller: Sees, reads: Reading) -> WebhookView:
    async with reads.session() as session:
        return await _view(reads.kernel, session, await _find(session, webhook, caller))


@router.post("/{webhook}/secrets", status_code=201)
async def rotate_webhook_secret(webhook: WebhookPath, body: RotationBody, caller: Partner, post: Posting) -> WebhookSecretView:
    """A new secret signs from now on, and the one before it as well for as long as `overlap_h` says: never more than these two."""
    until = post.now + timedelta(hours=body.overlap_h)
    event = await _submit(post, _partner(caller), RotateWebhookSecret(webhook=WebhookId(webhook), before_until=until))
    assert isinstance(event, WebhookSecretRotated)
    return _secret(post.kernel, webhook, event.secret, event.before_until)


@router.post("/{webhook}/test")
async def send_test_event(webhook: WebhookPath, caller: Partner, post: Posting, reads: Reading) -> DeliveryView:
    """Sends it an event of the type `reserve.webhook_test.v1` at once, and answers what became of it. Nothing else changes; each call sends
    one more. Nothing is sent to one that the Reserve has stopped."""
    async with reads.session() as session:
        row = await _find(session, webhook, caller)
    if row.stopped == StopCause.RESERVE:
        raise Problem("webhook_stopped_by_reserve", f"the Reserve has stopped {webhook}", accepted="ask its operators to end that")
    sender: Webhooks = post.kernel.part(Webhooks)
    name = f"test-{post.command_id.hex()[:32]}"
    event = {
        "specversion": "1.0",
        "id": name,
        "source": "/ledger",
        "type": "reserve.webhook_test.v1",
        "subject": webhook,
        "time": written(post.now),
        "datacontenttype": "application/json",
        "data": {},
    }
    with sender.trying.of(row.partner, webhook):
        made = await sender.attempt(msgspec.convert(row, Webhook, from_attributes=True), name, msgspec.json.encode(event))
    await sender.record(webhook, [made])
    return DeliveryView.of_test(made)


@router.post("/{webhook}/replay")
async def replay_webhook(webhook: WebhookPath, body: ReplayBody, caller: Partner, post: Posting) -> WebhookChangedView:
    """Everything after an id is sent again, and what was not sent yet after it. Nothing before it is sent any more."""
    command: Command | Problem
    try:
        begins = 0 if body.after is None else await number_after(post.kernel, body.after, "/after")
        command = ReplayWebhook(webhook=WebhookId(webhook), begins=begins)
    except Problem as problem:
        command = problem
    await _submit(post, _partner(caller), command)
    return WebhookChangedView(webhook=webhook)


@router.post("/{webhook}/stop")
async def stop_webhook(webhook: WebhookPath, caller: Stops, post: Posting, reads: Reading) -> WebhookChangedView:
    """Nothing is sent until it is resumed; then what it has missed. What the Reserve's own stop, its partner cannot resume."""
    partner, by_reserve = await _whose(webhook, caller, reads)
    cause = StopCause.RESERVE if by_reserve else StopCause.ASKED
    await _submit(post, partner, StopWebhook(webhook=WebhookId(webhook), cause=cause))
    return WebhookChangedView(webhook=webhook)


@router.post("/{webhook}/resume")
async def resume_webhook(webhook: WebhookPath, caller: Stops, post: Posting, reads: Reading) -> WebhookChangedView:
    """It is sent what it has not taken, from the first of it on. The Reserve's own end the Reserve's stop, and no other."""
    partner, by_reserve = await _whose(webhook, caller, reads)
    await _submit(post, partner, ResumeWebhook(webhook=WebhookId(webhook), by_reserve=by_reserve))
    return WebhookChangedView(webhook=webhook)


@router.post("/{webhook}/remove")
async def remove_webhook(webhook: WebhookPath, caller: Partner, post: Posting) -> WebhookChangedView:
    """Nothing is sent to it any more, and its secrets are worth nothing."""
    await _submit(post, _partner(caller), RemoveWebhook(webhook=WebhookId(webhook)))
    with suppress(Unreachable):  # whoever leads next looks as well
        await post.kernel.part(Webhooks).forget_removed(webhook)
    return WebhookChangedView(webhook=webhook)


@router.get("/{webhook}/deliveries")
async def list_deliveries(
    webhook: WebhookPath,
    caller: Sees,
    reads: Reading,
    before: Annotated[int | None, Query(ge=0, le=2**53 - 1, description="`next` of the part before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> DeliveriesView:
    """The last 10,000 attempts, the newest first. One is there within a second."""
    async with reads.session() as session:
        await _find(session, webhook, caller)
        query = select(WebhookDeliveryRow).where(WebhookDeliveryRow.webhook == webhook)
        if before is not None:
            query = query.where(WebhookDeliveryRow.number < before)
        rows = (await session.exec(query.order_by(WebhookDeliveryRow.number.desc()).limit(limit + 1))).all()  # type: ignore[attr-defined]
    more = len(rows) > limit
    return DeliveriesView(data=[DeliveryView.of(row) for row in rows[:limit]], next=rows[limit - 1].number if more else None)


def _partner(caller: Caller) -> str:
    """For whom the caller speaks. Raises Problem `forbidden`."""
    partner = only_of(caller)
    assert partner is not None, "a partner's role is of nobody else"
    return partner


async def _whose(webhook: str, caller: Caller, reads: Reads) -> tuple[str, bool]:
    """(the webhook's partner, whether the caller is of the Reserve). Raises Problem `webhook_not_found`."""
    if (own := only_of(caller)) is not None:
        return own, False
    async with reads.session() as session:
        return (await _find(session, webhook, caller)).partner, True


async def _submit(post: Post, partner: str, command: Command | Problem) -> WebhookEvent:
    event: WebhookEvent = (await post.submit(stream_of_webhooks(partner), command)).facts[0].event
    return event


async def _registering(post: Post, partner: str, body: WebhookBody) -> Command | Problem:
    kernel = post.kernel
    try:
        await kernel.part(Webhooks).targets.look(body.url, partner)
        _look_at_types(kernel, body.types)
        return RegisterWebhook(
            webhook=WebhookId(post.new_id("whk")),
            partner=partner,
            url=body.url,
            types=tuple(dict.fromkeys(body.types)),
            begins=await end_of(kernel) if body.after is None else await number_after(kernel, body.after, "/after"),
        )
    except TargetRefused as error:
        return Problem("webhook_target_refused", str(error), field="/url", accepted="an https URL of a host with public addresses alone")
    except Problem as problem:
        return problem


def _look_at_types(kernel: Kernel, types: Sequence[str]) -> None:
    """Raises Problem `webhook_type_unknown`."""
    known = {without_version(kind) for each in kernel.service.subscriptions for kind in each.codec.classes}
    if unknown := [each for each in types if each not in known]:
        raise Problem(
            "webhook_type_unknown",
            f"no event has the type {unknown[0]}",
            field=f"/types/{types.index(unknown[0])}",
            accepted="types of the AsyncAPI document, without their versions",
        )


async def _find(session: AsyncSession, webhook: str, caller: Caller) -> WebhookRow:
    """Raises Problem `webhook_not_found`, also for another partner's."""
    row = await session.get(WebhookRow, webhook)
    if row is None or only_of(caller) not in (None, row.partner):
        raise Problem("webhook_not_found", f"there is no webhook {webhook}", field="path:webhook")
    return row


async def _view(kernel: Kernel, session: AsyncSession, row: WebhookRow) -> WebhookView:
    sender, logs = kernel.part(Webhooks), await kernel.part(Log).logs()
    webhook = msgspec.convert(row, Webhook, from_attributes=True)
    cursor = await session.get(WebhookCursorRow, row.webhook)
    began = cursor is not None and cursor.begun == row.begun and cursor.next > row.begins
    failed = cursor is not None and cursor.forgiven == row.forgiven
    return WebhookView(
        webhook=row.webhook,
        url=row.url,
        types=row.types,
        stopped=None if row.stopped is None else StopCause(row.stopped),
        changed_at=row.changed_at,
        secret=row.secret,
        before_until=row.before_until,
        public_keys=[secret.public_key for secret in sender.secrets(webhook, kernel.clock.now())],
        cursor=id_of(logs, cursor.next - 1) if cursor is not None and began else None,
        failures=cursor.failures if cursor is not None and failed else 0,
        failing_since=cursor.failing_since if cursor is not None and failed else None,
    )


def _secret(kernel: Kernel, webhook: str, number: int, before_until: datetime | None) -> WebhookSecretView:
    secret = kernel.part(Webhooks).secret(webhook, number)
    return WebhookSecretView(webhook=webhook, number=number, secret=secret.text, public_key=secret.public_key, before_until=before_until)
