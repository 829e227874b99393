"""A decision: 10,000 requests of 40 partners, worked out by each rule, with its documents and their hashes, and recomputed."""

import hashlib
import time
import tracemalloc
from collections.abc import AsyncGenerator
from fractions import Fraction
from random import Random

from bench.figures import Figure, Options, figure
from services.allocation.domain.decisions.check import recompute
from services.allocation.domain.decisions.composing import compose
from services.allocation.domain.decisions.decision import (
    Claimant,
    DecisionFile,
    DecisionTerms,
    Opened,
    PublishedPool,
    canonical_document,
    read_file,
)
from services.allocation.domain.decisions.holdings import Holdings, Units
from services.allocation.domain.decisions.sealed import decision_hash, publish
from services.allocation.domain.rules import RULES, IepFigures

REQUESTS = 10_000
PARTNERS = 40
UNIT_G = 50_000  # a drum of gallium
TARGET_S = 1.0
TARGET_MB = 300.0


async def decision(_options: Options) -> AsyncGenerator[Figure]:
    claimants = _claimants(Random(6))  # noqa: S311
    slowest: dict[str, float] = {}
    data = b""
    for rule in sorted(RULES):
        slowest[rule], data = _decide(rule, claimants)
        yield figure(f"decision_10k_{rule}", slowest[rule], "s", at_most=TARGET_S)
    unlike = _claimants(Random(6), unlike=True)  # noqa: S311
    yield figure("decision_10k_unlike", max(_decide(rule, unlike)[0] for rule in RULES), "s", at_most=TARGET_S)
    tracemalloc.start()
    _documents(compose(_terms(max(slowest, key=slowest.__getitem__)), _holdings(), claimants))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    yield figure("decision_10k_memory", peak / 1_000_000, "MB", at_most=TARGET_MB)
    yield figure("decision_10k_file", len(data) / 1_000_000, "MB")
    began = time.process_time()
    assert recompute(read_file(data)) == []
    yield figure("decision_10k_recomputed", time.process_time() - began, "s", at_most=5)


def _decide(rule: str, claimants: list[Opened[Claimant]]) -> tuple[float, bytes]:
    began = time.process_time()
    data = _documents(compose(_terms(rule), _holdings(), claimants))
    return time.process_time() - began, data


def _documents(file: DecisionFile) -> bytes:
    """What is kept of it."""
    canonical_document(publish(file))
    decision_hash(file)
    whole = canonical_document(file)
    hashlib.sha256(whole).hexdigest()
    return whole


def _terms(rule: str) -> DecisionTerms:
    return DecisionTerms(
        round="rnd_1",
        product="gallium-7n",
        rule=rule,
        inside={"0": "talmud", "": "equal_losses"} if rule == "priority" else {},
        restraint=Fraction(93, 100),
        policy="standing",
        policy_version=1,
        disruption=None,
        pools=(
            PublishedPool(
                pool="lots", kind="lots", restricted="", offered=(Units(unit_g=UNIT_G, units=20_000), Units(unit_g=1_000, units=90_000))
            ),
            PublishedPool(pool="lots_2", kind="lots", restricted="not of origin CN", offered=(Units(unit_g=UNIT_G, units=4_000),)),
            PublishedPool(pool="rights", kind="rights", restricted="matures by 2026-03-31", offered=(Units(unit_g=UNIT_G, units=9_000),)),
        ),
    )


def _positions() -> dict[str, IepFigures]:
    random = Random(7)  # noqa: S311
    return {
        f"P{number:02}": IepFigures(
            partner=f"P{number:02}",
            base_g=random.randint(10**9, 10**10),
            commitment_g=random.randint(10**8, 10**9),
            production_g=random.randint(0, 10**8),
            imports_g=random.randint(10**8, 8 * 10**9),
            source="statistics",
        )
        for number in range(PARTNERS)
    }


def _holdings() -> Opened[Holdings]:
    return Opened(salt="0" * 32, content=Holdings(available_g=10**10, protected_g=0, positions=tuple(_positions().values())))


def _claimants(random: Random, *, unlike: bool = False) -> list[Opened[Claimant]]:
    """One in five has a minimum, one in four a cap, each partner a carry, and most may have of all pools. `unlike`: hardly two ask for the
    same, so that little can be worked out for many at once."""
    positions = _positions()
    claimants = []
    for number in range(REQUESTS):
        partner = f"P{number % PARTNERS:02}"
        claim_g = random.randint(UNIT_G, 12 * UNIT_G) if unlike else random.randint(1, 12) * UNIT_G + random.randint(0, 9) * 1_000
        content = Claimant(
            request=f"req_{number:026}",
            partner=partner,
            agreement=f"agr_{partner}",
            agreement_version=3,
            asked_g=claim_g,
            accepted_g=claim_g,
            minimum_g=UNIT_G if number % 5 == 0 else 0,
            priority_class=number % 3,
            carry_in_g=Fraction(random.randint(-UNIT_G * 997, UNIT_G * 997), 997 + number) if number < PARTNERS else Fraction(0),
            daily_consumption_g=random.randint(1_000, 50_000),
            cap_g=claim_g // 2 if number % 4 == 0 else None,
            pools=(("lots", "lots_2", "rights"), ("lots", "lots_2"), ("lots", "rights"), ("lots",))[max(0, number % 10 - 6)],
            position=positions[partner],
        )
        claimants.append(Opened(salt=f"{number:032x}", content=content))
    return claimants
