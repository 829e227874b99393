"""Webhooks: nothing is said of one that its partner did not register, or has removed; and each secret is the next."""

from reserve.audit.evidence import LEDGER, Recorded
from reserve.audit.report import Check, Findings
from services.ledger.events import (
    WebhookEvent,
    WebhookRegistered,
    WebhookRemoved,
    WebhookReplayed,
    WebhookResumed,
    WebhookSecretRotated,
    WebhookStopped,
)


class RegisteredWebhooks:
    """`secret`: by the partner and the webhook, the number of the one that signs."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._secret: dict[tuple[str, str], int] = {}

    def see(self, record: Recorded, event: WebhookEvent) -> None:
        place, named = record.place(LEDGER), (event.partner, event.webhook)
        own = record.stream == f"webhooks/{event.partner}"
        self._findings.look(Check.SHAPES, own, place, f"a webhook of {event.partner} is in the stream {record.stream}")
        secret = self._secret.get(named)
        match event:
            case WebhookRegistered():
                self._findings.look(Check.SHAPES, secret is None, place, f"{event.webhook} was registered before")
                self._secret[named] = 1
            case WebhookRemoved():
                self._known(place, event.webhook, secret)
                self._secret.pop(named, None)
            case WebhookSecretRotated():
                self._known(place, event.webhook, secret)
                follows = secret is None or event.secret == secret + 1
                self._findings.look(Check.SHAPES, follows, place, f"secret {event.secret} of {event.webhook} comes after {secret}")
                self._secret[named] = event.secret
            case WebhookStopped() | WebhookResumed() | WebhookReplayed():
                self._known(place, event.webhook, secret)

    def _known(self, place: str, webhook: str, secret: int | None) -> None:
        self._findings.look(Check.SHAPES, secret is not None, place, f"its partner has no webhook {webhook}")
