"""Asking: out of what the auditor took home, why a decision was made, and what another policy would have made of it. No server is asked."""

from collections.abc import Iterator

from msgspec.structs import replace
from rich.markup import escape

from reserve.audit.life import Life, life_of
from reserve.bundle.evidence import BundleEvidence
from reserve.commands.decide import decide, held_decision, sentences
from reserve.demo.scenario import PRODUCTS
from reserve.demo.stage import Stage
from reserve.demo.taking_home import BUNDLE
from services.allocation.domain.policies.terms import STANDARD_TERMS
from services.allocation.events import RoundMethod

_DECIDING = ("allocation.round_opened", "allocation.round_proposed", "allocation.round_approved", "allocation.award_granted")
_EQUALLY = "the-same-for-each", replace(STANDARD_TERMS, method=RoundMethod(rule="equal_awards"))


async def ask_why(stage: Stage) -> None:
    """As `reserve audit explain` and `reserve audit decide` do it, of the round of antimony."""
    bundle = BundleEvidence(stage.folder / BUNDLE)
    decision = stage.rounds[PRODUCTS[0].product]["decision"]
    life = await life_of(bundle, decision)
    assert life is not None, "its round names it"
    stage.screen.say(f"Why was the antimony shared so? {len(life.happened)} events name that decision, and these made it:")
    for line in _made(life):
        stage.screen.say(escape(line))
    stage.screen.say("And what if each had got the same?")
    for line in sentences(decide(await held_decision(bundle, decision), _EQUALLY)):
        stage.screen.say(escape(line))


def _made(life: Life) -> Iterator[str]:
    for each in life.happened:
        if each.type.startswith(_DECIDING):
            powers = "; ".join(f"under {acted.title or acted.authority}" for acted in each.behind if acted.authority is not None)
            yield f"- {each.said} ({', '.join(part for part in (each.place, powers) if part)})."
