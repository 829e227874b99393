"""A webhook is taken if the Reserve sent it, now, and not otherwise. Signed by the ledger's own code, which a second library verifies."""

import json
from collections.abc import Mapping

import pytest

from reserve_partner import Event, WebhookInvalid, WebhookTest, verify_webhook
from services.ledger.webhooks.signing import Secret, secret_of, signed
from tests.unit.client.serving import event

NOW = 1767657600
OLD, NEW = (secret_of(b"k" * 32, "whk_1", number) for number in (1, 2))
BODY = json.dumps(event(7)).encode()
KEYS = ("text", "public_key")


def sent(*secrets: Secret, body: bytes = BODY, at: int = NOW) -> Mapping[str, str]:
    return signed(secrets or (NEW,), "7", at, body)


@pytest.mark.parametrize("kind", KEYS)
def test_what_the_reserve_signed_is_taken_by_either_kind_of_key(kind: str) -> None:
    headers = {name.title(): value for name, value in sent(NEW, OLD).items()}  # while the secret rotates
    for secret in (OLD, NEW):
        told = verify_webhook(BODY, headers, getattr(secret, kind), now=NOW + 299)
        assert isinstance(told, Event) and told.data == {"draw": "drw_7"}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize(
    ("body", "headers", "now"),
    [
        (BODY.replace(b"JP", b"US"), sent(), NOW),
        (BODY, sent(OLD), NOW),
        (BODY, sent(), NOW + 301),
        (BODY, sent(), NOW - 301),
        (BODY, sent() | {"webhook-id": "8"}, NOW),
        (BODY, sent() | {"webhook-timestamp": str(NOW + 1)}, NOW),
        (BODY, sent() | {"webhook-timestamp": "now"}, NOW),
        (BODY, sent() | {"webhook-signature": "v1,!!! v1a,AAAA v2"}, NOW),
        (BODY, {}, NOW),
        (b"{}", sent(body=b"{}"), NOW),
    ],
    ids=["body", "before", "late", "early", "id", "time", "no time", "no signature", "no headers", "no event"],
)
def test_what_it_did_not_sign_or_not_now_is_refused(kind: str, body: bytes, headers: Mapping[str, str], now: float) -> None:
    with pytest.raises(WebhookInvalid):
        verify_webhook(body, headers, getattr(NEW, kind), now=now)


def test_a_signature_of_one_kind_is_not_taken_for_one_of_the_other() -> None:
    headers = sent()
    shared, own = headers["webhook-signature"].split(" ")
    swapped = f"v1,{own.partition(',')[2]} v1a,{shared.partition(',')[2]}"
    for key in (NEW.text, NEW.public_key):
        with pytest.raises(WebhookInvalid):
            verify_webhook(BODY, headers | {"webhook-signature": swapped}, key, now=NOW)


def test_a_test_is_told_from_an_event() -> None:
    body = b'{"id":"test-1","type":"reserve.webhook_test.v1","subject":"whk_1","time":"2026-01-06T00:00:00Z","data":{}}'
    assert isinstance(verify_webhook(body, sent(body=body), NEW.text, now=NOW), WebhookTest)


def test_a_key_that_is_none_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="whsec_ or whpk_"):
        verify_webhook(BODY, sent(), "secret", now=NOW)
