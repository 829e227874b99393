"""A stockpile's state, rebuilt from its events as the journal stores them."""

import time
from collections.abc import AsyncGenerator
from functools import reduce
from itertools import chain, islice

from bench.figures import Figure, Options, figure
from bench.history import draws, events_of, stocked
from services.inventory.domain.stockpile import DECIDER
from services.inventory.main import SERVICE
from shared.journal.codec import type_of

PRODUCT, RELEASES, EVENTS = "bench-oxide", 100, 300_000


async def state(_options: Options) -> AsyncGenerator[Figure]:
    """Beside it, what decoding alone takes."""
    codec = SERVICE.codec
    history = events_of(chain(stocked(PRODUCT, RELEASES), draws(PRODUCT, RELEASES)))
    stored = [(type_of(type(event)), codec.encode(event)) for event in islice(history, EVENTS)]
    decode, evolve = codec.decode, DECIDER.evolve

    began = time.perf_counter()
    rebuilt = reduce(lambda value, each: evolve(value, decode(*each)), stored, DECIDER.initial)
    rebuilding = EVENTS / (time.perf_counter() - began)
    assert rebuilt.releases, "the history leaves something that can still change"
    began = time.perf_counter()
    for each in stored:
        decode(*each)
    decoding = EVENTS / (time.perf_counter() - began)
    yield figure("state_rebuilt", rebuilding, "events/s", at_least=400_000, baseline=decoding)
