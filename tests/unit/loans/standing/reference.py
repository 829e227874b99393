"""A loan's standing, worked out naively: day by day from the beginning, with fractions, a debt at a time. As slow as it is plain."""

import copy
from datetime import date, timedelta
from fractions import Fraction
from math import prod

from services.loans.domain.standing.calendars import due_dates
from services.loans.domain.standing.dated_facts import (
    Advanced,
    BroughtForward,
    FallenDue,
    FeeDue,
    Paid,
    RateFrom,
    Reduced,
    Refunded,
    Rescheduled,
    WrittenOff,
    order,
)
from services.loans.domain.standing.day_counts import PARTS_IN_A_YEAR, parts_within, year_fraction

KINDS = ("fees", "default", "interest", "principal")  # in the order in which they are paid


class Loan:
    def __init__(self, contract):
        self.contract, self.today = contract, contract.committed_on
        self.books = dict.fromkeys(("cash", "goods", "credit", "interest_income", "default_income", "fee_income", "written_off"), 0)
        self.undue = self.advanced = self.repaid = 0
        self.capitalised = self.lost = 0  # principal that was neither advanced nor repaid
        self.undrawn = contract.commitment_minor
        self.debts = []  # [due, kind, amount, the day until which the interest on it is billed]
        self.of_undue = self.of_overdue = self.of_default = self.of_undrawn = Fraction(0)
        self.established = self.fallen_due = False
        self.rate = Fraction(contract.rate_pct) / 100
        self.agree(contract.schedule)

    def agree(self, schedule):
        self.schedule, self.agreed = schedule, self.today
        unmoved = due_dates(schedule.start, schedule.every, schedule.periods)
        self.dues = list(schedule.due or unmoved)
        self.ends = list(self.dues if schedule.adjust_accrual is True else unmoved)
        self.starts = [schedule.start, *self.ends[:-1]]
        self.last, self.payment, self.shorter, self.lowered = schedule.periods - 1, None, False, False
        while len(self.ends) < schedule.periods + 100:
            self.starts.append(self.ends[-1])
            self.ends.append(due_dates(self.ends[schedule.periods - 1], "1m", len(self.ends) - schedule.periods + 1)[-1])
            self.dues.append(self.ends[-1])
        first = next(period for period, end in enumerate(self.ends) if end > self.agreed)  # none is billed that ended before
        self.billed_on = {self.billing_day(period): period for period in range(first, len(self.ends))}

    def billing_day(self, period):
        due, end = self.dues[period], self.ends[period]
        return max(due, self.starts[period]) if self.agreed < due < end else end

    def period(self, day):
        """The one that a day lies in, or ends."""
        return next(period for period, end in enumerate(self.ends) if day <= end)

    def run(self, facts, until):
        facts = sorted(facts, key=order)
        self.take_all(facts)
        while self.today < until:
            self.pass_a_day()
            if self.today in self.billed_on:
                self.bill(self.billed_on[self.today])
            self.take_all(facts)
        return self

    def take_all(self, facts):
        for fact in facts:
            if fact.on == self.today:
                self.take(fact)

    def owed(self, *kinds):
        return sum(debt[2] for debt in self.debts if debt[1] in kinds)

    def pass_a_day(self):
        before, self.today = self.today, self.today + timedelta(days=1)
        period = self.period(self.today)
        count, start = self.schedule.day_count, self.schedule.start
        anchor = self.agreed if before < start else self.starts[period]
        year = Fraction(parts_within(count, anchor, before, self.today), PARTS_IN_A_YEAR[count])
        overdue = [debt for debt in self.debts if debt[0] <= before]
        principal = sum(debt[2] for debt in overdue if debt[1] == "principal")
        earning = sum(debt[2] for debt in overdue if debt[1] == "principal" and debt[3] <= before)
        other = sum(debt[2] for debt in overdue if debt[1] in ("interest", "fees"))
        margin = Fraction(self.contract.default_margin_pct) / 100
        self.of_undue += self.undue * self.rate * year
        self.of_overdue += earning * self.rate * year
        self.of_default += (principal * margin + other * (self.rate + margin)) * year
        if before < self.contract.available_until:
            self.of_undrawn += self.undrawn * Fraction(self.contract.commitment_fee_pct) / 100 * year

    def bill(self, period):
        self.bill_default()
        count, anchor = self.schedule.day_count, self.agreed if self.today < self.schedule.start else self.starts[period]
        rest = self.rate * Fraction(parts_within(count, anchor, self.today, self.ends[period]), PARTS_IN_A_YEAR[count])
        self.of_undue += self.undue * rest
        principal = self.principal_due(period)
        total, fee = self.of_undue + self.of_overdue, round(self.of_undrawn)
        interest = max(0, round(total))
        self.of_undue = self.of_overdue = self.of_undrawn = Fraction(0)
        if total < 0 and self.undue > principal:
            self.of_undue = total
        self.books["interest_income"] += interest
        self.books["fee_income"] += fee
        self.undue -= principal
        if period < self.schedule.capitalised_periods and not self.fallen_due:
            self.undue += interest
            self.capitalised += interest
            interest = 0
        elif principal < 0:
            self.capitalised -= principal
            interest, principal = interest + principal, 0
        self.of_undue -= self.undue * rest
        self.owe(self.today if self.fallen_due else self.dues[period], principal, interest, fee, until=self.ends[period])
        self.lowered = False
        self.use_credit()

    def owe(self, due, principal=0, interest=0, fees=0, default=0, until=date.min):
        amounts = {"principal": principal, "interest": interest, "fees": fees, "default": default}
        self.debts += [[due, kind, amount, until] for kind, amount in amounts.items() if amount]

    def bill_default(self):
        billed = round(self.of_default)
        self.of_default -= billed
        self.books["default_income"] += billed
        self.owe(self.today, default=billed)

    def principal_due(self, period):
        terms = self.schedule
        if period >= self.last:
            return self.undue
        if not self.undue or terms.kind == "bullet" or period < terms.capitalised_periods + terms.interest_only_periods:
            return 0
        if self.payment is None:
            self.payment = period, self.plan(period)
        if period < self.payment[0]:
            return 0
        payment = self.payment[1][period - self.payment[0]]
        if terms.kind == "equal_principal":
            return min(payment, self.undue)
        if payment < round(self.of_undue) and self.lowered and period == self.payment[0]:
            self.payment = None
            return 0
        return min(payment - round(self.of_undue), self.undue)

    def plan(self, period):
        terms, count = self.schedule, self.last + 1 - period
        if terms.kind == "equal_principal":
            return [round(Fraction(self.undue, count))] * count
        factors = [
            1 + self.rate * year_fraction(terms.day_count, self.starts[each], self.ends[each]) for each in range(period + 1, self.last + 1)
        ]
        weights = [Fraction(1)] * count
        if terms.kind == "step":
            began = period - terms.capitalised_periods - terms.interest_only_periods
            weights = [
                Fraction(terms.step) ** ((began + each) // terms.step_periods - began // terms.step_periods) for each in range(count)
            ]
        left = min(terms.balloon_minor, self.undue)
        owed = (self.undue + self.of_undue) * prod(factors) - left
        level = owed / sum(weight * prod(factors[each:]) for each, weight in enumerate(weights))
        return [round(level * weight) for weight in weights]

    def plan_anew(self, lowered=False):
        self.lowered |= lowered
        if self.shorter and self.undue:
            ahead = self.ahead()
            while ahead.undue:
                ahead.to_next_end()
            self.last = min(self.last, ahead.period(ahead.today))
        self.payment, self.shorter = None, False

    def ahead(self):
        """A future in which all is paid when it is due."""
        ahead = copy.copy(self)
        ahead.books, ahead.debts, ahead.of_default, ahead.of_overdue = dict(self.books), [], Fraction(0), Fraction(0)
        ahead.books["credit"] = 0
        return ahead

    def to_next_end(self):
        self.pass_a_day()
        while self.today not in self.billed_on:
            self.pass_a_day()
        self.bill(self.billed_on[self.today])
        self.debts = []

    def use_credit(self):
        credit, self.books["credit"] = -self.books["credit"], 0
        self.books["credit"] = -self.pay_debts(credit)

    def pay_debts(self, amount, kinds=KINDS, written_off=False):
        for debt in sorted((debt for debt in self.debts if debt[1] in kinds), key=lambda debt: (kinds.index(debt[1]), debt[0])):
            paid = min(amount, debt[2])
            debt[2] -= paid
            amount -= paid
            if debt[1] == "principal":
                self.lost += paid if written_off else 0
                self.repaid += 0 if written_off else paid
        self.debts = [debt for debt in self.debts if debt[2]]
        if not self.owed("principal", "interest", "fees"):
            self.of_default = Fraction(0)
            self.of_overdue = Fraction(0) if self.fallen_due else self.of_overdue
        return amount

    def take(self, fact):
        match fact:
            case BroughtForward():
                self.lend(fact.advanced_minor - fact.repaid_minor, fact.advanced_minor)
                self.repaid += fact.repaid_minor
                self.established = True
            case Reduced():
                self.undrawn = max(0, self.undrawn - fact.amount_minor)
            case RateFrom():
                if fact.rate_pct and Fraction(fact.rate_pct) / 100 != self.rate:
                    self.plan_anew(lowered=True)
                    self.rate = Fraction(fact.rate_pct) / 100
            case Advanced():
                self.lend(fact.amount_minor, fact.amount_minor)
                if not self.established:
                    self.established = True
                    self.charge(self.contract.establishment_fee_minor)
            case FallenDue():
                self.fall_due()
            case Refunded():
                self.books["cash"] -= fact.amount_minor
                back = min(fact.amount_minor, -self.books["credit"])
                self.books["credit"] += back
                self.owe(self.today, fees=fact.amount_minor - back)
            case Rescheduled() if self.fallen_due:
                pass
            case Rescheduled():
                self.bill_default()
                if fact.capitalise_overdue:
                    self.undue += self.owed(*KINDS)
                    self.capitalised += self.owed("fees", "default", "interest")
                    self.debts, self.of_default = [], Fraction(0)
                if fact.rate_pct is not None:
                    self.rate = Fraction(fact.rate_pct) / 100
                self.agree(fact.schedule)
            case FeeDue():
                self.charge(fact.amount_minor)
            case Paid():
                self.pay(fact)
            case WrittenOff():
                self.write_off(fact.amount_minor)

    def lend(self, owed, advanced):
        self.plan_anew()
        if not self.undue:
            self.last = self.schedule.periods - 1
        self.books["cash"] -= owed
        if self.fallen_due:
            self.owe(self.today, principal=owed)
        else:
            self.undue += owed
        self.advanced += advanced
        self.undrawn = max(0, self.undrawn - advanced)

    def charge(self, amount):
        self.books["fee_income"] += amount
        self.owe(self.today, fees=amount)
        self.use_credit()

    def fall_due(self):
        self.bill_default()
        total, fee = self.of_undue + self.of_overdue, round(self.of_undrawn)
        interest = max(0, round(total))
        self.of_overdue = min(total, Fraction(0))
        self.of_undue = self.of_undrawn = Fraction(0)
        self.books["interest_income"] += interest
        self.books["fee_income"] += fee
        self.owe(self.today, self.undue, interest, fee)
        for debt in self.debts:
            debt[0] = min(debt[0], self.today)
        self.undue, self.fallen_due = 0, True
        ended = [period for day, period in self.billed_on.items() if day <= self.today]
        self.billed_on = {self.ends[period]: period for period in self.billed_on.values() if period not in ended}
        self.use_credit()

    def bill_to_day(self):
        self.bill_default()
        if self.fallen_due:
            billed = max(0, round(self.of_overdue))
            self.of_overdue -= billed
            self.books["interest_income"] += billed
            self.owe(self.today, interest=billed)

    def pay(self, fact):
        self.bill_to_day()
        self.books["goods" if fact.in_kind else "cash"] += fact.amount_minor
        later = [debt for debt in self.debts if debt[0] > self.today and fact.due_first]
        self.debts = [debt for debt in self.debts if debt not in later]
        left = self.pay_debts(fact.amount_minor)
        if later:
            self.debts += later
            left = self.pay_debts(left)
        if left and (fact.recovery or fact.prepays != "nothing"):
            if fact.prepays == "term" and not fact.recovery:
                if self.payment is None:
                    ahead = self.ahead()
                    while ahead.payment is None and ahead.period(ahead.today + timedelta(days=1)) < ahead.last:
                        ahead.to_next_end()
                    self.payment = ahead.payment
                self.shorter = True
            else:
                self.plan_anew(lowered=True)
            prepaid = min(left, self.undue)
            self.undue -= prepaid
            self.repaid += prepaid
            left -= prepaid
            if not self.undue and left >= (interest := round(self.of_undue + self.of_overdue)):
                self.books["interest_income"] += interest
                self.of_undue = self.of_overdue = Fraction(0)
                left -= interest
        if fact.recovery:
            recovered = min(left, self.books["written_off"])
            self.books["written_off"] -= recovered
            left -= recovered
        self.books["credit"] -= left

    def write_off(self, amount):
        self.bill_to_day()
        left = self.pay_debts(amount, ("principal",), written_off=True)
        if left:
            self.plan_anew(lowered=True)
        lost = min(left, self.undue)
        self.undue -= lost
        self.lost += lost
        left = self.pay_debts(left - lost, ("interest", "default", "fees"), written_off=True)
        self.books["written_off"] += amount - left
