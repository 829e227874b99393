"""A sandbox: a new deployment is given what it takes before the first request, so that whoever starts it can ask for something.

Partners with their agreements, people with keys and powers, products with stock, and policies: those of the story, on the days of today.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from reserve.demo import policies, stocking
from reserve.demo.parties import Parties, all_rows
from reserve.demo.registrar import Registrar
from reserve.demo.scenario import ANTIMONY, PARTNERS
from reserve.demo.screen import Screen
from reserve.demo.stage import Stage
from reserve.demo.what_if_clock import WhatIfClock
from reserve.operate.endpoints import Endpoints
from shared.engines.private_files import private_folder
from shared.proofs.signed_note import parse_verifier_key

NAME = "demo"
PEOPLE = "people"  # a folder of the deployment's, with people's keys: on a machine of their own, if this were not a sandbox
PARTNER = "JP"
NEEDED_IN = timedelta(days=120)


class NotNew(Exception):
    """The deployment has been used already."""


async def fill(folder: Path, endpoints: Endpoints, screen: Screen) -> None:
    """Raises NotNew, Unexpected, ProblemAnswer."""
    log_key = (folder / "keys" / "ledger.vkey").read_text().strip()
    async with Parties(endpoints) as parties:
        if await all_rows(parties.admin, "/allocation/v1/partners"):
            raise NotNew("it has partners already: nothing was added (a sandbox is made in a new folder)")
        stage = Stage(
            parties=parties,
            screen=screen,
            clock=WhatIfClock(None, datetime.now(UTC)),
            folder=private_folder(folder / PEOPLE),
            log_key=parse_verifier_key(log_key),
            registrar=Registrar.of(parties.admin, log_key),
        )
        await stocking.register_people(stage)
        await stocking.register_instruments(stage)
        await stocking.take_in_stock(stage)
        await stocking.sign_agreements(stage)
        await policies.adopt_policies(stage)


def next_commands(folder: Path, endpoints: Endpoints) -> list[str]:
    """What to paste into a shell, as Japan: a token, what may be asked for, and a first request."""
    reserve = Path(sys.executable).with_name("reserve")
    asked = next(ask for ask in ANTIMONY.asks if ask.partner == PARTNER)
    request = {
        "product": ANTIMONY.product,
        "mass_g": asked.asked_g,
        "minimum_g": ANTIMONY.unit_g,
        "daily_consumption_g": asked.daily_g,
        "needed_by": (datetime.now(UTC).date() + NEEDED_IN).isoformat(),
        "nominee": PARTNERS[PARTNER].nominee,
        "consignee": PARTNERS[PARTNER].nominee,
        "end_user": f"smelters of {PARTNERS[PARTNER].name}",
        "end_use": asked.end_use,
    }
    body = msgspec.json.encode(request).decode()
    call = 'echo "Authorization: Bearer $TOKEN" | curl -sS -H @-'  # not on the command line, which others see
    url = f"{endpoints.base_url}/allocation/v1"
    return [
        f"TOKEN=$({reserve} token --client partner-{PARTNER.lower()} --data {folder})",
        f"{call} {url}/agreements",
        f"{call} -H 'Content-Type: application/json' -H 'Idempotency-Key: first-request' -d '{body}' {url}/requests",
    ]
