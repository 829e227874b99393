"""Certificates: a partner checks its own award, offline, with what the certificate opens to it and nothing else."""

from typing import Any

import msgspec

from reserve.commands.certificate import check
from reserve.demo.parties import Unexpected, until
from reserve.demo.scenario import PARTNERS, PRODUCTS
from reserve.demo.screen import mass
from reserve.demo.stage import Stage
from services.allocation.domain.decisions.certificate import read_certificate

PARTNER = "JP"


async def check_own_award(stage: Stage) -> None:
    """As `reserve certificate verify` does it. Raises Unexpected if what is sound fails, or what is changed passes."""
    product = PRODUCTS[0]
    decision = stage.rounds[product.product]["decision"]
    content: bytes = await until("the certificate, with all of its receipts", lambda: _whole(stage, decision))
    (stage.folder / f"{decision[:12]}.certificate.json").write_bytes(content)
    looked = list(check(read_certificate(content), [stage.log_key]))
    if failed := [found for outcome, found in looked if outcome == "failed"]:
        raise Unexpected(f"the certificate of {decision} does not hold: {failed[0]}")
    counts = {kind: sum(outcome == kind for outcome, _ in looked) for kind in ("passed", "not_checkable")}
    line = _own_line(content)
    stage.screen.say(
        f"{PARTNERS[PARTNER].name} checked its own award of {product.name}, {mass(line['award_g'])}, and sees nothing of the others': "
        f"{counts['passed']} things hold, and {counts['not_checkable']} it cannot check, which is said and not passed over."
    )
    more = msgspec.json.encode(_with_more(content))
    first = next(found for outcome, found in check(read_certificate(more), [stage.log_key]) if outcome == "failed")
    stage.screen.say(f"With one unit more written into its line, the first difference is named: {first.name}.")


async def _whole(stage: Stage, decision: str) -> bytes | None:
    """Once the ledger has given the receipt of all that the partner may see."""
    answer = await stage.parties.partners[PARTNER].request("GET", f"/allocation/v1/certificates/{decision}")
    return None if "retry-after" in answer.headers else answer.content


def _own_line(content: bytes) -> Any:
    return msgspec.json.decode(content)["file"]["lines"][0]["content"]


def _with_more(content: bytes) -> Any:
    certificate = msgspec.json.decode(content)
    certificate["file"]["lines"][0]["content"]["award_g"] += PRODUCTS[0].unit_g
    return certificate
