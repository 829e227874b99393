"""The story, act by act. Everything goes through the edge, with each party's own token."""

from reserve.demo import certificates, drawing, lending, material, policies, receipts, rounds, stocking
from reserve.demo.loan_scenario import (
    DAY_OF_DEFERRAL,
    DAY_OF_DELIVERY,
    DAY_OF_LOAN,
    DAY_OF_MATERIAL_TERMS,
    DAY_OF_REMINDER,
    DAY_OF_RETURN,
    FIRST_DUE,
    THIRD_DUE,
)
from reserve.demo.scenario import BEGINS, DAY_OF_DISPATCH, DAY_OF_DRAWS, DAY_OF_ROUNDS, PRODUCTS
from reserve.demo.stage import Stage


async def tell(stage: Stage) -> int:
    """How many receipts were verified. Raises Unexpected, ProblemAnswer or ReceiptInvalid where the system does something else."""
    verified = await _a_disruption(stage)
    await _money_for_a_mine(stage)
    await _metal_for_a_partner(stage)
    return verified


async def _a_disruption(stage: Stage) -> int:
    screen, clock = stage.screen, stage.clock

    screen.act("The Reserve before the disruption", BEGINS.date())
    await stocking.register_people(stage)
    await stocking.register_instruments(stage)
    await stocking.take_in_stock(stage)
    await stocking.sign_agreements(stage)
    await policies.adopt_policies(stage)

    screen.act("Exports stop, and partners ask for more than may go", BEGINS.date())
    await rounds.declare_disruption(stage)
    await rounds.ask(stage)

    clock.move_to(DAY_OF_ROUNDS)
    screen.act("Four rounds decide who gets what", DAY_OF_ROUNDS)
    await policies.compare(stage, PRODUCTS[0])
    await rounds.hold_rounds(stage)

    clock.move_to(DAY_OF_DRAWS)
    screen.act("Partners draw", DAY_OF_DRAWS)
    await drawing.draw_antimony(stage)
    await drawing.hold_gallium(stage)
    await drawing.draw_oxides(stage)

    clock.move_to(DAY_OF_DISPATCH)
    screen.act("The first goods leave", DAY_OF_DISPATCH)
    await drawing.dispatch(stage)

    screen.act("Nobody has to take the Reserve's word", DAY_OF_DISPATCH)
    verified = await receipts.verify_receipts(stage)
    await certificates.check_own_award(stage)

    screen.act("What is not drawn in time goes back")
    await drawing.lapse(stage)

    screen.act("What it bought: time")
    await drawing.show_what_it_bought(stage)
    return verified


async def _money_for_a_mine(stage: Stage) -> None:
    screen, clock = stage.screen, stage.clock

    clock.move_to(DAY_OF_LOAN)
    screen.act("Money for a mine, within limits and on conditions", DAY_OF_LOAN)
    await lending.open_facility(stage)
    await lending.commit_loan(stage)
    await lending.wait_for_offtake(stage)
    await lending.ask_what_if(stage)

    screen.act("The mine pays, and once the bank tells it late")
    clock.move_to(FIRST_DUE)
    await lending.pay_in_time(stage)
    clock.move_to(DAY_OF_REMINDER)
    await lending.be_told_late(stage)

    clock.move_to(DAY_OF_DELIVERY)
    screen.act("It pays in metal, and then the rest", DAY_OF_DELIVERY)
    await lending.repay_in_kind(stage)
    clock.move_to(THIRD_DUE)
    await lending.close_loan(stage)


async def _metal_for_a_partner(stage: Stage) -> None:
    screen, clock = stage.screen, stage.clock

    clock.move_to(DAY_OF_MATERIAL_TERMS)
    screen.act("Metal that must come back", DAY_OF_MATERIAL_TERMS)
    await material.award_loan(stage)
    await material.agree_terms(stage)
    await material.draw_loan(stage)

    clock.move_to(DAY_OF_DEFERRAL)
    screen.act("It is put off, once, for a reason that the terms name", DAY_OF_DEFERRAL)
    await material.call_security(stage)
    await material.defer(stage)

    clock.move_to(DAY_OF_RETURN)
    screen.act("It comes back, short of quality", DAY_OF_RETURN)
    await material.return_goods(stage)
    await material.settle_rest(stage)
