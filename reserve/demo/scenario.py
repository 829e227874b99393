"""Scenario: the figures of 6 January 2026. What happened that day is public; every lot, depot, laboratory and quantity here is invented.

Projects that bear a real name appear as rights to their future production only, and one of them as a borrower. These rights and loans are
invented too.
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec

NAME = "6 January 2026"
BANNER = (
    "What if the Reserve had been operating on 6 January 2026?\n"
    "It was not. All stock, depots and quantities are invented; named projects appear as rights only, and one of them as a borrower. "
    "These rights and loans are invented too."
)
BEGINS = datetime(2026, 1, 6, 9, 0, tzinfo=ZoneInfo("Australia/Sydney"))
DAY_OF_ROUNDS = date(2026, 1, 8)
DAY_OF_DRAWS = date(2026, 1, 9)
DAY_OF_DISPATCH = date(2026, 1, 12)

KG, T = 1_000, 1_000_000  # grams
DIRECTION = "Direction 2026-1 of the Minister (invented)"

PORT_SELBY, KARRAK_FLAT, ARDENT_CREEK = "Port Selby SA", "Karrak Flat WA", "Ardent Creek NT"
LABORATORY = "Selby Assay Office"
INDEPENDENT_LABORATORY, UMPIRE = "selby-assay-office", "harbour-umpires"  # as they are registered: neither is a party's


class Partner(msgspec.Struct, frozen=True):
    name: str
    priority_class: int  # 0 is served first
    nominee: str


PARTNERS = {
    "JP": Partner("Japan", 0, "a trading house for Japan"),
    "US": Partner("United States", 1, "a stockpile agent for the United States"),
    "EU": Partner("European Union", 1, "a joint purchaser for the European Union"),
    "AU": Partner("Australia", 2, "a manufacturer in Australia"),
}


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    depot: str
    units: int
    serials: str  # their prefix
    origin: str
    custody_model: str = "segregated"
    report: str
    in_specification: bool = True
    contents: dict[str, str]  # element -> share of the mass


class Right(msgspec.Struct, frozen=True, kw_only=True):
    project: str
    kind: str
    mass_g: int
    window_from: date
    window_to: date


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A partner's request, and what screening makes of it."""

    partner: str
    asked_g: int
    accepted_g: int
    daily_g: int  # the consumption that the partner states, grams a day
    reason: str
    end_use: str


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A product with its stock, and the one round that is held over it."""

    product: str
    name: str
    short: str  # its name in a sentence
    contents: dict[str, str]
    form: str
    unit: str
    units: str  # of the unit, in the plural
    unit_g: int
    specification: str
    protected_g: int
    lots: tuple[Lot, ...]
    rights: tuple[Right, ...] = ()
    asks: tuple[Ask, ...]
    rule: str = "pro_rata"
    offered_g: int
    approvals_needed: int = 1
    release_days: int = 90

    def rights_on(self, day: date) -> list[Right]:
        """Those under which something may still be delivered."""
        return [right for right in self.rights if right.window_to >= day]

    def free_g(self, day: date) -> int:
        """What a round may offer at first: lots in specification down to the protected stock, and firm rights."""
        lots = sum(lot.units for lot in self.lots if lot.in_specification) * self.unit_g
        return lots - self.protected_g + sum(right.mass_g for right in self.rights_on(day) if right.kind == "firm_offtake")


ALL_OF_IT = "no other source in time"

ANTIMONY = Product(
    product="antimony-metal",
    name="Antimony metal 99.65%",
    short="antimony",
    contents={"Sb": "0.9965"},
    form="metal",
    unit="bundle lot of 5 t",
    units="bundle lots",
    unit_g=5 * T,
    specification="Sb 99.65% min, As 0.10% max, Pb 0.15% max",
    protected_g=60 * T,
    lots=(
        Lot(depot=PORT_SELBY, units=36, serials="SB-P", origin="AU", report="SAO-25-1107", contents={"Sb": "0.9968"}),
        Lot(depot=KARRAK_FLAT, units=34, serials="SB-K", origin="AU", report="SAO-25-1131", contents={"Sb": "0.9985"}),
        Lot(
            depot=ARDENT_CREEK,
            units=12,
            serials="SB-A",
            origin="AU",
            report="SAO-25-1190",
            in_specification=False,
            contents={"Sb": "0.9931"},
        ),
    ),
    asks=(
        Ask(
            partner="JP",
            asked_g=160 * T,
            accepted_g=140 * T,
            daily_g=8 * T,
            reason="20 t are covered by a cargo that has sailed",
            end_use="flame retardants",
        ),
        Ask(partner="US", asked_g=150 * T, accepted_g=150 * T, daily_g=12 * T, reason=ALL_OF_IT, end_use="primers and lead alloys"),
        Ask(partner="EU", asked_g=110 * T, accepted_g=100 * T, daily_g=10 * T, reason="10 t can be recycled", end_use="flame retardants"),
        Ask(
            partner="AU",
            asked_g=20 * T,
            accepted_g=10 * T,
            daily_g=500 * KG,
            reason="one maker's need, counted twice",
            end_use="battery grids",
        ),
    ),
    offered_g=240 * T,
    approvals_needed=2,
)

GALLIUM = Product(
    product="gallium-4n",
    name="Gallium 99.99%",
    short="gallium",
    contents={"Ga": "0.9999"},
    form="metal",
    unit="50 kg unit",
    units="units",
    unit_g=50 * KG,
    specification="Ga 99.99% min, solid, below 29 C",
    protected_g=400 * KG,
    lots=(Lot(depot=KARRAK_FLAT, units=48, serials="GA-K", origin="AU", report="SAO-25-1202", contents={"Ga": "0.9999"}),),
    rights=(
        Right(
            project="Alcoa gallium project",
            kind="option",
            mass_g=20 * T,
            window_from=date(2028, 1, 1),
            window_to=date(2029, 12, 31),
        ),
    ),
    asks=(
        Ask(
            partner="JP",
            asked_g=1_600 * KG,
            accepted_g=1_450 * KG,
            daily_g=20 * KG,
            reason="150 kg are in makers' own stock",
            end_use="semiconductors",
        ),
        Ask(partner="US", asked_g=900 * KG, accepted_g=900 * KG, daily_g=15 * KG, reason=ALL_OF_IT, end_use="radar and power chips"),
        Ask(
            partner="EU",
            asked_g=700 * KG,
            accepted_g=650 * KG,
            daily_g=12 * KG,
            reason="50 kg are due from a recycler",
            end_use="semiconductors",
        ),
    ),
    offered_g=2_000 * KG,
    release_days=30,
)

NDPR = Product(
    product="ndpr-oxide",
    name="Neodymium-praseodymium oxide",
    short="NdPr oxide",
    contents={"Nd": "0.6398", "Pr": "0.2059"},
    form="oxide",
    unit="1 t bag",
    units="bags",
    unit_g=T,
    specification="Nd2O3 75% and Pr6O11 25% of 99.5% TREO",
    protected_g=20 * T,
    lots=(
        Lot(
            depot=PORT_SELBY,
            units=70,
            serials="NP-P",
            origin="AU",
            custody_model="identity_preserved",
            report="SAO-25-1144",
            contents={"Nd": "0.6401", "Pr": "0.2062"},
        ),
        Lot(
            depot=ARDENT_CREEK,
            units=20,
            serials="NP-A",
            origin="AU",
            custody_model="mass_balance",
            report="SAO-25-1171",
            contents={"Nd": "0.6399", "Pr": "0.2060"},
        ),
    ),
    rights=(
        Right(
            project="Eneabba (Iluka)",
            kind="firm_offtake",
            mass_g=40 * T,
            window_from=date(2027, 7, 1),
            window_to=date(2029, 6, 30),
        ),
        Right(
            project="Nolans (Arafura)",
            kind="firm_offtake",
            mass_g=60 * T,
            window_from=date(2029, 1, 1),
            window_to=date(2032, 12, 31),
        ),
    ),
    asks=(
        Ask(
            partner="JP",
            asked_g=120 * T,
            accepted_g=110 * T,
            daily_g=1_500 * KG,
            reason="10 t are under contract elsewhere",
            end_use="motor magnets",
        ),
        Ask(partner="US", asked_g=60 * T, accepted_g=60 * T, daily_g=T, reason=ALL_OF_IT, end_use="magnets for actuators"),
        Ask(partner="EU", asked_g=80 * T, accepted_g=70 * T, daily_g=1_200 * KG, reason="10 t can be recycled", end_use="wind turbines"),
        Ask(partner="AU", asked_g=10 * T, accepted_g=10 * T, daily_g=100 * KG, reason=ALL_OF_IT, end_use="magnet pilot plant"),
    ),
    offered_g=150 * T,
)

DYSPROSIUM = Product(
    product="dysprosium-oxide",
    name="Dysprosium oxide",
    short="Dy oxide",
    contents={"Dy": "0.8669"},
    form="oxide",
    unit="50 kg drum",
    units="drums",
    unit_g=50 * KG,
    specification="Dy2O3 99.5% of TREO",
    protected_g=500 * KG,
    lots=(Lot(depot=ARDENT_CREEK, units=60, serials="DY-A", origin="AU", report="SAO-25-1188", contents={"Dy": "0.8671"}),),
    rights=(
        Right(
            project="Lynas processing",
            kind="firm_offtake",
            mass_g=2_500 * KG,
            window_from=date(2026, 4, 1),
            window_to=date(2027, 3, 31),
        ),
    ),
    asks=(
        Ask(
            partner="JP",
            asked_g=2_000 * KG,
            accepted_g=1_800 * KG,
            daily_g=25 * KG,
            reason="200 kg are in makers' own stock",
            end_use="motor magnets",
        ),
        Ask(partner="US", asked_g=1_000 * KG, accepted_g=1_000 * KG, daily_g=10 * KG, reason=ALL_OF_IT, end_use="magnets for actuators"),
        Ask(partner="EU", asked_g=900 * KG, accepted_g=800 * KG, daily_g=12 * KG, reason="100 kg can be recycled", end_use="wind turbines"),
    ),
    rule="priority",
    offered_g=2_500 * KG,
)

PRODUCTS = (ANTIMONY, GALLIUM, NDPR, DYSPROSIUM)

DISRUPTION = {
    "instrument": "MOFCOM No. 1/2026",
    "declared_scope": "exports of dual-use items to Japan for military end use; civilian use is spared",
    "observed_scope": "licences halted across industries; transfers of Chinese-origin goods from third countries are caught too",
    "partners": ["JP"],
    "starts_on": "2026-01-06",
    "evidence": ["the text of the announcement", "reports of importers, 6 January 2026"],
}
