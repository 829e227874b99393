# Made from _async/client.py by generate.py: change it there.
"""Client: what a partner may do at the Reserve, a method for each."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import httpx
import msgspec

from reserve_partner import models
from reserve_partner._sync.feed import Feed
from reserve_partner._sync.transport import TIMEOUT_S, Tokens, Transport
from reserve_partner.answers import Bulk, DrawItem, RequestItem, page_of

PATIENCE_S = 60.0


class Client:
    """A partner's client. As a context manager it closes its connections; it may be used by many tasks at once.

    `token_url`: of the issuer, where that is not the Reserve's own. Each call is repeated for `patience_s` where that may help, commands
    under the same Idempotency-Key, which is `key` or a fresh one: with a `key` of yours that you keep, you may send a command again after a
    fall of your own. All methods raise ProblemError (a refusal, by its code), NoAnswer, and NoToken.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        *,
        token_url: str | None = None,
        patience_s: float = PATIENCE_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        http = httpx.Client(timeout=TIMEOUT_S, transport=transport)
        tokens = Tokens(http, token_url or f"{base_url.rstrip('/')}/oauth/token", client_id, client_secret)
        self._transport = Transport(base_url, tokens, http, patience_s)
        self.feed = Feed(self._transport, patience_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def me(self) -> models.Me:
        """Who the caller is, and what of its entitlements is left."""
        return self._get("/allocation/v1/me", models.Me)

    # Asking

    def submit_request(self, request: models.RequestBody, *, key: str | None = None) -> models.RequestTaken:
        return self._post("/allocation/v1/requests", models.RequestTaken, request, key)

    def submit_requests(self, items: Sequence[RequestItem], *, atomic: bool = False, key: str | None = None) -> Bulk[models.RequestTaken]:
        """Up to 500 at once; `atomic`: all of them, of one product, or none."""
        body = {"items": items, "atomic": atomic}
        return self._post("/allocation/v1/requests/bulk", Bulk[models.RequestTaken], body, key)

    def withdraw_request(self, request: str, reason: str, *, key: str | None = None) -> models.RequestChange:
        return self._post(f"/allocation/v1/requests/{request}/withdraw", models.RequestChange, {"reason": reason}, key)

    def request(self, request: str) -> models.RequestDetail:
        return self._get(f"/allocation/v1/requests/{request}", models.RequestDetail)

    def requests(self, **query: str | int) -> Iterator[models.Request]:
        """`product`, `status`; `limit`: rows of a page."""
        return self._rows("/allocation/v1/requests", models.Request, query)

    def agreements(self, **query: str | int) -> Iterator[models.Agreement]:
        return self._rows("/allocation/v1/agreements", models.Agreement, query)

    # What was decided

    def awards(self, **query: str | int) -> Iterator[models.Award]:
        """`product`; `limit`: rows of a page."""
        return self._rows("/allocation/v1/awards", models.Award, query)

    def round(self, round: str) -> models.Round:
        return self._get(f"/allocation/v1/rounds/{round}", models.Round)

    def certificate(self, decision: str) -> bytes:
        """Of a certified decision, for `proofs.check_certificate`. Receipts that it lacks yet are named in it: ask again in a second."""
        return (self._transport.get(f"/allocation/v1/certificates/{decision}", format="json")).content

    # Drawing

    def releases(self, **query: str | int) -> Iterator[models.Release]:
        """`product`, `status`; `limit`: rows of a page."""
        return self._rows("/inventory/v1/releases", models.Release, query)

    def release(self, release: str) -> models.ReleaseDetail:
        return self._get(f"/inventory/v1/releases/{release}", models.ReleaseDetail)

    def draw(self, draw: DrawItem) -> models.Drawn:
        """Under its own `idempotency_key`. A partner that has keys signs it first (`signing.sign_draw`)."""
        body = {name: value for name, value in msgspec.to_builtins(draw).items() if name not in ("release", "idempotency_key")}
        return self._post(f"/inventory/v1/releases/{draw.release}/draws", models.Drawn, body, draw.idempotency_key)

    def draw_many(self, items: Sequence[DrawItem], *, atomic: bool = False, key: str | None = None) -> Bulk[models.Drawn]:
        """Up to 500 at once; `atomic`: all of them, of one product, or none."""
        return self._post("/inventory/v1/draws/bulk", Bulk[models.Drawn], {"items": items, "atomic": atomic}, key)

    def draws(self, **query: str | int) -> Iterator[models.Draw]:
        """`product`, `release`, `status`; `limit`: rows of a page."""
        return self._rows("/inventory/v1/draws", models.Draw, query)

    def show_draw(self, draw: str) -> models.DrawDetail:
        return self._get(f"/inventory/v1/draws/{draw}", models.DrawDetail)

    def register_key(self, registration: dict[str, Any], *, key: str | None = None) -> models.PartnerKeyChange:
        """A key that signs draws from now on: nobody draws in the partner's name without it. `registration`: of `signing.registration`."""
        return self._post("/allocation/v1/partner-keys", models.PartnerKeyChange, registration, key)

    def revoke_key(self, key_id: str, reason: str, *, key: str | None = None) -> models.PartnerKeyChange:
        """For good."""
        return self._post(f"/allocation/v1/partner-keys/{key_id}/revoke", models.PartnerKeyChange, {"reason": reason}, key)

    # What proves it

    def receipt(self, place: str, *, witnessed: bool = False) -> str:
        """Of the event at `place` (`inventory/0/123`), for `proofs.check_receipt`; waits until the log covers it."""
        grade = "witnessed" if witnessed else "signed"
        return (self._transport.get(f"/ledger/v1/receipts/{place}", wait=10, grade=grade)).text

    def log_key(self) -> str:
        """The log's verifier key. Whoever checks anything by it has pinned it, from elsewhere than from here."""
        return (self._transport.get("/ledger/v1/verifier-key")).text.strip()

    # Webhooks

    def register_webhook(
        self, url: str, *, types: Sequence[str] = (), after: str | None = None, key: str | None = None
    ) -> models.WebhookSecret:
        """`types`: of events, without versions; none: all. `after`: an id of the feed, to begin there and not now. No other answer has the
        secret."""
        body = {"url": url, "types": list(types)} | ({} if after is None else {"after": after})
        return self._post("/ledger/v1/webhooks", models.WebhookSecret, body, key)

    def webhooks(self) -> Iterator[models.Webhook]:
        return self._rows("/ledger/v1/webhooks", models.Webhook, {})

    def webhook_deliveries(self, webhook: str) -> list[models.WebhookDelivery]:
        """The last attempts, the newest first."""
        return (self._get(f"/ledger/v1/webhooks/{webhook}/deliveries", models.WebhookDeliveries)).data

    def test_webhook(self, webhook: str, *, key: str | None = None) -> models.WebhookDelivery:
        """Sends a `reserve.webhook_test.v1` at once."""
        return self._post(f"/ledger/v1/webhooks/{webhook}/test", models.WebhookDelivery, key=key)

    def rotate_webhook_secret(self, webhook: str, *, overlap_h: int = 24, key: str | None = None) -> models.WebhookSecret:
        """For so many hours the secret before signs as well."""
        return self._post(f"/ledger/v1/webhooks/{webhook}/secrets", models.WebhookSecret, {"overlap_h": overlap_h}, key)

    def replay_webhook(self, webhook: str, *, after: str | None = None, key: str | None = None) -> models.WebhookChanged:
        """Sends all again that comes after an id of the feed; None: from the first event on."""
        return self._post(f"/ledger/v1/webhooks/{webhook}/replay", models.WebhookChanged, {"after": after}, key)

    def stop_webhook(self, webhook: str, *, key: str | None = None) -> models.WebhookChanged:
        return self._post(f"/ledger/v1/webhooks/{webhook}/stop", models.WebhookChanged, key=key)

    def resume_webhook(self, webhook: str, *, key: str | None = None) -> models.WebhookChanged:
        return self._post(f"/ledger/v1/webhooks/{webhook}/resume", models.WebhookChanged, key=key)

    def remove_webhook(self, webhook: str, *, key: str | None = None) -> models.WebhookChanged:
        return self._post(f"/ledger/v1/webhooks/{webhook}/remove", models.WebhookChanged, key=key)

    def _get[T](self, path: str, kind: type[T]) -> T:
        return msgspec.json.decode((self._transport.get(path)).content, type=kind)

    def _post[T](self, path: str, kind: type[T], body: Any = None, key: str | None = None) -> T:
        return msgspec.json.decode((self._transport.post(path, body, key=key)).content, type=kind)

    def _rows[T](self, path: str, kind: type[T], query: dict[str, str | int]) -> Iterator[T]:
        cursor: str | None = None
        while True:
            page = page_of(kind, (self._transport.get(path, **query, cursor=cursor)).content)
            for row in page.data:
                yield row
            if (cursor := page.next) is None:
                return
