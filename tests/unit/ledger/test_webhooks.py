"""A partner's webhooks: what is registered of them, what is signed, and which addresses are called."""

import asyncio
import ssl
import threading
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpcore
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from services.ledger.domain.webhooks import (
    DECIDER,
    MOST_WEBHOOKS,
    Reason,
    RegisterWebhook,
    RemoveWebhook,
    ReplayWebhook,
    ResumeWebhook,
    RotateWebhookSecret,
    StopWebhook,
)
from services.ledger.events import (
    StopCause,
    WebhookId,
    WebhookRegistered,
    WebhookRemoved,
    WebhookReplayed,
    WebhookResumed,
    WebhookSecretRotated,
    WebhookStopped,
)
from services.ledger.keys import open_webhook_key, seed_key
from services.ledger.signers import KeyUnsafe
from services.ledger.webhooks import targets as calling
from services.ledger.webhooks.signing import secret_of, signed
from services.ledger.webhooks.targets import (
    ALL_BYTES,
    ANSWER_BYTES,
    RESOLVERS,
    RESOLVING_OF_ONE,
    Answer,
    Outcome,
    Resolver,
    TargetRefused,
    Targets,
    is_public,
)
from tests.stories.given import Given

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
HOOK = WebhookId("whk_one")
KEY = bytes(range(32))
BODY = b'{"specversion":"1.0","id":"7"}'


def registering(name: str = HOOK) -> RegisterWebhook:
    return RegisterWebhook(webhook=WebhookId(name), partner="JP", url="https://hooks.example/", types=(), begins=7)


def test_a_webhook_is_registered_rotated_stopped_resumed_replayed_and_removed():
    is_one = {"webhook": HOOK, "partner": "JP"}
    given = Given(DECIDER).when(registering()).then(WebhookRegistered(**is_one, url="https://hooks.example/", types=(), begins=7))
    given = given.when(RotateWebhookSecret(webhook=HOOK, before_until=NOON))
    given = given.then(WebhookSecretRotated(**is_one, secret=2, before_until=NOON))
    given = given.when(StopWebhook(webhook=HOOK, cause=StopCause.FAILING)).then(WebhookStopped(**is_one, cause=StopCause.FAILING))
    given = given.when(ResumeWebhook(webhook=HOOK)).then(WebhookResumed(**is_one))
    given = given.when(ReplayWebhook(webhook=HOOK, begins=0)).then(WebhookReplayed(**is_one, begins=0))
    given = given.when(RotateWebhookSecret(webhook=HOOK, before_until=NOON))
    given = given.then(WebhookSecretRotated(**is_one, secret=3, before_until=NOON))
    given = given.when(RemoveWebhook(webhook=HOOK)).then(WebhookRemoved(**is_one))
    given.when(ResumeWebhook(webhook=HOOK)).refused(Reason.NOT_FOUND)


def test_what_is_stopped_is_not_stopped_again_and_what_is_not_is_not_resumed():
    stop = StopWebhook(webhook=HOOK, cause=StopCause.ASKED)
    Given(DECIDER, registering()).when(ResumeWebhook(webhook=HOOK)).refused(Reason.NOT_STOPPED)
    Given(DECIDER, registering(), stop).when(stop).refused(Reason.STOPPED)


def test_what_the_reserve_stops_it_alone_resumes_and_what_had_stopped_before_stays_so():
    is_one = {"webhook": HOOK, "partner": "JP"}
    stop, resume = StopWebhook(webhook=HOOK, cause=StopCause.RESERVE), ResumeWebhook(webhook=HOOK, by_reserve=True)
    Given(DECIDER, registering(), stop).when(ResumeWebhook(webhook=HOOK)).refused(Reason.STOPPED_BY_RESERVE)
    Given(DECIDER, registering(), stop).when(stop).refused(Reason.STOPPED)
    Given(DECIDER, registering(), stop).when(resume).then(WebhookResumed(**is_one))
    Given(DECIDER, registering()).when(resume).refused(Reason.NOT_STOPPED)
    for cause in (StopCause.ASKED, StopCause.RESTORED):
        own = StopWebhook(webhook=HOOK, cause=cause)
        Given(DECIDER, registering(), own).when(resume).refused(Reason.NOT_STOPPED)
        Given(DECIDER, registering(), stop).when(own).refused(Reason.STOPPED)
        given = Given(DECIDER, registering(), own).when(stop).then(WebhookStopped(**is_one, cause=StopCause.RESERVE))
        given = given.when(resume).then(WebhookStopped(**is_one, cause=cause))
        given.when(ResumeWebhook(webhook=HOOK)).then(WebhookResumed(**is_one))


def test_a_partner_has_so_many_at_once_and_room_again_for_each_that_it_removes():
    full = [registering(f"whk_{number}") for number in range(MOST_WEBHOOKS)]
    Given(DECIDER, *full).when(registering()).refused(Reason.TOO_MANY)
    Given(DECIDER, *full, RemoveWebhook(webhook=WebhookId("whk_3"))).when(registering()).then(
        WebhookRegistered(webhook=HOOK, partner="JP", url="https://hooks.example/", types=(), begins=7)
    )


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def test_what_is_sent_is_signed_as_the_standard_says():
    secret = secret_of(KEY, HOOK, 1)
    headers = dict(signed([secret], "7", now(), BODY))
    assert Webhook(secret.text).verify(BODY, headers) == {"specversion": "1.0", "id": "7"}
    for wrong in ({"webhook-id": "8"}, {"webhook-timestamp": str(now() - 1000)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret.text).verify(BODY, headers | wrong)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(KEY, HOOK, 2).text).verify(BODY, headers)


def test_the_second_signature_is_by_the_public_key():
    """The library has no Ed25519 yet: what the standard says is checked by hand."""
    secret = secret_of(KEY, HOOK, 1)
    headers = signed([secret], "7", 1_767_657_600, BODY)
    version, _, signature = headers["webhook-signature"].split(" ")[1].partition(",")
    assert version == "v1a" and secret.public_key.startswith("whpk_")
    public = Ed25519PublicKey.from_public_bytes(b64decode(secret.public_key.removeprefix("whpk_")))
    public.verify(b64decode(signature), b"7.1767657600." + BODY)
    with pytest.raises(InvalidSignature):
        public.verify(b64decode(signature), b"8.1767657600." + BODY)


def test_each_webhook_each_number_and_each_deployment_has_a_secret_of_its_own():
    secrets = [secret_of(key, hook, number) for key in (KEY, bytes(32)) for hook in ("whk_1", "whk_11") for number in (1, 11)]
    assert len({each.text for each in secrets} | {each.public_key for each in secrets}) == 2 * len(secrets)


def test_while_two_secrets_hold_a_receiver_needs_either():
    secrets = [secret_of(KEY, HOOK, number) for number in (2, 1)]
    headers = dict(signed(secrets, "7", now(), BODY))
    for each in secrets:
        assert Webhook(each.text).verify(BODY, headers)
    assert [part.partition(",")[0] for part in headers["webhook-signature"].split(" ")] == ["v1", "v1", "v1a", "v1a"]


def test_the_key_of_the_secrets_is_private_and_stays(tmp_path: Path):
    seed_key(tmp_path)
    first = open_webhook_key(tmp_path)
    seed_key(tmp_path)
    assert open_webhook_key(tmp_path) == first
    (path := tmp_path / "keys" / "webhooks.key").chmod(0o640)
    with pytest.raises(KeyUnsafe, match="can be read by others"):
        open_webhook_key(tmp_path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(KeyUnsafe, match="not 32 bytes"):
        open_webhook_key(tmp_path)


INWARD = (
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255"),  # noqa: S104
    *("100.64.0.1", "100.100.100.200", "192.0.2.1", "198.18.0.1", "240.0.0.1", "168.63.129.16", "192.88.99.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
    *("::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:0:1::"),
)


@pytest.mark.parametrize("address", INWARD)
async def test_no_address_that_leads_inwards_is_called(address: str):
    assert not is_public(ip_address(address))
    targets = Targets(local=False, resolve=answering(["8.8.8.8", address]))  # among others, too
    with pytest.raises(TargetRefused):
        await targets.look("https://hooks.example/")
    assert await targets.post("https://hooks.example/", {}, BODY) == Answer(Outcome.REFUSED)


async def test_a_refusal_does_not_tell_a_name_that_leads_inwards_from_one_that_is_not_there():
    def fail(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    said = set()
    for resolve in (answering(["10.0.0.1"]), answering(["8.8.8.8", "fd00::1"]), answering([]), _as_async(fail)):
        with pytest.raises(TargetRefused) as refused:
            await Targets(local=False, resolve=resolve).look("https://db.internal/")
        said.add(str(refused.value))
    assert said == {"db.internal has no public address"}


@pytest.mark.parametrize("address", ["8.8.8.8", "::ffff:8.8.8.8", "2606:4700::1111"])
async def test_a_public_address_is_called(address: str):
    assert is_public(ip_address(address))
    await Targets(local=False, resolve=answering([address])).look("https://hooks.example:8443/path?query")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://hooks.example/",
            "ftp://hooks.example/",
            "file:///etc/passwd",
            "//hooks.example/",
            "hooks.example",
            "https://",
            "https:///x",
        ),
        *("https://ann@hooks.example/", "https://ann:secret@hooks.example/", "https://hooks.example/#part", "https://hooks.example:0x50/"),
        *(
            "https://hooks.example:99999/",
            "https://[::1/",
            "https://hooks.example/\u0007",
            "https://h\u00f6oks.example/",
            "https://a b/",
            "https://" + "a" * 500,
        ),
    ],
)
async def test_what_is_no_https_url_of_a_host_is_refused(url: str):
    with pytest.raises(TargetRefused):
        await Targets(local=False, resolve=answering(["8.8.8.8"])).look(url)


@pytest.mark.parametrize("error", [UnicodeError("label empty or too long"), OSError("no such name")])
async def test_a_name_that_is_none_or_unknown_is_refused_and_nothing_breaks(error: Exception):
    def fail(host: str, port: int) -> Sequence[str]:
        raise error

    targets = Targets(local=False, resolve=_as_async(fail))
    with pytest.raises(TargetRefused):
        await targets.look("https://hooks.example/")
    outcome = Outcome.UNREACHABLE if isinstance(error, OSError) else Outcome.REFUSED
    assert await targets.post("https://hooks.example/", {}, BODY) == Answer(outcome)


async def test_name_servers_that_do_not_answer_keep_nobody_else_waiting(monkeypatch: pytest.MonkeyPatch):
    """Neither another partner nor what writes tiles in the loop's own threads; and however often it is tried, few threads hang."""
    monkeypatch.setattr(calling, "CONNECT_S", 0.5)
    dead, hanging = threading.Event(), []

    def look_up(host: str, port: int, **_: object) -> Sequence[object]:
        if host == "dead.example":
            hanging.append(threading.current_thread().name)
            dead.wait()
        return [(None, None, None, "", ("127.0.0.1", port))]

    targets = Targets(local=True, resolve=(resolver := Resolver(look_up)))
    try:
        attempts = (targets.post("http://dead.example/", {}, BODY, "JP") for _ in range(2 * RESOLVERS))
        assert set(await asyncio.gather(*attempts)) == {Answer(Outcome.UNREACHABLE)}
        assert len(hanging) == RESOLVING_OF_ONE and all(name.startswith("webhook-names") for name in hanging)
        with pytest.raises(TargetRefused):
            await targets.look("http://dead.example/", "JP")
        async with a_server([OK]) as (url, _):
            assert await targets.post(url.replace("127.0.0.1", "hooks.example"), {}, BODY, "EU") == Answer(Outcome.DELIVERED, 200)
    finally:
        dead.set()
        resolver.close()
        await targets.close()


def answering(addresses: Sequence[str]):
    return _as_async(lambda host, port: addresses)


def _as_async(give):
    async def found(host: str, port: int) -> Sequence[str]:
        return give(host, port)

    return found


async def test_one_that_was_registered_on_a_machine_for_trying_is_refused_where_it_is_no_more():
    async with a_server([OK]) as (url, heads):
        for other in (url, url.replace("http", "HTTP"), "ftp://hooks.example/", "", ":", "hooks.example"):
            assert await Targets(local=False).post(other, {}, BODY) == Answer(Outcome.REFUSED)
    assert heads == []


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("x"), httpcore.UnsupportedProtocol("x")])
async def test_whatever_breaks_an_attempt_is_an_attempt_that_failed(error: Exception):
    def fail(host: str, port: int) -> Sequence[str]:
        raise error

    assert await Targets(local=False, resolve=_as_async(fail)).post("https://hooks.example/", {}, BODY) == Answer(Outcome.UNREACHABLE)


async def test_http_is_for_the_loopback_of_a_machine_for_trying_alone():
    await Targets(local=True).look("http://127.0.0.1:9/")
    for url, address in (
        ("http://hooks.example/", "8.8.8.8"),
        ("http://hooks.example/", "10.0.0.1"),
        ("https://hooks.example/", "10.0.0.1"),
    ):
        with pytest.raises(TargetRefused):
            await Targets(local=True, resolve=answering([address])).look(url)
    with pytest.raises(TargetRefused):
        await Targets(local=False).look("https://127.0.0.1/")


@asynccontextmanager
async def a_server(
    answers: Sequence[bytes], *, then_close: bool = True, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """(its URL, the heads of what it was sent). Each connection is answered with these bytes, one a request."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for answer in answers:
                heads.append(head := await reader.readuntil(b"\r\n\r\n"))
                length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(length)
                writer.write(answer)
                await writer.drain()
            if not then_close:
                await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook", heads


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OK, Answer(Outcome.DELIVERED, 200)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Answer(Outcome.DELIVERED, 204)),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", Answer(Outcome.ANSWERED, 500)),
        (b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n", Answer(Outcome.ANSWERED, 302)),
        (b"HTTP/1.1 307 Again\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n", Answer(Outcome.ANSWERED, 307)),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n" + b"x" * 2 * ANSWER_BYTES, Answer(Outcome.DELIVERED, 200)),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * (ALL_BYTES - 2000) + b"\r\n\r\n" + b"z" * 4000, Answer(Outcome.DELIVERED, 200)),
        (b"HTTP/1.1 103 Early\r\nlink: </x>\r\n\r\n" + OK, Answer(Outcome.DELIVERED, 200)),
        (b"HTTP/1.1 103 Early\r\nlink: </x>\r\n\r\n" * 1000 + OK, Answer(Outcome.UNREACHABLE)),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (ALL_BYTES // 6) + b"\r\n", Answer(Outcome.UNREACHABLE)),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut", Answer(Outcome.UNREACHABLE)),
        (b"", Answer(Outcome.UNREACHABLE)),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Answer(Outcome.UNREACHABLE)),
        (b"\x00\xff" * 100, Answer(Outcome.UNREACHABLE)),
        (b"HTTP/1.1 200 OK\r\n" + b"x-long: " + b"y" * 200_000 + b"\r\n\r\n", Answer(Outcome.UNREACHABLE)),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", Answer(Outcome.UNREACHABLE)),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_an_answer_is_its_status_and_no_answer_breaks_the_sender(answer: bytes, expected: Answer):
    targets = Targets(local=True)
    async with a_server([answer]) as (url, heads):
        assert await targets.post(url, {"webhook-id": "7"}, BODY) == expected
    assert len(heads) == 1, "sent once, and no redirect is followed"
    await targets.close()


async def test_an_answer_that_never_ends_is_cut_though_none_of_it_is_a_body():
    """Each piece is a whole answer that says 1xx: the status that counts never comes."""
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            while True:
                writer.write(piece := b"HTTP/1.1 102 Wait\r\n\r\n" * 10)
                await writer.drain()
                sent += len(piece)
        except OSError:
            pass
        finally:
            writer.close()

    targets = Targets(local=True)
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        assert await targets.post(url, {}, BODY) == Answer(Outcome.UNREACHABLE)
    assert sent >= ALL_BYTES
    await targets.close()


async def test_each_answer_on_a_connection_has_its_own_limit():
    long = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: " + b"y" * (ALL_BYTES - 1000) + b"\r\n\r\nok"
    targets = Targets(local=True)
    async with a_server([long] * 3, then_close=False) as (url, heads):
        for _ in range(3):
            assert await targets.post(url, {}, BODY) == Answer(Outcome.DELIVERED, 200)
        await targets.close()
    assert len(heads) == 3


async def test_a_name_that_leads_inwards_the_second_time_is_not_called_again():
    """Whoever owns the name answers with a good address while it is looked at, and with another one later."""
    said = [["127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"]]
    targets = Targets(local=True, resolve=_as_async(lambda host, port: said.pop(0)))
    async with a_server([OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")]) as (url, heads):
        url = url.replace("127.0.0.1", "hooks.example")
        await targets.look(url)
        assert await targets.post(url, {}, BODY) == Answer(Outcome.DELIVERED, 200)
        assert await targets.post(url, {}, BODY) == Answer(Outcome.REFUSED)
    assert len(heads) == 1 and b"host: hooks.example" in heads[0].lower(), "the address is the one that was looked at, the name stays"
    assert said == []
    await targets.close()


async def test_a_connection_is_kept_for_the_next_event():
    asked = []
    targets = Targets(local=True, resolve=_as_async(lambda host, port: asked.append(host) or ["127.0.0.1"]))
    async with a_server([OK] * 3, then_close=False) as (url, heads):
        for _ in range(3):
            assert (await targets.post(url.replace("127.0.0.1", "hooks.example"), {}, BODY)).outcome is Outcome.DELIVERED
        await targets.close()
    assert (len(heads), asked) == (3, ["hooks.example"])


def certificate(folder: Path, host: str) -> Path:
    """Of a host, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)]), datetime.now(UTC)
    of_host = x509.SubjectAlternativeName([x509.DNSName(host)])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    signed = made.add_extension(of_host, critical=False).sign(key, hashes.SHA256())
    (file := folder / f"{host}.pem").write_bytes(private + signed.public_bytes(pem))
    return file


@pytest.mark.parametrize(
    ("host", "trusts", "expected"),
    [
        ("hooks.example", True, Answer(Outcome.DELIVERED, 200)),
        ("other.example", True, Answer(Outcome.UNREACHABLE)),
        ("hooks.example", False, Answer(Outcome.UNREACHABLE)),
    ],
    ids=["its own", "another host's", "nobody vouches for it"],
)
async def test_the_connection_to_the_address_is_with_the_host_by_its_certificate(tmp_path: Path, host: str, trusts: bool, expected: Answer):
    file = certificate(tmp_path, host)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    asked: list[str] = []
    server.sni_callback = lambda _, name, __: asked.append(name)
    trust = ssl.create_default_context(cafile=file) if trusts else None
    targets = Targets(local=True, resolve=answering(["127.0.0.1"]), trust=trust)
    async with a_server([OK], tls=server) as (url, heads):
        assert await targets.post(url.replace("127.0.0.1", "hooks.example"), {}, BODY) == expected
        await targets.close()
    assert (asked, len(heads)) == (["hooks.example"], int(expected.outcome is Outcome.DELIVERED))
