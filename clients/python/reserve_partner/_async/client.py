"""Client: what a partner may do at the Reserve, a method for each."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Self

import httpx
import msgspec

from reserve_partner import models
from reserve_partner._async.feed import AsyncFeed
from reserve_partner._async.transport import TIMEOUT_S, AsyncTokens, AsyncTransport
from reserve_partner.answers import Bulk, DrawItem, RequestItem, page_of

PATIENCE_S = 60.0


class AsyncClient:
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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        http = httpx.AsyncClient(timeout=TIMEOUT_S, transport=transport)
        tokens = AsyncTokens(http, token_url or f"{base_url.rstrip('/')}/oauth/token", client_id, client_secret)
        self._transport = AsyncTransport(base_url, tokens, http, patience_s)
        self.feed = AsyncFeed(self._transport, patience_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def me(self) -> models.Me:
        """Who the caller is, and what of its entitlements is left."""
        return await self._get("/allocation/v1/me", models.Me)

    # Asking

    async def submit_request(self, request: models.RequestBody, *, key: str | None = None) -> models.RequestTaken:
        return await self._post("/allocation/v1/requests", models.RequestTaken, request, key)

    async def submit_requests(
        self, items: Sequence[RequestItem], *, atomic: bool = False, key: str | None = None
    ) -> Bulk[models.RequestTaken]:
        """Up to 500 at once; `atomic`: all of them, of one product, or none."""
        body = {"items": items, "atomic": atomic}
        return await self._post("/allocation/v1/requests/bulk", Bulk[models.RequestTaken], body, key)

    async def withdraw_request(self, request: str, reason: str, *, key: str | None = None) -> models.RequestChange:
        return await self._post(f"/allocation/v1/requests/{request}/withdraw", models.RequestChange, {"reason": reason}, key)

    async def request(self, request: str) -> models.RequestDetail:
        return await self._get(f"/allocation/v1/requests/{request}", models.RequestDetail)

    def requests(self, **query: str | int) -> AsyncIterator[models.Request]:
        """`product`, `status`; `limit`: rows of a page."""
        return self._rows("/allocation/v1/requests", models.Request, query)

    def agreements(self, **query: str | int) -> AsyncIterator[models.Agreement]:
        return self._rows("/allocation/v1/agreements", models.Agreement, query)

    # What was decided

    def awards(self, **query: str | int) -> AsyncIterator[models.Award]:
        """`product`; `limit`: rows of a page."""
        return self._rows("/allocation/v1/awards", models.Award, query)

    async def round(self, round: str) -> models.Round:
        return await self._get(f"/allocation/v1/rounds/{round}", models.Round)

    async def certificate(self, decision: str) -> bytes:
        """Of a certified decision, for `proofs.check_certificate`. Receipts that it lacks yet are named in it: ask again in a second."""
        return (await self._transport.get(f"/allocation/v1/certificates/{decision}", format="json")).content

    # Drawing

    def releases(self, **query: str | int) -> AsyncIterator[models.Release]:
        """`product`, `status`; `limit`: rows of a page."""
        return self._rows("/inventory/v1/releases", models.Release, query)

    async def release(self, release: str) -> models.ReleaseDetail:
        return await self._get(f"/inventory/v1/releases/{release}", models.ReleaseDetail)

    async def draw(self, draw: DrawItem) -> models.Drawn:
        """Under its own `idempotency_key`. A partner that has keys signs it first (`signing.sign_draw`)."""
        body = {name: value for name, value in msgspec.to_builtins(draw).items() if name not in ("release", "idempotency_key")}
        return await self._post(f"/inventory/v1/releases/{draw.release}/draws", models.Drawn, body, draw.idempotency_key)

    async def draw_many(self, items: Sequence[DrawItem], *, atomic: bool = False, key: str | None = None) -> Bulk[models.Drawn]:
        """Up to 500 at once; `atomic`: all of them, of one product, or none."""
        return await self._post("/inventory/v1/draws/bulk", Bulk[models.Drawn], {"items": items, "atomic": atomic}, key)

    def draws(self, **query: str | int) -> AsyncIterator[models.Draw]:
        """`product`, `release`, `status`; `limit`: rows of a page."""
        return self._rows("/inventory/v1/draws", models.Draw, query)

    async def show_draw(self, draw: str) -> models.DrawDetail:
        return await self._get(f"/inventory/v1/draws/{draw}", models.DrawDetail)

    async def register_key(self, registration: dict[str, Any], *, key: str | None = None) -> models.PartnerKeyChange:
        """A key that signs draws from now on: nobody draws in the partner's name without it. `registration`: of `signing.registration`."""
        return await self._post("/allocation/v1/partner-keys", models.PartnerKeyChange, registration, key)

    async def revoke_key(self, key_id: str, reason: str, *, key: str | None = None) -> models.PartnerKeyChange:
        """For good."""
        return await self._post(f"/allocation/v1/partner-keys/{key_id}/revoke", models.PartnerKeyChange, {"reason": reason}, key)

    # What proves it

    async def receipt(self, place: str, *, witnessed: bool = False) -> str:
        """Of the event at `place` (`inventory/0/123`), for `proofs.check_receipt`; waits until the log covers it."""
        grade = "witnessed" if witnessed else "signed"
        return (await self._transport.get(f"/ledger/v1/receipts/{place}", wait=10, grade=grade)).text

    async def log_key(self) -> str:
        """The log's verifier key. Whoever checks anything by it has pinned it, from elsewhere than from here."""
        return (await self._transport.get("/ledger/v1/verifier-key")).text.strip()

    # Webhooks

    async def register_webhook(
        self, url: str, *, types: Sequence[str] = (), after: str | None = None, key: str | None = None
    ) -> models.WebhookSecret:
        """`types`: of events, without versions; none: all. `after`: an id of the feed, to begin there and not now. No other answer has the
        secret."""
        body = {"url": url, "types": list(types)} | ({} if after is None else {"after": after})
        return await self._post("/ledger/v1/webhooks", models.WebhookSecret, body, key)

    def webhooks(self) -> AsyncIterator[models.Webhook]:
        return self._rows("/ledger/v1/webhooks", models.Webhook, {})

    async def webhook_deliveries(self, webhook: str) -> list[models.WebhookDelivery]:
        """The last attempts, the newest first."""
        return (await self._get(f"/ledger/v1/webhooks/{webhook}/deliveries", models.WebhookDeliveries)).data

    async def test_webhook(self, webhook: str, *, key: str | None = None) -> models.WebhookDelivery:
        """Sends a `reserve.webhook_test.v1` at once."""
        return await self._post(f"/ledger/v1/webhooks/{webhook}/test", models.WebhookDelivery, key=key)

    async def rotate_webhook_secret(self, webhook: str, *, overlap_h: int = 24, key: str | None = None) -> models.WebhookSecret:
        """For so many hours the secret before signs as well."""
        return await self._post(f"/ledger/v1/webhooks/{webhook}/secrets", models.WebhookSecret, {"overlap_h": overlap_h}, key)

    async def replay_webhook(self, webhook: str, *, after: str | None = None, key: str | None = None) -> models.WebhookChanged:
        """Sends all again that comes after an id of the feed; None: from the first event on."""
        return await self._post(f"/ledger/v1/webhooks/{webhook}/replay", models.WebhookChanged, {"after": after}, key)

    async def stop_webhook(self, webhook: str, *, key: str | None = None) -> models.WebhookChanged:
        return await self._post(f"/ledger/v1/webhooks/{webhook}/stop", models.WebhookChanged, key=key)

    async def resume_webhook(self, webhook: str, *, key: str | None = None) -> models.WebhookChanged:
        return await self._post(f"/ledger/v1/webhooks/{webhook}/resume", models.WebhookChanged, key=key)

    async def remove_webhook(self, webhook: str, *, key: str | None = None) -> models.WebhookChanged:
        return await self._post(f"/ledger/v1/webhooks/{webhook}/remove", models.WebhookChanged, key=key)

    async def _get[T](self, path: str, kind: type[T]) -> T:
        return msgspec.json.decode((await self._transport.get(path)).content, type=kind)

    async def _post[T](self, path: str, kind: type[T], body: Any = None, key: str | None = None) -> T:
        return msgspec.json.decode((await self._transport.post(path, body, key=key)).content, type=kind)

    async def _rows[T](self, path: str, kind: type[T], query: dict[str, str | int]) -> AsyncIterator[T]:
        cursor: str | None = None
        while True:
            page = page_of(kind, (await self._transport.get(path, **query, cursor=cursor)).content)
            for row in page.data:
                yield row
            if (cursor := page.next) is None:
                return
