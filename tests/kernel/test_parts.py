"""Parts: what lives as long as a process of a service."""

import msgspec
import pytest

from shared.process.service import Kernel, Part
from tests.kernel.counter import counter_service
from tests.kernel.stage import Stage


class Memo(Part):
    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.known: dict[str, int] = {}
        self.ended: list[str] = []


class Depot(Part):
    """Made after the memo, it may ask it until it is closed."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.memo = kernel.part(Memo)

    async def close(self) -> None:
        self.memo.ended.append("depot")


class Unlisted(Part):
    pass


async def test_a_part_is_one_for_each_process_and_is_closed_with_it(stage: Stage) -> None:
    service = msgspec.structs.replace(counter_service(stage.name("counter")), parts=(Memo, Depot))
    async with stage.serving(service) as running:
        first = running.kernel.part(Memo)
        assert first.kernel is running.kernel
        assert running.kernel.part(Memo) is running.kernel.part(Depot).memo is first
        first.known["one"] = 1
        assert first.ended == []
        with pytest.raises(KeyError):
            running.kernel.part(Unlisted)
    assert first.ended == ["depot"]
    async with stage.serving(service) as running:
        assert running.kernel.part(Memo).known == {}
