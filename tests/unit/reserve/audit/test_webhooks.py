"""The audit of webhooks: what is said of one follows from its registration, in its partner's stream."""

from datetime import UTC, datetime
from typing import Any

import pytest

from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from reserve.audit.webhooks import RegisteredWebhooks
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

ONE: dict[str, Any] = {"webhook": WebhookId("whk_one"), "partner": "JP"}
REGISTERED = WebhookRegistered(**ONE, url="https://hooks.example/", types=(), begins=7)
REMOVED = WebhookRemoved(**ONE)
STOPPED = WebhookStopped(**ONE, cause=StopCause.FAILING)


def rotated(secret: int) -> WebhookSecretRotated:
    return WebhookSecretRotated(**ONE, secret=secret, before_until=datetime(2026, 1, 6, tzinfo=UTC))


def failed(*events: WebhookEvent, stream: str = "webhooks/JP") -> list[int]:
    """The positions of what is wrong, from 0."""
    findings = Findings()
    webhooks = RegisteredWebhooks(findings)
    for position, event in enumerate(events):
        told = {name: 0 if name in ("shard", "position", "version") else "" for name in Recorded.__struct_fields__}
        webhooks.see(Recorded(**(told | {"stream": stream, "position": position, "history": 1})), event)
    [result] = [each for each in findings.results() if each.check == Check.SHAPES.name.lower()]
    return [int(each.place.rpartition("/")[2]) for each in result.failures]


def test_a_webhook_that_was_registered_is_rotated_stopped_resumed_replayed_and_removed():
    replayed = WebhookReplayed(**ONE, begins=0)
    assert failed(REGISTERED, rotated(2), STOPPED, WebhookResumed(**ONE), replayed, rotated(3), REMOVED, REGISTERED) == []


@pytest.mark.parametrize("event", [STOPPED, WebhookResumed(**ONE), WebhookReplayed(**ONE, begins=0), REMOVED, rotated(2)])
def test_of_one_that_was_not_registered_or_was_removed_nothing_is_said(event: WebhookEvent):
    assert failed(event) == [0]
    assert failed(REGISTERED, REMOVED, event) == [2]


def test_each_secret_is_the_next_and_none_is_registered_twice():
    assert failed(REGISTERED, rotated(3)) == [1]
    assert failed(REGISTERED, rotated(2), rotated(2)) == [2]
    assert failed(REGISTERED, REGISTERED) == [1]


def test_a_webhook_is_in_its_partners_stream():
    assert failed(REGISTERED, stream="webhooks/EU") == [0]
