"""A partner that has keys: nobody draws in its name, and what it signed is found by the audit."""

import secrets
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reserve.client import Client, GivenToken, ProblemAnswer
from reserve.commands.approve import Signer, sign_document
from reserve.commands.approver_key import new_key
from services.identity.tokens import Claims, TokenSigner, signing_key
from services.inventory.events import DrawPaper, LotId, ReleaseId
from shared.journal.record import canonical
from tests.e2e.auditing import audited
from tests.e2e.world import UNIT_G, World
from tests.waiting import until

DRAWS = "/inventory/v1/releases/{}/draws"


@pytest.fixture
async def zealand(world: World) -> AsyncIterator[Client]:
    """A partner of this test's own, since from its first key on all of its draws are signed."""
    signer = TokenSigner(signing_key(world.running.folder / "keys"), issuer=world.running.endpoints.issuer, audience="reserve")
    token = signer.sign(Claims(subject="sub_nz", client_id="partner-nz", roles=("partner",), partner="NZ"))
    registered = await world.post(world.admin, "/allocation/v1/partners", {"partner": "NZ", "name": "New Zealand"})
    await world.operator.get("/inventory/v1/products", at_least=registered.position)
    async with Client(world.running.endpoints.base_url, GivenToken(token)) as client:
        world.clients["partner-nz"] = client
        yield client
        del world.clients["partner-nz"]


def signed(world: World, folder: Path, paper: dict[str, Any]) -> dict[str, Any]:
    """By the command that a partner has, as it is written in docs/partner-signatures.md."""
    (folder / "paper.json").write_bytes(canonical(paper))
    signer = Signer(approver="NZ", key_file=folder / "nz.pem", origin=world.registrar.origin, authority=None)
    said: dict[str, Any] = msgspec.json.decode(sign_document(folder / "paper.json", signer))
    return said


def draw_signed(world: World, folder: Path, release: str, key: str, mass_g: int = UNIT_G, **changed: Any) -> dict[str, Any]:
    """The body of a draw that is sent under that Idempotency-Key. `changed`: of what is signed."""
    paper = DrawPaper(
        partner="NZ",
        release=ReleaseId(release),
        mass_g=mass_g,
        lots=(),
        assign_rights=False,
        client="partner-nz",
        subject="sub_nz",
        idempotency_key=key,
    )
    said = signed(world, folder, msgspec.to_builtins(msgspec.structs.replace(paper, **changed)))
    return {"mass_g": mass_g, "signature": f"{said['key_id']}:{said['signature']}"}


async def asked_and_objected(world: World, zealand: Client, folder: Path, product: str) -> None:
    """By a partner that has a key: as docs/partner-signatures.md has it, with a text that stays erasable."""
    sent = {"client": "partner-nz", "subject": "sub_nz"}

    def with_signature(body: dict[str, Any], paper: dict[str, Any], key: str, salt: str) -> dict[str, Any]:
        said = signed(world, folder, paper | sent | {"partner": "NZ", "idempotency_key": key})
        return body | {"salt": salt, "signature": f"{said['key_id']}:{said['signature']}"}

    def commitment(salt: str, key: str, name: str, text: str) -> str:
        own = sha256(canonical([salt, "partner-nz", "sub_nz", key, name])).digest()[:16]
        return f"text:{sha256(b'\x04' + own + text.encode()).hexdigest()}"

    path, words = "/allocation/v1/requests", "the smelter burned"
    body = world.request_body(product, UNIT_G, statement={"event": words})
    with pytest.raises(ProblemAnswer, match="partner_signature_missing"):
        await world.post(zealand, path, body)
    stated = dict.fromkeys(("impact", "alternatives", "quality"), "") | {"duration_days": 0}
    asked = body | {"format": "reserve.request.v1", "least_contents": {}, "excluded_origins": [], "return_on": None}
    salt = secrets.token_hex(16)
    paper = asked | {"statement": stated | {"event": commitment(salt, "nz-asks", "statement.event", words)}}
    whole = with_signature(body, paper, "nz-asks", salt)
    for changed in ({"mass_g": 2 * UNIT_G}, {"statement": {"event": "it did not"}}, {"salt": secrets.token_hex(16)}, {"salt": None}):
        key = f"nz-asks-{secrets.token_hex(4)}"
        with pytest.raises(ProblemAnswer, match="partner_signature_invalid"):
            await world.post(zealand, path, with_signature(body, paper, key, salt) | changed, key=key)
    request = (await world.post(zealand, path, whole, key="nz-asks"))["request"]
    assert (await zealand.get(f"{path}/{request}"))["statement"]["event"] == words

    await world.accepted(request, UNIT_G // 2)
    objections, salt = f"{path}/{request}/objections", secrets.token_hex(16)
    reasons = {"reasons": ["too little"]}
    with pytest.raises(ProblemAnswer, match="partner_signature_missing"):
        await world.post(zealand, objections, reasons)
    named = [commitment(salt, "nz-objects", f"{request}.reasons.0", "too little")]
    paper = {"format": "reserve.objection.v1", "request": request, "reasons": named}
    objection = (await world.post(zealand, objections, with_signature(reasons, paper, "nz-objects", salt), key="nz-objects"))["objection"]
    assert (await zealand.get(f"/allocation/v1/objections/{objection}"))["reasons"] == reasons["reasons"]


async def test_nobody_draws_in_the_name_of_a_partner_that_has_keys(world: World, zealand: Client, tmp_path: Path) -> None:
    product = await world.registered_product()
    lot = await world.taken_in(product, 6)
    release = await world.released_to("NZ", product, 6 * UNIT_G)
    path = DRAWS.format(release)
    await world.post(zealand, path, {"mass_g": UNIT_G})  # it has no key yet

    public_key, key, fingerprint = new_key(tmp_path / "nz.pem")
    [agreement] = await world.rows(zealand, "/allocation/v1/agreements")
    terms = {name: agreement[name] for name in ("products", "priority_class", "valid_until")}
    amendment = terms | {"reason": "it signs", "key_fingerprint": fingerprint}
    await world.countersigned(f"agreements/{agreement['agreement']}/amend", amendment, service="allocation")
    paper = {"format": "reserve.partner_key.v1", "partner": "NZ", "key": key, "public_key": public_key}
    body = {"public_key": public_key, "possession": signed(world, tmp_path, paper)}
    assert (await world.post(zealand, "/allocation/v1/partner-keys", body))["key"] == key

    async def asks_for_a_signature() -> bool:
        try:
            await world.post(world.operator, path, {"mass_g": 7 * UNIT_G})  # more than there is, so that it is never drawn
        except ProblemAnswer as refused:
            return refused.code == "partner_signature_missing"
        return False

    await until(asks_for_a_signature)
    with pytest.raises(ProblemAnswer, match="partner_signature_missing"):
        await world.post(zealand, path, {"mass_g": UNIT_G})
    other = {"lots": [lot]}, {"mass_g": 2 * UNIT_G}, {"assign_rights": True}
    for number, changed in enumerate(other):  # than was signed
        key_of_it = f"nz-other-{number}"
        with pytest.raises(ProblemAnswer, match="partner_signature_invalid"):
            await world.post(zealand, path, draw_signed(world, tmp_path, release, key_of_it) | changed, key=key_of_it)
    for client, sent in ((zealand, "nz-again"), (world.operator, "nz-1")):  # what was signed for one command, sent as another
        with pytest.raises(ProblemAnswer, match="partner_signature_invalid"):
            await world.post(client, path, draw_signed(world, tmp_path, release, "nz-1"), key=sent)

    body = draw_signed(world, tmp_path, release, "nz-1")
    first, again = [await world.post(zealand, path, body, key="nz-1") for _ in range(2)]
    assert first.body == again.body
    assert first["remaining_g"] == 4 * UNIT_G
    of_lot = draw_signed(world, tmp_path, release, "nz-2", lots=(LotId(lot),))
    keyed = {"idempotency_key": "nz-2", "release": release, "lots": [lot]}
    unsigned = {"idempotency_key": "nz-3", "release": release, "mass_g": UNIT_G}
    bulk = await world.post(zealand, "/inventory/v1/draws/bulk", {"items": [of_lot | keyed, unsigned]})
    assert [item["status"] for item in bulk["items"]] == [201, 403]

    await asked_and_objected(world, zealand, tmp_path, product)
    await world.post(zealand, f"/allocation/v1/partner-keys/{key}/revoke", {"reason": "stolen"})

    async def revoked() -> bool:
        new = secrets.token_hex(8)  # what is refused is refused again under its key
        try:
            await world.post(zealand, path, draw_signed(world, tmp_path, release, new, 7 * UNIT_G), key=new)
        except ProblemAnswer as refused:
            return refused.code == "partner_signature_invalid"
        return False

    await until(revoked)
    assert (await world.post(zealand, path, body, key="nz-1")).body == first.body  # what was answered stays answered
    report = await audited(world)
    [signatures] = [result for result in report.checks if result.check == "partners_sign"]
    assert (signatures.failed, signatures.checked >= 9) == (0, True), signatures.failures
