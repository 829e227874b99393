"""The steps of the check, in their order. Each is a promise of the API that a client builds on; each leaves the sandbox as it can.

What it changes there: a request of the smallest size, which it withdraws; one draw of the smallest unit; a webhook, which it removes.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve_partner._sync.client import Client
from reserve_partner.answers import DrawItem
from reserve_partner.check.network import FailingNetwork
from reserve_partner.check.receiver import Receiver, receiving
from reserve_partner.models import Drawn, Event, Me, Release, RequestBody
from reserve_partner.problems import NoAnswer, NoToken, ProblemError
from reserve_partner.proofs import ReceiptInvalid, check_certificate, check_receipt
from reserve_partner.signing import sign_draw, sign_request
from reserve_partner.webhooks import WebhookInvalid, WebhookTest, verify_webhook

FEW = 3  # rows, or events, of which an order can be seen
WAIT_S = 25  # for news; the most that the feed waits
WITHIN_S = 60.0  # the ledger covers a draw in well under a second; a sandbox may be slow
NEEDED_IN = timedelta(days=120)
FOR = "reserve-partner check"


class Broken(Exception):
    """The promise is not kept."""


class NotTried(Exception):
    """What it needs is not there. It says what."""


@dataclass(frozen=True)
class Sandbox:
    """`log_key`: pinned, from elsewhere than the Reserve. `key`: of a partner that signs its draws. `receiver_url`: what leads to `port` of
    this machine from the Reserve; None: the loopback, which only a Reserve on this machine calls. `network`: in the place of httpx's."""

    base_url: str
    client_id: str
    client_secret: str
    log_key: str
    token_url: str | None = None
    key: Ed25519PrivateKey | None = None
    receiver_url: str | None = None
    port: int = 0
    network: httpx.BaseTransport | None = None

    @property
    def origin(self) -> str:
        """Of the log: the name in its key."""
        return self.log_key.partition("+")[0]


@dataclass(frozen=True)
class Row:
    """Of the table. `said`: what was seen, or why not."""

    what: str
    came: Literal["passed", "failed", "not tried"]
    said: str


@dataclass
class Walk:
    """What later steps know of earlier ones."""

    sandbox: Sandbox
    client: Client
    network: FailingNetwork
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])  # of this walk's idempotency keys
    me: Me | None = None
    release: Release | None = None
    drawn: Drawn | None = None
    last: str | None = None  # the feed's last event before anything was done

    def partner(self) -> Me:
        if self.me is None:
            raise NotTried("the Reserve did not say who asks")
        return self.me


def walk(sandbox: Sandbox) -> Iterator[Row]:
    """A row each step, as it is done. Raises nothing of the Reserve's: what fails is a row."""
    network = FailingNetwork(sandbox.network)
    with Client(sandbox.base_url, sandbox.client_id, sandbox.client_secret, token_url=sandbox.token_url, transport=network) as client:
        walked = Walk(sandbox, client, network)
        for what, step in STEPS.items():
            yield _row(what, step, walked)


def _row(what: str, step: Callable[[Walk], str], walked: Walk) -> Row:
    try:
        return Row(what, "passed", step(walked))
    except NotTried as why:
        return Row(what, "not tried", str(why))
    except (Broken, ProblemError, NoAnswer, NoToken, ReceiptInvalid, WebhookInvalid, msgspec.MsgspecError, ValueError, OSError) as error:
        return Row(what, "failed", str(error) or repr(error))


def wrong_secret(walked: Walk) -> str:
    sandbox = walked.sandbox
    stranger = Client(
        sandbox.base_url, sandbox.client_id, f"not-{sandbox.client_secret}", token_url=sandbox.token_url, transport=sandbox.network
    )
    with stranger:
        try:
            stranger.me()
        except NoToken:
            return "the issuer gives no token for it"
    raise Broken("the issuer gave a token for a secret that is none")


def who_am_i(walked: Walk) -> str:
    me = walked.client.me()
    if me.partner is None:
        raise Broken(f"{walked.sandbox.client_id} acts for no partner")
    walked.me = me
    walked.last = next((event.id for event in reversed(_events(walked))), None)
    return f"{me.partner}, with {_many(len(me.entitlements), 'product')} to ask for"


def wrong_input(walked: Walk) -> str:
    """Three refusals, each by its code and the part that is wrong."""
    before = _requests(walked)
    key = f"{walked.run}-wrong"
    asked = msgspec.structs.replace(_asked(walked, key), mass_g=-1)
    _refused(lambda: walked.client.submit_request(asked, key=key), "invalid_request", field="/mass_g")
    draw = DrawItem(release="rel_00000000000000000000000000", idempotency_key=f"{walked.run}-none", mass_g=1)
    _refused(lambda: walked.client.draw(_signed(walked, draw)), "release_not_found")
    _refused(lambda: list(walked.client.requests(colour="blue")), "query_parameter_unknown", field="query:colour")
    if _requests(walked) != before:
        raise Broken("what was refused has changed something")
    return "a mass below nothing, a release that is not there, an unknown parameter: refused by code, and nothing changed"


def lost_answer(walked: Walk) -> str:
    """A command whose answer is lost is sent again by the client, and done once."""
    before, key = _requests(walked), f"{walked.run}-request"
    asked = _asked(walked, key)
    walked.network.lose_next = True
    taken = walked.client.submit_request(asked, key=key)
    if walked.network.lose_next:
        raise Broken("no answer was lost: the command went without an Idempotency-Key")
    again = walked.client.submit_request(asked, key=key)
    found = _requests(walked) - before
    if found != {taken.request} or again.request != taken.request:
        raise Broken(f"one request, sent three times under one key, became {sorted(found | {again.request})}")
    other = _asked(walked, key, end_use=f"{FOR}, something else")
    _refused(lambda: walked.client.submit_request(other, key=key), "idempotency_key_reused")
    left = walked.client.withdraw_request(taken.request, FOR, key=f"{key}-withdrawn").status
    if left != "withdrawn":
        raise Broken(f"the request was withdrawn, and is {left}")
    return f"{taken.request}: sent three times, once unanswered, and taken once; another under its key is refused; withdrawn"


def pages(walked: Walk) -> str:
    by_one = [row.request for row in islice(walked.client.requests(limit=1), FEW)]
    together = [row.request for row in islice(walked.client.requests(), FEW)]
    if by_one != together:
        raise Broken(f"one a page: {by_one}; all on one: {together}")
    return f"{_many(len(by_one), 'request')}, one a page, in the order in which one page has them"


def draw_to_receipt(walked: Walk) -> str:
    release, smallest_g = _drawable(walked)
    draw = DrawItem(release=release.release, idempotency_key=f"{walked.run}-draw", mass_g=smallest_g)
    draw = _signed(walked, draw)
    walked.network.lose_next = True
    walked.release, walked.drawn = release, (drawn := walked.client.draw(draw))
    left = walked.client.release(release.release).remaining_g
    if left != drawn.remaining_g or left != release.remaining_g - smallest_g:
        raise Broken(f"{release.remaining_g} g were left, {smallest_g} g were drawn once, and {left} g are left")
    receipt = check_receipt(walked.client.receipt(drawn.place), walked.sandbox.log_key)
    if receipt.event is None or receipt.event["data"].get("draw") != drawn.draw:
        raise Broken(f"the receipt of {drawn.place} is not of {drawn.draw}")
    return f"{drawn.draw}: {smallest_g} g, once, though its answer was lost; leaf {receipt.index} of {receipt.origin}, checked offline"


def award(walked: Walk) -> str:
    """The award behind the release, worked out from the certificate by the rule in it."""
    if (release := walked.release) is None:
        raise NotTried("nothing was drawn, so that no award is known")
    checked = check_certificate(walked.client.certificate(release.decision), walked.sandbox.log_key)
    if not checked.holds:
        raise Broken("; ".join(f"{name}: {why}" for name, why in checked.failed.items()) or "no receipt shows that it was certified")
    open_ends = _many(len(checked.not_checkable), "thing")
    return (
        f"{release.decision[:12]}...: {_many(len(checked.passed), 'thing')} hold, worked out again; {open_ends} cannot be seen from a file"
    )


def feed_after_a_fall(walked: Walk) -> str:
    """Whoever falls goes on after the last event that they kept, and has each once."""
    whole = _events(walked)
    fell = len(whole) // 2
    kept = whole[:fell]
    kept += list(walked.client.feed.events(after=kept[-1].id if kept else None))[: len(whole) - fell]
    if [event.id for event in kept] != [event.id for event in whole]:
        raise Broken("after a fall other events came than without one")
    counted: dict[str, int] = {}
    for event in whole:
        if event.partnerseq is not None and event.partner == walked.partner().partner:
            line = f"{event.source}~{event.id.partition('-')[0] if '-' in event.id else 1}"
            if event.partnerseq != counted.get(line, 0) + 1:
                raise Broken(f"{event.id}: number {event.partnerseq} of {event.source}, after {counted.get(line, 0)}")
            counted[line] = event.partnerseq
    return f"{_many(len(whole), 'event')} from the first on, numbered without a gap; gone on after event {fell}, none twice, none lost"


def _events(walked: Walk) -> list[Event]:
    """All of the feed, up to the draw's event, which is waited for."""
    if (drawn := walked.drawn) is None:
        return list(walked.client.feed.events())
    ends, found, after = time.monotonic() + WITHIN_S, list[Event](), None
    while True:
        page = walked.client.feed.page(after, wait_s=WAIT_S)
        found, after = [*found, *page.data], page.cursor
        if not page.more and any(event.place == drawn.place for event in found):
            return found
        if time.monotonic() > ends:
            raise Broken(f"the event of {drawn.place} is not in the feed")


def stream_that_breaks(walked: Walk) -> str:
    expected = [event.id for event in islice(walked.client.feed.events(), FEW)]
    if len(expected) < FEW:
        raise NotTried(f"the feed has {_many(len(expected), 'event')}: too few for an order")
    walked.network.break_stream = True
    followed = [event.id for event in islice(walked.client.feed.follow(), FEW)]
    walked.network.break_stream = False
    if followed != expected:
        raise Broken(f"the stream gave {followed}, the pages {expected}")
    return f"server-sent events, cut after the first: {_many(FEW, 'event')}, none twice, none lost"


def webhook(walked: Walk) -> str:
    with receiving(walked.sandbox.port) as receiver:
        url = walked.sandbox.receiver_url or f"http://127.0.0.1:{receiver.port}/"
        try:
            registered = walked.client.register_webhook(url, after=walked.last, key=f"{walked.run}-webhook")
        except ProblemError as refused:
            if walked.sandbox.receiver_url is None and refused.status == 422:
                raise NotTried(f"{refused.code}: the Reserve does not call this machine; --receiver-url says what leads here") from refused
            raise
        try:
            tested = walked.client.test_webhook(registered.webhook)
            if tested.outcome != "delivered":
                raise Broken(f"a test event to {url}: {tested.outcome}, status {tested.status}")
            return _verified(walked, receiver, registered.secret, registered.public_key)
        finally:
            walked.client.remove_webhook(registered.webhook)


def _verified(walked: Walk, receiver: Receiver, secret: str, public_key: str) -> str:
    """The test event, and the draw's, by either key; and the same with one byte changed by none."""

    def sought(body: bytes, headers: dict[str, str]) -> Event | None:
        for key in (secret, public_key):
            event = verify_webhook(body, headers, key)
            try:
                verify_webhook(body.replace(b"{", b"{ ", 1), headers, key)
            except WebhookInvalid:
                continue
            raise Broken("what was changed on its way is taken")
        if isinstance(event, WebhookTest):
            return None
        return event if walked.drawn is None or event.place == walked.drawn.place else None

    if (event := receiver.wait(sought, WITHIN_S)) is None:
        raise Broken(f"of {_many(len(receiver.arrived), 'delivery', 'deliveries')} none was the event looked for")
    return f"a test event and {event.type} of {event.place} arrived, signed twice (HMAC, Ed25519); a changed one is refused"


STEPS: dict[str, Callable[[Walk], str]] = {
    "a wrong secret": wrong_secret,
    "who am I": who_am_i,
    "wrong input": wrong_input,
    "a command whose answer is lost": lost_answer,
    "pages": pages,
    "a draw to its receipt": draw_to_receipt,
    "an award recomputed": award,
    "the feed after a fall": feed_after_a_fall,
    "a stream that breaks": stream_that_breaks,
    "a webhook": webhook,
}


def _requests(walked: Walk) -> set[str]:
    return {row.request for row in walked.client.requests()}


def _asked(walked: Walk, key: str, end_use: str = FOR) -> RequestBody:
    """Of a partner that has keys, signed for that Idempotency-Key."""
    products = [each.product for each in walked.partner().entitlements if each.left_g]
    if not products:
        raise NotTried("the partner may ask for nothing this year")
    asked = RequestBody(
        product=products[0],
        mass_g=1_000,
        daily_consumption_g=1_000,
        needed_by=datetime.now(UTC).date() + NEEDED_IN,
        nominee=FOR,
        consignee=FOR,
        end_user=FOR,
        end_use=end_use,
    )
    if (own := walked.sandbox.key) is None:
        return asked
    return sign_request(asked, own, me=walked.partner(), origin=walked.sandbox.origin, idempotency_key=key)


def _drawable(walked: Walk) -> tuple[Release, int]:
    """The first release that can be drawn, and its smallest unit."""
    walked.partner()
    for release in walked.client.releases(status="open"):
        detail = walked.client.release(release.release)
        units = [each.nominal_unit_g for each in release.units if each.units]
        if units and detail.held_since is None and (detail.loan is None or detail.loan.committed) and release.remaining_g >= min(units):
            return release, min(units)
    raise NotTried("the partner has no release that can be drawn: ask the Reserve for one in the sandbox")


def _signed(walked: Walk, draw: DrawItem) -> DrawItem:
    own = walked.sandbox.key
    return draw if own is None else sign_draw(draw, own, me=walked.partner(), origin=walked.sandbox.origin)


def _refused(call: Callable[[], object], code: str, field: str | None = None) -> None:
    try:
        call()
    except ProblemError as refused:
        if refused.code == code and field in (None, refused.field, *(fault.field for fault in refused.problem.errors)):
            return
        raise Broken(f"expected {code} in {field}; it is {refused}") from refused
    raise Broken(f"it was taken, and should be {code}")


def _many(count: int, thing: str, things: str | None = None) -> str:
    return f"{count} {thing if count == 1 else things or f'{thing}s'}"
