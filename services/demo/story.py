"""The story, act by act. Everything goes through the gateway, with each party's own token."""

from services.demo import drawing, receipts, rounds, stocking
from services.demo.scenario import BEGINS, DAY_OF_DISPATCH, DAY_OF_DRAWS, DAY_OF_ROUNDS
from services.demo.stage import Stage


async def tell(stage: Stage) -> int:
    """How many receipts were verified. Raises Unexpected, ProblemAnswer or ReceiptInvalid where the system does something else."""
    screen, clock = stage.screen, stage.clock

    screen.act("The Reserve before the disruption", BEGINS.date())
    await stocking.register_people(stage)
    await stocking.take_in_stock(stage)
    await stocking.sign_agreements(stage)

    screen.act("Exports stop, and partners ask for more than may go", BEGINS.date())
    await rounds.declare_disruption(stage)
    await rounds.ask(stage)

    clock.move_to(DAY_OF_ROUNDS)
    screen.act("Four rounds decide who gets what", DAY_OF_ROUNDS)
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

    screen.act("What is not drawn in time goes back")
    await drawing.lapse(stage)

    screen.act("What it bought: time")
    await drawing.show_what_it_bought(stage)
    return verified
