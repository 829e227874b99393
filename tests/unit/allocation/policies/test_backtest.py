"""Rounds decided again under other policies."""

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from reserve.__main__ import app
from services.allocation import scenarios
from services.allocation.domain.decisions.decision import Claimant, PublishedPool, read_file
from services.allocation.domain.decisions.holdings import Units
from services.allocation.domain.policies.backtest import BacktestResult, Case, NotDecided, case_of, cases_of, decide_again, try_out
from services.allocation.domain.policies.backtest_text import text_of
from services.allocation.domain.policies.scenario import Scenario, ScenarioUnreadable
from services.allocation.domain.policies.terms import STANDARD_TERMS
from services.allocation.events.policies import PolicyTerms
from services.allocation.events.rounds import RoundMethod
from tests.stories.book import a_round

DAY = date(2026, 1, 6)


def policy(rule: str = "pro_rata", largest_minimum: str = "1", **method: Any) -> PolicyTerms:
    return msgspec.structs.replace(STANDARD_TERMS, method=RoundMethod(rule=rule, **method), largest_minimum=largest_minimum)


def claimant(request: str, claim_g: int, minimum_g: int = 0, daily_g: int = 1) -> Claimant:
    return Claimant(
        request=request,
        partner=request[:2],
        agreement=None,
        agreement_version=None,
        asked_g=claim_g,
        accepted_g=claim_g,
        minimum_g=minimum_g,
        daily_consumption_g=daily_g,
    )


def case(supply: int, *claimants: Claimant) -> Case:
    pools = (PublishedPool(pool="lots", kind="lots", restricted="", offered=(Units(unit_g=1, units=supply),)),)
    return Case(name="a case", product="antimony-metal", day=DAY, pools=pools, claimants=claimants)


def outcome(found: BacktestResult | NotDecided) -> BacktestResult:
    assert isinstance(found, BacktestResult), found
    return found


def awards(found: BacktestResult | NotDecided) -> dict[str, int]:
    return {each.request: each.award_g for each in outcome(found).given}


ESTATE = (claimant("JP", 100), claimant("US", 200), claimant("EU", 300))


def test_an_estate_is_shared_by_the_rule_of_each_policy():
    tried = case(200, *ESTATE)
    assert awards(decide_again(tried, policy("talmud"))) == {"JP": 50, "US": 75, "EU": 75}
    assert awards(decide_again(tried, policy("pro_rata"))) == {"JP": 33, "US": 67, "EU": 100}
    assert awards(decide_again(tried, policy("equal_losses"))) == {"JP": 0, "US": 50, "EU": 150}


def test_a_partner_is_capped_over_all_of_its_requests():
    tried = case(200, claimant("JP one", 100), claimant("JP two", 100), claimant("US", 100))
    found = awards(decide_again(tried, policy(cap="1/2", caps={"JP": "1/4"})))
    assert found == {"JP one": 50, "JP two": 0, "US": 100}


def test_a_request_that_insists_on_more_than_the_policy_allows_gets_nothing_and_is_still_shown():
    tried = case(100, claimant("JP", 100, minimum_g=60), claimant("US", 100))
    assert awards(decide_again(tried, policy(largest_minimum="1/2"))) == {"JP": 0, "US": 100}


def test_what_it_buys_is_told_in_days():
    found = outcome(decide_again(case(90, claimant("JP", 100, daily_g=10), claimant("US", 50, daily_g=4)), policy()))
    assert [(each.award_g, each.days_of_cover) for each in found.given] == [(60, "6.0"), (30, "7.5")]
    assert (found.days_total, found.days_least, found.unused_g, found.gini) == ("13.5", "6.0", 0, "0.000")


def test_what_one_gets_and_the_others_do_not_is_uneven():
    found = outcome(decide_again(case(100, claimant("JP", 100), claimant("US", 100, minimum_g=60)), policy("equal_awards")))
    assert awards(found) == {"JP": 100, "US": 0}
    assert found.gini == "0.500"


def test_a_rule_that_lacks_positions_decides_nothing():
    found = decide_again(case(100, *ESTATE), policy("iep", restraint="93/100"))
    assert isinstance(found, NotDecided)
    assert found.code == "position_missing"


def test_a_round_that_was_held_comes_out_the_same_under_the_policy_that_it_was_held_under():
    story = a_round(10, 30, 7)
    prepared = story.prepared(21)
    found = awards(decide_again(case_of(read_file(prepared.file), DAY), policy()))
    awarded = {request: mass_g for each in prepared.proposed.awards_g.values() for request, mass_g in each.items()}
    assert found == dict.fromkeys(found, 0) | awarded
    assert sum(found.values()) == prepared.proposed.supply_g - prepared.proposed.left_g > 0


@given(
    supply=st.integers(0, 500),
    claims=st.lists(st.integers(1, 200), min_size=1, max_size=6),
    cap=st.sampled_from([None, "1/3", "1/2", "1"]),
    rule=st.sampled_from(["pro_rata", "equal_awards", "equal_losses", "talmud", "quota_capped"]),
)
def test_nothing_is_lost_and_nobody_gets_more_than_a_claim_or_a_cap(supply: int, claims: list[int], cap: str | None, rule: str):
    claimants = [claimant(f"{chr(65 + place)}A", claim_g) for place, claim_g in enumerate(claims)]
    found = outcome(decide_again(case(supply, *claimants), policy(rule, cap=cap)))
    assert sum(each.award_g for each in found.given) + found.unused_g == found.offered_g == supply
    most = supply if cap is None or cap == "1" else supply // int(cap[-1])
    assert all(each.award_g <= min(each.claim_g, most) for each in found.given)
    assert 0 <= int(found.gini.replace(".", "")) < 1000


@pytest.mark.parametrize("name", scenarios.names())
def test_every_scenario_is_decided_under_every_rule(name: str):
    policies = {rule: policy(rule) for rule in ("pro_rata", "equal_awards", "equal_losses", "talmud", "priority", "quota_capped")}
    policies["iep"] = policy("iep", restraint="93/100")
    for tried in try_out(cases_of(scenarios.scenario(name)), policies):
        assert all(isinstance(found, BacktestResult) for found in tried.outcomes.values()), tried
        assert text_of([tried]).count("\n") > 5


def test_the_types_of_the_library_are_what_the_loader_says():
    assert isinstance(scenarios.scenario("japan-2026"), Scenario)
    with pytest.raises((FileNotFoundError, ScenarioUnreadable)):
        scenarios.scenario("nowhere")


# The command


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["backtest", *map(str, arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "capped.json"
    path.write_text('{"method": {"rule": "equal_awards", "cap": "2/5"}, "release_days": 30}')
    return path


def test_the_command_tries_a_policy_on_a_scenario(file: Path):
    shown = run("--policy", file, "--scenario", "japan-2026")
    assert shown.exit_code == 0, shown.output
    assert "ndpr-oxide" in shown.stdout and "capped" in shown.stdout and "unused" in shown.stdout
    found = msgspec.json.decode(run("--policy", file, "--json").stdout)
    assert {each["case"] for each in found} == set(scenarios.names())


def test_the_command_reads_a_version_as_the_service_keeps_it(tmp_path: Path):
    path = tmp_path / "document.json"
    document = {"format": "reserve.policy.v1", "policy": "standing", "version": 2, "active_from": "2026-01-06"}
    path.write_bytes(msgspec.json.encode(document | {"terms": msgspec.to_builtins(STANDARD_TERMS)}))
    [tried, *_] = msgspec.json.decode(run("--policy", path, "--scenario", "antimony-2024", "--json").stdout)
    assert list(tried["outcomes"]) == ["standing v2"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "no JSON"),
        ("[]", "no policy"),
        ('{"methd": {}}', "methd"),
        ('{"method": {"rule": "pro_rata", "kap": "1/2"}}', "kap"),
        ('{"method": {"rule": "by_lot"}}', "/terms/method/rule"),
        ('{"method": {"rule": "pro_rata", "cap": "3/2"}}', "/terms/method/cap"),
        ('{"release_days": "many"}', "release_days"),
        ('{"terms": 3}', "object"),
    ],
)
def test_what_is_no_policy_is_said_with_exit_code_2(tmp_path: Path, content: str, told: str):
    path = tmp_path / "bad.json"
    path.write_text(content)
    shown = run("--policy", path)
    assert shown.exit_code == 2
    assert told in shown.stderr


def test_unknown_scenarios_files_and_names_given_twice_are_refused(file: Path):
    for arguments, told in (
        (("--policy", file, "--scenario", "atlantis"), "atlantis"),
        (("--policy", file.with_name("none.json")), "none.json"),
        (("--policy", file, "--policy", file), "twice"),
    ):
        shown = run(*arguments)
        assert shown.exit_code == 2
        assert told in shown.stderr
