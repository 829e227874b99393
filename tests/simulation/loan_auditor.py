"""What the auditor says of loans: headroom that was never there, and money that does not add up."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from datetime import date, timedelta
from fractions import Fraction
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.auditor import Evidence

type Json = dict[str, Any]


def headroom(evidence: "Evidence") -> Iterator[str]:
    """No commitment is made beyond a limit of its facility, or above one; none is made twice, or given back twice."""
    for stream, records in streams_of(evidence, "facility").items():
        held: dict[str, Json] = {}
        limits: dict[str, Json] = {}
        rates: dict[str, Fraction] = {}
        for record in records:
            kind, data = record["type"].split(".")[1], record["data"]
            at = f"{stream} at {record['version']}"
            match kind:
                case "facility_opened" | "limits_set":
                    limits = {limit["key"]: limit for limit in data["limits"]}
                    for each in held.values():
                        each["keys"] = _with_those_above(each["keys"], limits)
                case "rate_recorded":
                    rates[data["asset"]] = Fraction(data["rate"])
                    for each in held.values():
                        each["value"] = _worth(each, rates)
                case "headroom_reserved":
                    if data["commitment"] in held:
                        yield f"{at}: {data['commitment']} was committed before"
                    new = {"asset": data["asset"], "amount": data["amount"], "keys": _with_those_above(data["keys"], limits)}
                    new["value"] = _worth(new, rates)
                    held[data["commitment"]] = new
                    if new["value"] != data["value_minor"] or new["keys"] != set(data["keys"]):
                        yield f"{at}: {data['commitment']} is worth {new['value']} under {sorted(new['keys'])}"
                    yield from (f"{at}: {fault}" for fault in _beyond(held, limits, new["keys"]))
                case "headroom_released":
                    each = held[data["commitment"]]
                    each["amount"] -= data["amount"]
                    if each["amount"] != data["remaining"] or each["value"] - _worth(each, rates) != data["value_minor"]:
                        yield f"{at}: {data['commitment']} still holds {each['amount']}"
                    each["value"] = _worth(each, rates)
                    if not each["amount"]:
                        del held[data["commitment"]]


# Money


class Owner:
    """A loan's or holding's money, by its events' numbers alone."""

    def __init__(self) -> None:
        self.asset = ""
        self.books: Counter[str] = Counter()
        self.committed = self.paid = self.cancelled = 0
        self.units = 0
        self.payments: dict[str, tuple[str, int]] = {}  # that count: account, amount
        self.waived: dict[str, str | None] = {}  # condition -> the last day
        self.asked: dict[str, int] = {}  # advances

    @property
    def left(self) -> int:
        """Of the commitment."""
        return self.committed - self.paid - self.cancelled


def money(evidence: "Evidence") -> Iterator[str]:
    """What is booked sums to zero, to what each loan and holding says, and to the ledger's accounts; none is paid beyond its commitment."""
    cash: Counter[str] = Counter()
    for kind, name in (("loan", "loan"), ("equity", "holding")):
        for stream, records in streams_of(evidence, kind).items():
            owner = Owner()
            for record in records:
                for fault in _booked(owner, record):
                    yield f"{stream} at {record['version']} ({record['type']}): {fault}"
            cash[owner.asset] += owner.books["cash_minor"]
            account = f"{name}/{stream.partition('/')[2]}"
            for field in sorted(owner.books.keys() - {"cash_minor", "goods_minor"}):
                posted, _ = evidence.balances.get(f"title/{owner.asset}/{account}/{field.removesuffix('_minor')}", (0, 0))
                if posted != owner.books[field]:
                    yield f"{stream}: the ledger has {posted} of {field}, and it is {owner.books[field]}"
            if (pending := evidence.balances.get(f"title/{owner.asset}/{account}/commitment", (0, 0))) != (0, owner.left):
                yield f"{stream}: the ledger has {pending} of its commitment, and {owner.left} is left"
    for records in streams_of(evidence, "material").values():
        for record in records:
            cash[record["data"].get("currency", "")] += _paid_instead(record["type"].split(".")[1], record["data"])
    for asset, amount in cash.items():
        if asset and (posted := evidence.balances.get(f"title/{asset}/facility/cash", (0, 0))[0]) != amount:
            yield f"the ledger has {posted} {asset} in cash, and it is {amount}"


def deliveries(evidence: "Evidence") -> Iterator[str]:
    """A delivery that is credited is a lot of its right, valued once by what was agreed."""
    lots = {}
    for records in evidence.journals["inventory"].values():
        lots |= {record["data"]["lot"]: record["data"]["right"] for record in records if record["type"] == "inventory.lot_taken_in.v1"}
    valued: dict[str, Json] = {}
    for stream, records in streams_of(evidence, "offtake").items():
        agreed: dict[str, Json] = {}
        for record in records:
            kind, data = record["type"].split(".")[1], record["data"]
            if kind == "offtake_agreed":
                agreed[data["offtake"]] = data
            elif kind == "offtake_ended":
                agreed[data["offtake"]] = agreed[data["offtake"]] | {"until": data["on"]}
            elif kind == "delivery_valued":
                terms = agreed[data["offtake"]]
                worth = data["mass_g"] * Fraction(data["content"]) * Fraction(terms["price"]) * Fraction(terms["share"])
                if data["payment"] in valued or lots.get(data["lot"]) != stream.partition("/")[2] or data["amount_minor"] != round(worth):
                    yield f"{stream} at {record['version']}: {data['lot']} is worth {worth}, once"
                if not terms["since"] <= data["received_on"] <= terms["until"]:
                    yield f"{stream} at {record['version']}: nothing was agreed for {data['received_on']}"
                valued[data["payment"]] = data
    for stream, records in streams_of(evidence, "loan").items():
        for record in records:
            if record["type"] == "loans.delivery_credited.v1":
                data, told = record["data"], valued.pop(record["data"]["payment"], {})
                if (told.get("loan"), told.get("lot"), told.get("amount_minor")) != (data["loan"], data["lot"], data["amount_minor"]):
                    yield f"{stream} at {record['version']}: {data['lot']} was valued as {told}"
    yield from (f"{payment} was valued, and credited to nobody" for payment in valued)


def _paid_instead(kind: str, data: Json) -> int:
    """For material that never came back."""
    return {"material_cash_settled": data.get("amount_minor", 0), "material_replaced": -data.get("cost_minor", 0)}.get(kind, 0)


_OWED = ("principal", "interest", "default_interest", "fees")


def _booked(owner: Owner, record: Json) -> Iterator[str]:
    kind, data = record["type"].split(".")[1], record["data"]
    yield from _stepped(owner, kind, data)
    if "change" not in data:
        return
    change, after = data["change"], data["after"]
    if sum(change.values()):
        yield f"{change} does not sum to zero"
    owner.books.update(change)
    if record["stream"].startswith("loan/"):
        said = {f"{name}_minor": after[f"{name}_minor"] for name in _OWED} | {"credit_minor": -after["credit_minor"]}
        if after["advanced_minor"] != owner.paid:
            yield f"{owner.paid} was advanced"
        if min(after[f"{name}_minor"] for name in (*_OWED, "credit")) < 0:
            yield "something is owed below zero"
    else:
        said = {"cost_minor": after["cost_minor"], "written_down_minor": after["written_down_minor"]}
        said["dividend_income_minor"] = -after["dividends_minor"]
        if (after["units"], after["uncalled_minor"]) != (owner.units, owner.left) or owner.units < 0:
            yield f"{owner.units} shares are held, and {owner.left} is to be paid"
    for name, amount in said.items():
        if owner.books[name] != amount:
            yield f"{name} is {owner.books[name]} by its changes, and it says {amount}"
    moved = (change.get("cash_minor", 0), change.get("goods_minor", 0))
    if moved != (should := _moved(owner, kind, data)):
        yield f"{moved} came in, and it says {should}"


def _stepped(owner: Owner, kind: str, data: Json) -> Iterator[str]:
    """What is committed, and under which conditions it is paid."""
    match kind:
        case "loan_committed" | "holding_committed":
            if owner.committed:
                yield "it was committed before"
            owner.asset, owner.committed = data["currency"], data["commitment_minor"]
        case "commitment_cancelled" | "uncalled_cancelled":
            owner.cancelled += data["amount_minor"]
        case "holding_closed":
            owner.cancelled += data["uncalled_minor"]
        case "balance_brought_forward":
            owner.paid += data["advanced_minor"]
        case "act_approved" if data["content"]["type"] == "waive_condition":
            owner.waived[data["content"]["name"]] = data["content"]["until"]
        case "act_approved" if data["content"]["type"] == "amend_condition":
            owner.waived.pop(data["content"]["name"], None)
        case "advance_requested":
            owner.asked[data["advance"]] = data["amount_minor"]
        case "advance_paid":
            owner.paid += data["amount_minor"]
            if owner.asked.pop(data["advance"], None) != data["amount_minor"]:
                yield f"{data['advance']} was not asked for"
            yield from _unmet(owner, data)
        case "shares_subscribed":
            owner.paid += data["amount_minor"]
            owner.units += data["units"]
        case "shares_divested" | "holding_written_off":
            owner.units -= data["units"]
    if owner.left < 0:
        yield f"{-owner.left} is beyond the commitment"


def _unmet(owner: Owner, data: Json) -> Iterator[str]:
    for each in data["seen"]:
        status, name = each["evaluation"]["status"], each["name"]
        until = owner.waived.get(name)
        if status == "waived" and (name not in owner.waived or (until is not None and until < data["paid_on"])):
            yield f"{name} was not waived"
        elif status not in ("met", "waived"):
            yield f"{name} was {status}"


def _moved(owner: Owner, kind: str, data: Json) -> tuple[int, int]:
    """Cash and goods that the event says came in."""
    match kind:
        case "balance_brought_forward":
            return data["repaid_minor"] - data["advanced_minor"], 0
        case "advance_paid" | "shares_subscribed":
            return -data["amount_minor"], 0
        case "payment_recorded" | "recovery_recorded":
            owner.payments[data["payment"]] = ("cash", data["amount_minor"])
            return data["amount_minor"], 0
        case "delivery_credited":
            owner.payments[data["payment"]] = ("goods", data["amount_minor"])
            return 0, data["amount_minor"]
        case "payment_reversed":
            account, amount = owner.payments.pop(data["payment"], ("", 0))
            return (-amount, 0) if account == "cash" else (0, -amount)
        case "dividend_received":
            owner.payments[data["flow"]] = ("cash", data["amount_minor"])
            return data["amount_minor"], 0
        case "dividend_reversed":
            return -owner.payments.pop(data["flow"], ("", 0))[1], 0
        case "shares_divested":
            return data["amount_minor"], 0
        case _:
            return 0, 0


def _beyond(held: dict[str, Json], limits: dict[str, Json], keys: set[str]) -> Iterator[str]:
    used = Counter[str]()
    for each in held.values():
        for key in each["keys"]:
            used[key] += each["value"]
    for key in sorted(keys & limits.keys()):
        if used[key] > limits[key]["limit_minor"]:
            yield f"{used[key]} are committed under {key}, whose limit is {limits[key]['limit_minor']}"


def _with_those_above(keys: Any, limits: dict[str, Json]) -> set[str]:
    found = {key for key, limit in limits.items() if limit["parent"] is None}
    for key in keys:
        while key is not None and key not in found:
            found.add(key)
            key = limits[key]["parent"] if key in limits else None
    return found


def _worth(each: Json, rates: dict[str, Fraction]) -> int:
    """In Australian cents, rounded up."""
    return each["amount"] if each["asset"] == "AUD" else -int(-each["amount"] * rates[each["asset"]] // 1)


# Conversations, timers, documents


def follow_ups(record: Json) -> list[tuple[str, tuple[str, ...]]]:
    """What must follow from an event of loans, or in loans: the consumer, and the types of which one must come."""
    data = record["data"]
    match record["type"]:
        case "loans.loan_approved.v1" | "loans.loan_imported.v1" | "loans.holding_approved.v1":
            return [("loans", ("loans.headroom_reserved.v1", "loans.headroom_refused.v1"))]
        case "loans.headroom_reserved.v1" if (owner := data["commitment"][:3]) != "mln":  # which may be withdrawn meanwhile
            return [("loans", ("loans.loan_committed.v1" if owner == "lon" else "loans.holding_committed.v1",))]
        case "loans.headroom_refused.v1" if (owner := data["commitment"][:3]) != "mln":
            return [("loans", ("loans.commitment_refused.v1" if owner == "lon" else "loans.holding_refused.v1",))]
        case "loans.loan_committed.v1":
            return [("loans", ("loans.project_watched.v1",))]
        case "loans.commitment_cancelled.v2" | "loans.uncalled_cancelled.v2":
            return [("loans", ("loans.headroom_released.v1",))]
        case "loans.delivery_valued.v1":
            return [("loans", ("loans.delivery_credited.v1",))]
        case "inventory.right_added.v1" | "inventory.right_exercised.v1" if data.get("kind", "firm_offtake") == "firm_offtake":
            return [("loans", ("loans.project_fact_recorded.v2",))]
        case _:
            return []


BUCKETS = (1, 31, 61, 91)
BACK = ("back/sunset", "back/availability", "back/evidence")


def loan_timers(records: list[Json], decided: Collection[str]) -> dict[tuple[str, str, str], str]:
    """A period's end and a change of arrears come by themselves, and are booked. The end of availability may come to nothing: then its
    outcome alone tells that it came. `decided`: ids of commands."""
    wanted: dict[tuple[str, str, str], str] = {}
    closed: set[str] = set()
    for record in records:
        kind, data, stream = record["type"].split(".")[1], record["data"], record["stream"]
        if kind == "loan_committed":
            ends = {"sunset": data["sunset_on"], "availability": data["available_until"]}
            ends |= {f"subsequent/{name}": day for name, day in data["subsequents"].items()}
            for name, last in ends.items():
                due = _after(last, 1)
                if _fired(record, name, due) not in decided:
                    wanted["loans", stream, name] = due
            if data["next_billing"] is not None:
                wanted["loans", stream, "period"] = data["next_billing"]
        elif kind == "default_cured":
            due = _after(data["on"], data["how"] == "covenant_lapsed")
            for name in BACK:
                wanted.pop(("loans", stream, name), None)
                if _fired(record, name, due) not in decided:
                    wanted["loans", stream, name] = due
        elif kind == "command_proposed":
            wanted["loans", stream, f"proposal/{data['proposal']}"] = data["lapses_on"]
        elif kind in ("command_approved", "command_withdrawn", "command_lapsed"):
            wanted.pop(("loans", stream, f"proposal/{data['proposal']}"), None)
        elif kind in ("material_loan_committed", "deferral_approved"):
            due = _after(data["due_on"], 1)
            wanted.pop(("loans", stream, "due"), None)
            if _fired(record, "due", due) not in decided:
                wanted["loans", stream, "due"] = due
        elif kind == "material_loan_closed":
            wanted.pop(("loans", stream, "due"), None)
        elif kind == "loan_closed":
            closed.add(stream)
            for name in ("period", "arrears", "sunset", "availability", *BACK):
                wanted.pop(("loans", stream, name), None)
        elif "after" in data and stream.startswith("loan/") and stream not in closed:  # which a delivery may still come in for
            after = data["after"]
            billed, arrears = after["next_billing"], None
            if after["overdue_since"] is not None:
                arrears = next((day for days in BUCKETS if (day := _after(after["overdue_since"], days)) > after["on"]), None)
            elif after["due_minor"]:
                arrears = _after(after["on"], 1)
            elif after["next_due"] is not None and (billed is None or after["next_due"] < billed):
                arrears = _after(after["next_due"], 1)
            for name, due in (("period", billed), ("arrears", arrears)):
                if due is None:
                    wanted.pop(("loans", stream, name), None)
                else:
                    wanted["loans", stream, name] = due
    return wanted


def _fired(record: Json, name: str, due: str) -> str:
    """The command of a timer that the event has set."""
    return sha256(f"timer/{record['stream']}/{name}/{due}/{record['version']}".encode()).hexdigest()


def _after(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def streams_of(evidence: "Evidence", kind: str) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for records in evidence.journals["loans"].values():
        for record in records:
            if record["stream"].startswith(f"{kind}/"):
                found[record["stream"]].append(record)
    return found
