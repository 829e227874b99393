"""Draws in bulks of 50, beside the same draws one by one: on one stockpile, by turns, until the ledger has signed for all of them."""

import os
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

from bench.figures import Figure, Options, figure
from bench.hot_stock import release_stock
from bench.receipts import drain
from bench.served import Draws
from bench.wrk import find_wrk
from reserve.demo.parties import Parties
from reserve.operate.deployment import Deployment
from reserve.operate.serving import serving

SIZE = 50
CLIENTS = 4  # that have a bulk under way: 200 draws
TURNS = 2
DRAINED_S = 5.0


async def bulk(options: Options) -> AsyncGenerator[Figure]:
    """Raises as `served`: each draw of each bulk has been accepted. The load of the machine before it says what else its figures hold."""
    find_wrk()
    yield figure("load_of_the_machine_before", os.getloadavg()[0], "1", at_most=3)
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        deployment = Deployment(Path(folder))
        async with serving(deployment) as endpoints, Parties(endpoints) as parties:
            [release] = await release_stock(parties, Path(folder), deployment.verifier_key, ["bench-oxide"])
            draws = Draws(deployment, parties, endpoints, [f"/v1/releases/{release}/draws"], options)
            for turn in range(TURNS):
                alone = await draws.storm(f"alone-{turn}")
                one, fifty = f"draws_one_by_one_{turn}", f"draws_in_bulks_{turn}"
                yield figure(one, alone.per_second, "draws/s")
                for each in draws.rest_of(one, alone, await drain(parties.auditor)):
                    yield each
                many = await draws.bulks(f"bulk-{turn}", SIZE, clients=CLIENTS)
                yield figure(fifty, SIZE * many.per_second, "draws/s", at_least=6 * alone.per_second, baseline=alone.per_second)
                for each in draws.rest_of(fifty, many, await drain(parties.auditor), at_most=DRAINED_S, size=SIZE):
                    yield each
            await draws.check()
