"""Screening: a consignee's name looked up among 20,000 listed entities, whose names are prepared once a version of the list."""

import time
from collections.abc import AsyncGenerator
from datetime import date
from random import Random

from bench.figures import Figure, Options, figure, percentile_ms
from shared.terms.listed_names import ListedEntity, ListedNames

LISTED = 20_000
LOOKED_UP = 2_000
TARGET_MS = 2.0
SYLLABLES = [first + vowel for first in "b ch d f g h j k l m n p r s sh t v w x z".split() for vowel in "aeiou"]  # noqa: SIM905
COMMON = ("Trading", "Resources", "Holdings", "Metals", "International", "Industries", "Mining", "Shipping", "Bank", "Electronics")
FORMS = ("Ltd.", "LLC", "GmbH", "S.A.", "OOO", "JSC", "Pte.", "Co.,Ltd.", "AG", "Inc.")


async def screening(options: Options) -> AsyncGenerator[Figure]:
    """Half of the names are a letter off one that is listed, so that there is something to compare."""
    dice = Random(6)  # noqa: S311
    listed = [_name(dice) for _ in range(options.some(LISTED))]
    entries = [
        ListedEntity(entry=f"E-{number}", name=name, aliases=(_name(dice),), source="made up", listed_on=date(2026, 1, 6))
        for number, name in enumerate(listed)
    ]
    began = time.process_time()
    names = ListedNames(entries)
    yield figure("screening_20k_prepared", time.process_time() - began, "s")
    taken, hits = [], 0
    for number in range(options.some(LOOKED_UP)):
        name = _name(dice) if number % 2 else listed[dice.randrange(len(listed))][1:]
        began = time.process_time()
        hits += len(names.find(name))
        taken.append(time.process_time() - began)
    assert hits, "nothing was like anything"
    taken.sort()
    yield figure("screening_20k_p50", percentile_ms(taken, 0.5), "ms")
    yield figure("screening_20k_p99", percentile_ms(taken, 0.99), "ms", at_most=TARGET_MS)


def _name(dice: Random) -> str:
    word = "".join(dice.choice(SYLLABLES) for _ in range(dice.randint(2, 4))).title()
    other = "".join(dice.choice(SYLLABLES) for _ in range(dice.randint(2, 3))).title()
    return f"{word} {other} {dice.choice(COMMON)} {dice.choice(FORMS)}"
