"""What one operator stops by themselves: it counts at once, and is over after 72 hours where nobody has confirmed it."""

import pytest

from reserve.client import ProblemAnswer
from tests.e2e.lending import LOANS, advanced_loan, laboratory_body, open_facilities, payee_of
from tests.e2e.world import World
from tests.waiting import until


async def test_a_sound_loan_is_in_default_by_one_person_s_word_for_72_hours(world: World):
    await open_facilities(world)
    covenants = [{"kind": "dscr", "minimum": "1.3"}]
    loan, _ = await advanced_loan(world, 1_000, covenants=covenants, acceleration_notice_days=0)
    path, thief = f"{LOANS}/{loan}", world.operator
    await world.post(thief, f"{path}/default", {"reason": "I say so"})
    breach = {"kind": "dscr", "ratio": "1.0", "for_on": world.in_days(0), "source": "none"}
    assert (await world.post(thief, f"{path}/ratios", breach)).body["standing"] == "breached"
    payee = await payee_of(world, "hillgrove-mines")
    ended = await world.post(thief, f"/loans/v1/payees/{payee}/end", {"reason": "I say so"})
    assert ended.body["lapses_at"] == (await world.operator.get(path))["in_default"]["lapses_at"], "all of it is over with the first"
    laboratory = f"/loans/v1/laboratories/{laboratory_body(world)['laboratory']}"
    await world.post(thief, f"{laboratory}/end", {"reason": "I say so"})

    accelerate = {"content": {"type": "accelerate", "on": world.in_days(0)}, "reason": "at once"}
    with pytest.raises(ProblemAnswer, match="default_unconfirmed"):
        await world.post(thief, f"{path}/acts", accelerate)
    with pytest.raises(ProblemAnswer, match="default_confirmed_by_same_person"):
        await world.post(thief, f"{path}/default/confirm")
    with pytest.raises(ProblemAnswer, match="breach_confirmed_by_same_person"):
        await world.post(thief, f"{path}/ratios/dscr/confirm")
    for ended in (f"/loans/v1/payees/{payee}", laboratory):
        with pytest.raises(ProblemAnswer, match="ending_confirmed_by_same_person"):
            await world.post(thief, f"{ended}/end/confirm")
    owner = world.clients["borrower-hillgrove"]
    seen = await owner.get(path)
    assert (seen["status"], seen["in_default"]["lapses_at"] is not None) == ("defaulted", True)

    await world.days_pass(4)

    async def over() -> bool:
        [ratio] = await owner.get(f"{path}/ratios")
        ends = [(await thief.get(each))["ended_on"] for each in (f"/loans/v1/payees/{payee}", laboratory)]
        return (await owner.get(path))["status"] == "committed" and ratio["standing"] == "lapsed" and ends == [None, None]

    await until(over)
    with pytest.raises(ProblemAnswer, match="default_renewed_by_same_person"):
        await world.post(thief, f"{path}/default", {"reason": "I say so again"})
    with pytest.raises(ProblemAnswer, match="breach_renewed_by_same_person"):
        await world.post(thief, f"{path}/ratios", breach)
    with pytest.raises(ProblemAnswer, match="ending_renewed_by_same_person"):
        await world.post(thief, f"/loans/v1/payees/{await payee_of(world, 'hillgrove-mines')}/end", {"reason": "and so on"})
    await world.post(world.payer, f"{path}/default", {"reason": "another sees it, too"})
    await world.post(thief, f"{path}/default/confirm")
    assert (await owner.get(path))["in_default"]["lapses_at"] is None
