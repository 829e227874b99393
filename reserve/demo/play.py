"""Play: Reserve is started in a folder, the story is told, all of it is restarted and rebuilt, and one line sums it up."""

import time
from pathlib import Path

import msgspec

from reserve.audit.history import audit
from reserve.audit.live import LiveEvidence
from reserve.audit.report import Report
from reserve.demo.asking import ask_why
from reserve.demo.attack import rewrite_and_be_found
from reserve.demo.books import compare
from reserve.demo.parties import Parties, all_rows
from reserve.demo.registrar import Registrar
from reserve.demo.replay import replay
from reserve.demo.scenario import BANNER, BEGINS, NAME
from reserve.demo.screen import Screen
from reserve.demo.stage import Stage
from reserve.demo.story import tell
from reserve.demo.taking_home import take_home
from reserve.demo.what_if_clock import WhatIfClock
from reserve.operate.deployment import Deployment
from reserve.operate.serving import serving
from services.registry import JOURNALED
from shared.engines.private_files import private_folder
from shared.proofs.signed_note import VerifierKey, parse_verifier_key


class Summary(msgspec.Struct, frozen=True):
    """The last line of the demonstration."""

    scenario: str
    requests: int
    releases: int
    draws: int
    loans: int  # of money and of metal
    receipts_verified: int
    events: int  # in all journals
    replay: str  # "equal": restarted and rebuilt from the journals, everything reads as it did; or "different"
    books: str  # "tie out": what loans says of itself is what the ledger's accounts say; or "differ"
    audit: str  # "holds": checked from outside, over HTTP; or "fails"
    bundle: str  # "holds": exported, and checked by two verifiers where no server was asked; or "fails"
    attack: str  # "found": an operator with every key has rewritten a draw, and a partner's receipt proves it; or "unseen"
    seconds: float

    @property
    def ok(self) -> bool:
        said = (self.replay, self.books, self.audit, self.bundle, self.attack)
        return said == ("equal", "tie out", "holds", "holds", "found")


async def play(folder: Path, screen: Screen) -> Summary:
    """The deployment is stopped in any case; `folder` stays. Raises what `tell` and `serving` raise."""
    began = time.monotonic()
    screen.banner(BANNER)
    private_folder(folder)
    clock = WhatIfClock(folder / "clock", BEGINS)
    deployment = Deployment(folder, extra_environment={"RESERVE_CLOCK_FILE": str(clock.file)})
    log_key = parse_verifier_key(deployment.verifier_key)
    screen.say("Starting PostgreSQL, Kafka and the services ...")
    async with serving(deployment) as endpoints, Parties(endpoints) as parties:
        screen.say(f"Ready after {time.monotonic() - began:.0f} s at {endpoints.base_url}.")
        stage = Stage(
            parties=parties,
            screen=screen,
            clock=clock,
            folder=private_folder(folder / "parties"),
            log_key=log_key,
            registrar=Registrar.of(parties.admin, deployment.verifier_key),
        )
        verified = await tell(stage)
        screen.act("Everything is restarted, rebuilt and compared")
        replayed = await replay(deployment, screen)
        figures = [figure for figures in await compare(stage) for figure in figures]
        report = await _audit(parties, screen, log_key)
        taken_home = await take_home(stage)
        screen.act("Why, and what if")
        await ask_why(stage)
        screen.act("Who has every key rewrites the history")
        found = await rewrite_and_be_found(stage, folder)
        return Summary(
            scenario=NAME,
            requests=len(await all_rows(parties.auditor, "/allocation/v1/requests")),
            releases=len(await all_rows(parties.auditor, "/inventory/v1/releases")),
            draws=len(await all_rows(parties.auditor, "/inventory/v1/draws")),
            loans=len(stage.loans) + len(stage.material_loans),
            receipts_verified=verified,
            events=sum([await _events(parties, service) for service in JOURNALED]),
            replay="equal" if replayed.equal else "different",
            books="tie out" if figures and all(said == booked for _, said, booked in figures) else "differ",
            audit="holds" if report.ok else "fails",
            bundle="holds" if taken_home else "fails",
            attack="found" if found else "unseen",
            seconds=round(time.monotonic() - began, 1),
        )


async def _audit(parties: Parties, screen: Screen, log_key: VerifierKey) -> Report:
    """As `reserve audit verify --live` does it, of a consistent cut of everything."""
    with screen.waiting("auditing"):
        report = await audit(LiveEvidence(parties.auditor), [log_key])
    held = sum(result.checked for result in report.checks)
    if report.ok:
        screen.say(f"An auditor recomputed the history of {report.events:,} events over HTTP: {held:,} checks, and all of it holds.")
    for result in report.checks:
        for failure in result.failures:
            screen.wrong(f"it does not hold that {result.holds}; {failure.place}: {failure.what}")
    return report


async def _events(parties: Parties, service: str) -> int:
    heads = await parties.auditor.get(f"/{service}/v1/journal/heads")
    return sum(head["position"] for head in heads.values())
