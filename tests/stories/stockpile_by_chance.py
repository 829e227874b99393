"""Whatever may be asked of a stockpile, in whatever order, drawn from a seed."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

import msgspec
from hypothesis import strategies as st

from services.inventory.domain.dispatch import ReturnDraw, WeighDraw
from services.inventory.domain.draws import DrawStock
from services.inventory.domain.holds import ExpireHold
from services.inventory.domain.lots import AdjustStock, RecordAssay, TakeInLot
from services.inventory.domain.moves import MissMove, RatifyMove
from services.inventory.domain.pinning import ReleasePool, Take
from services.inventory.domain.products import SetProtectedStock
from services.inventory.domain.releases import AwardedRelease, LapseRelease, ReleaseRound
from services.inventory.domain.rights import MatureRight
from services.inventory.domain.state import Stockpile
from services.inventory.domain.stockpile import DECIDER, Command
from services.inventory.events import DrawId, Event, LotId, MoveId, ReleaseId
from shared.journal.decider import Refused
from tests.stories.given import Given
from tests.stories.stockpile import (
    FAILED,
    MAY,
    PASSED,
    RECEIPT,
    TODAY,
    TONNE,
    UNIT_G,
    a_round,
    dispatch,
    hold,
    lift,
    lot,
    move,
    pool,
    register,
    right,
    take_back,
)

BEGINNING = (register(), lot("lot_1", 8), lot("lot_2", 30, nominal_unit_g=TONNE), right("rgt_1", 8))
DAYS = [TODAY + timedelta(days=ahead) for ahead in (0, 0, 0, 0, 1, 3, 20)]
UNITS = (1, 1, 2, 3, 5, 8, 0, -1)
PARTNERS = ("JP", "US")
TARGETS: list[tuple[Any, Any]] = [("all", None), ("partner", "JP"), ("lot", "lot_1"), ("depot", "Fremantle"), ("lot", None)]


class Chance:
    """Makes up commands: any command, likely to concern what is there."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311
        self.state, self.serial = Stockpile(), 0

    def pick[T](self, choices: Sequence[T]) -> T:
        return self.random.choice(choices)

    def known(self, names: Iterable[str]) -> Any:
        return self.pick([*sorted(names), "unknown"])

    def mass_g(self) -> int:
        return self.pick(UNITS) * self.pick((UNIT_G, UNIT_G, TONNE)) + self.pick((0, 0, 0, 0, 0, 1))

    def day(self) -> date:
        return self.pick(DAYS)

    def delivery(self) -> TakeInLot:
        size, assay, expires_on = self.pick((UNIT_G, UNIT_G, TONNE)), self.pick((PASSED, PASSED, FAILED)), self.pick((None, *DAYS))
        return lot(f"lot_{self.serial}", self.pick(UNITS), nominal_unit_g=size, assay=assay, expires_on=expires_on, on=self.day())

    def round(self) -> ReleaseRound:
        awards = [
            AwardedRelease(
                release=ReleaseId(f"rel_{self.serial}_{number}"),
                award="awd",
                request="req",
                partner=self.pick(PARTNERS),
                mass_g=self.mass_g(),
            )
            for number in range(self.pick((1, 2, 3)))
        ]
        on = self.day()
        if self.pick((True, False)):
            return self.round_of_pools(awards, on)
        return a_round(*awards, on=on, expires_on=on + timedelta(days=self.pick((5, 14, 0))))

    def round_of_pools(self, awards: Sequence[AwardedRelease], on: date) -> ReleaseRound:
        """Lots by chance in two pools, a third of rights, and sometimes one of all the other lots."""
        lots = sorted(self.state.lots)
        self.random.shuffle(lots)
        cut = self.pick(range(len(lots) + 1)) if lots else 0
        rest = (ReleasePool(pool="p3", source="lots"),) if self.pick((True, False)) else ()
        pools = (pool("p1", *lots[:cut]), pool("p2", *lots[cut : cut + 2]), pool("r1"), *rest)
        taking = []
        for awarded in awards:
            takes = [self.take(self.pick(pools)) for _ in range(self.pick((1, 1, 2)))]
            mass_g = sum(take.unit_g * take.units for take in takes)
            taking.append(msgspec.structs.replace(awarded, takes=tuple(takes), mass_g=mass_g))
        return a_round(*taking, pools=pools, on=on, expires_on=on + timedelta(days=self.pick((5, 14))))

    def take(self, of: ReleasePool) -> Take:
        """Likely of a size that the pool has."""
        sizes = [self.state.lots[name].nominal_unit_g for name in of.lots]
        return Take(pool=of.pool, unit_g=self.pick(sizes or (UNIT_G, TONNE)), units=self.pick((1, 1, 2, 3)))

    def draw(self) -> DrawStock:
        """Half the time of what a release has left, all of it."""
        if self.state.releases and self.pick((True, False)):
            release = self.pick(sorted(self.state.releases))
            return DrawStock(
                draw=DrawId(f"drw_{self.serial}"),
                release=release,
                partner=None,
                mass_g=self.state.releases[release].mass_g,
                assign_rights=self.pick((True, False)),
                on=TODAY,
            )
        return DrawStock(
            draw=DrawId(f"drw_{self.serial}"),
            release=self.known(self.state.releases),
            partner=self.pick((None, None, *PARTNERS)),
            mass_g=self.mass_g(),
            lots=self.pick(((), (), (), (LotId("lot_2"), LotId("lot_1")))),
            assign_rights=self.pick((True, False)),
            on=self.day(),
        )

    def command(self, state: Stockpile) -> Command:
        self.state, self.serial = state, self.serial + 1
        match self.pick(range(28)):
            case 0 | 1 | 2 | 3 | 4 | 5 | 24 | 25:
                return self.draw()
            case 6 | 7 | 8:
                return self.round()
            case 9 | 10:
                return WeighDraw(draw=self.known(state.draws), weighed_g=self.mass_g())
            case 11 | 12:
                return dispatch(self.known(state.draws), gates=self.pick(((RECEIPT,), (RECEIPT,), ())), on=self.day())
            case 13:
                return ReturnDraw(draw=self.known(state.draws), reason="late")
            case 14:
                return LapseRelease(release=self.known(state.releases), on=self.day())
            case 15:
                return take_back(self.known(state.releases))
            case 16:
                return RecordAssay(lot=self.known(state.lots), assay=self.pick((PASSED, FAILED)))
            case 17:
                return AdjustStock(lot=self.known(state.lots), change_units=self.pick(UNITS), cause="stock_take", reason="count")
            case 18:
                return SetProtectedStock(
                    mass_g=self.pick((0, 0, UNIT_G, self.mass_g())), authority="Minister", reason="floor", capacity=MAY
                )
            case 19:
                return right(f"rgt_{self.serial}", self.pick(UNITS), kind=self.pick(("firm_offtake", "firm_offtake", "option")))
            case 20:
                settled_g = self.pick((None, self.mass_g()))
                return MatureRight(right=self.known(state.rights), settled_g=settled_g, delivery=self.delivery())
            case 21:
                return self.delivery()
            case 22:
                return hold(*self.pick(TARGETS), name=f"hld_{self.serial}", expires_on=self.pick((None, *DAYS)))
            case 26:
                moved = {"lot": self.known(state.lots), "to_depot": self.pick(("Darwin", "Fremantle", "Kwinana"))}
                return move(move=MoveId(f"mov_{self.serial}"), **moved)
            case 27:
                which = self.known(state.moves)
                ratified = RatifyMove(move=which, by="sub_bob", accounts=frozenset({"sub_bob"}), on=self.day())
                return self.pick((ratified, MissMove(move=which, on=self.day())))
            case _:
                lifting = lift(self.known(state.holds))
                return self.pick((lifting, lifting, ExpireHold(hold=lifting.hold, on=self.day())))


def tell(seed: int, length: int) -> list[Command]:
    """A beginning with stock and rights, then whatever may be asked, refused or not."""
    told, commands, chance = Given(DECIDER, *BEGINNING), list[Command](BEGINNING), Chance(seed)
    for _ in range(length):
        commands.append(chance.command(told.state))
        told = told.when(commands[-1])
    return commands


stories = st.builds(tell, st.integers(0, 2**32 - 1), st.integers(20, 200))


def histories(story: Sequence[Command]) -> list[tuple[Command, Stockpile, Sequence[Event], Stockpile]]:
    """(command, state before, events, state after) of each command that was not refused."""
    told, steps = Given(DECIDER), []
    for command in story:
        before, told = told.state, told.when(command)
        if not isinstance(told.answer, Refused):
            steps.append((command, before, told.answer, told.state))
    return steps
