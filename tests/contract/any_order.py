"""What a stage's tests ask for in the end: read tables come out as they are, whichever shard of a journal is read first."""

from shared.process.rebuild import rebuild_and_compare
from tests.kernel.stage import Running, Stage

TURNS = {"first to last": lambda shard: shard, "last to first": lambda shard: -shard, "the middle first": lambda shard: (shard - 1) % 4}


async def assert_no_order_matters(stage: Stage, *services: Running) -> None:
    """Two streams that feed a table may be in shards of either order, since a stream's shard follows from its id."""
    for running in services:
        for order, turn in TURNS.items():
            compared = await rebuild_and_compare(running.kernel.service, stage.database_url, turn)
            different = [each for each in compared if not each.equal]
            assert not different, f"{order}: {different}"
