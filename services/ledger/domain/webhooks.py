"""Webhooks: the addresses that a partner has its events sent to. One stream a partner."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

import immutables
import msgspec

from services.ledger.events import (
    StopCause,
    WebhookEvent,
    WebhookId,
    WebhookRegistered,
    WebhookRemoved,
    WebhookReplayed,
    WebhookResumed,
    WebhookSecretRotated,
    WebhookStopped,
)
from shared.journal.decider import Decider, Reasons, Refused

MOST_WEBHOOKS = 100  # of a partner, at once


class RegisterWebhook(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`begins`: the ledger's number of the first leaf that may be sent."""

    webhook: WebhookId
    partner: str
    url: str
    types: tuple[str, ...]
    begins: int


class RotateWebhookSecret(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    webhook: WebhookId
    before_until: datetime


class StopWebhook(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    webhook: WebhookId
    cause: StopCause


class ResumeWebhook(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`by_reserve`: it ends its own stop, and no other. What stopped the webhook before that stops it again."""

    webhook: WebhookId
    by_reserve: bool = False


class ReplayWebhook(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    webhook: WebhookId
    begins: int


class RemoveWebhook(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    webhook: WebhookId


type ChangeWebhook = RotateWebhookSecret | StopWebhook | ResumeWebhook | ReplayWebhook | RemoveWebhook
type Command = RegisterWebhook | ChangeWebhook


class Reason(Reasons):
    """Why a partner's webhooks stay as they are."""

    NOT_FOUND = "webhook_not_found", 404, "There is no such webhook"
    TOO_MANY = "too_many_webhooks", 409, "The partner has as many webhooks as it may have"
    STOPPED = "webhook_already_stopped", 409, "The webhook has stopped already"
    NOT_STOPPED = "webhook_not_stopped", 409, "The webhook has not stopped"
    STOPPED_BY_RESERVE = "webhook_stopped_by_reserve", 409, "The Reserve has stopped the webhook"


class Registered(msgspec.Struct, frozen=True):
    """`secret`: the number of the one that signs now. `before`: why it had stopped already when the Reserve stopped it."""

    partner: str
    secret: int = 1
    stopped: StopCause | None = None
    before: StopCause | None = None


class WebhooksOfPartner(msgspec.Struct, frozen=True):
    """Those that were not removed."""

    registered: immutables.Map[WebhookId, Registered] = immutables.Map()


def stream_of_webhooks(partner: str) -> str:
    return f"webhooks/{partner}"


def decide(command: Command, state: WebhooksOfPartner) -> Sequence[WebhookEvent] | Refused[Reason]:
    if isinstance(command, RegisterWebhook):
        if len(state.registered) >= MOST_WEBHOOKS:
            accepted = f"at most {MOST_WEBHOOKS}: remove one first"
            return Refused(Reason.TOO_MANY, f"{len(state.registered)} webhooks are registered", accepted=accepted)
        registered = WebhookRegistered(
            webhook=command.webhook, partner=command.partner, url=command.url, types=command.types, begins=command.begins
        )
        return [registered]
    found = state.registered.get(command.webhook)
    if found is None:
        return Refused(Reason.NOT_FOUND, f"there is no webhook {command.webhook}", "path:webhook")
    return _changed(command, found)


def _changed(command: ChangeWebhook, webhook: Registered) -> Sequence[WebhookEvent] | Refused[Reason]:
    of, partner = command.webhook, webhook.partner
    match command:
        case RotateWebhookSecret(before_until=until):
            return [WebhookSecretRotated(webhook=of, partner=partner, secret=webhook.secret + 1, before_until=until)]
        case StopWebhook(cause=cause):
            overrules = cause is StopCause.RESERVE and webhook.stopped is not StopCause.RESERVE
            if webhook.stopped is not None and not overrules:
                return Refused(Reason.STOPPED, f"{of} has stopped already")
            return [WebhookStopped(webhook=of, partner=partner, cause=cause)]
        case ResumeWebhook():
            return _resumed(command, webhook)
        case ReplayWebhook(begins=begins):
            return [WebhookReplayed(webhook=of, partner=partner, begins=begins)]
        case RemoveWebhook():
            return [WebhookRemoved(webhook=of, partner=partner)]
        case _:
            assert_never(command)


def _resumed(command: ResumeWebhook, webhook: Registered) -> Sequence[WebhookEvent] | Refused[Reason]:
    of, by_reserve = command.webhook, webhook.stopped is StopCause.RESERVE
    if by_reserve and not command.by_reserve:
        return Refused(Reason.STOPPED_BY_RESERVE, f"the Reserve has stopped {of}", accepted="ask its operators to end that")
    if webhook.stopped is None or by_reserve is not command.by_reserve:
        return Refused(Reason.NOT_STOPPED, f"{of} has not stopped" if webhook.stopped is None else f"its partner resumes {of}")
    if webhook.before is not None:
        return [WebhookStopped(webhook=of, partner=webhook.partner, cause=webhook.before)]
    return [WebhookResumed(webhook=of, partner=webhook.partner)]


def evolve(state: WebhooksOfPartner, event: WebhookEvent) -> WebhooksOfPartner:
    match event:
        case WebhookRegistered():
            return WebhooksOfPartner(state.registered.set(event.webhook, Registered(event.partner)))
        case WebhookRemoved():
            return WebhooksOfPartner(state.registered.delete(event.webhook))
        case WebhookSecretRotated():
            changed = msgspec.structs.replace(state.registered[event.webhook], secret=event.secret)
        case WebhookStopped(cause=cause):
            found = state.registered[event.webhook]
            before = found.stopped if cause is StopCause.RESERVE else None
            changed = msgspec.structs.replace(found, stopped=cause, before=before)
        case WebhookResumed():
            changed = msgspec.structs.replace(state.registered[event.webhook], stopped=None, before=None)
        case WebhookReplayed():
            return state
        case _:
            assert_never(event)
    return WebhooksOfPartner(state.registered.set(event.webhook, changed))


DECIDER = Decider(kind="webhooks", initial=WebhooksOfPartner(), commands=Command, decide=decide, evolve=evolve)
