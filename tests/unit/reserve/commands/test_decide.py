"""`reserve audit decide`: a past decision comes out as it was decided, and otherwise by another policy or with other facts."""

import asyncio
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import typer
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from reserve.commands.decide import FACTS, Held, decide, sentences
from services.allocation.domain.decisions.decision import DecisionFile, canonical_document
from services.allocation.domain.decisions.sealed import decision_hash
from services.allocation.domain.policies.terms import STANDARD_TERMS
from services.allocation.events import RoundMethod
from tests.stories.audit import DECIDED, DECISION, TODAY, Told, told
from tests.stories.audit_tenders import told_with_tender
from tests.stories.bundles import bundle_of, rewrite
from tests.stories.decided import METHODS, decided


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decided")
    asyncio.run(bundle_of(Told(told(), folder / "log"), folder / "bundle"))
    return folder / "bundle"


def run(bundle: Path, *options: object, decision: str = DECISION) -> Result:
    return CliRunner().invoke(app, ["audit", "decide", decision, "--bundle", str(bundle), *map(str, options)])


def held(kind: str, file: DecisionFile | None = None) -> Held:
    file = file or decided(kind)
    return Held(decision=decision_hash(file), file=file, on=TODAY, method=METHODS[kind])


def awards_g(found: Any) -> dict[str, int]:
    return {each.request: each.award_g for each in found.given}


def by(rule: str) -> Any:
    return rule, replace(STANDARD_TERMS, method=RoundMethod(rule=rule))


def test_a_quota_counts_within_the_classes_that_go_by_quotas() -> None:
    quotas = {each.request: each.cap_g for each in held("class by quota").case.claimants}
    assert {name for name, cap_g in quotas.items() if cap_g is not None} == {"req_us", "req_eu"}, "Japan's class goes by shares"


@pytest.mark.parametrize("kind", METHODS)
def test_without_options_it_is_what_was_decided_by_each_rule(kind: str) -> None:
    """Over lots of two sizes and a right, with caps, quotas, classes and positions."""
    found = decide(held(kind), None)
    lines = [line.content for line in held(kind).file.lines]
    assert awards_g(found.now) == awards_g(found.decided) == {line.claimant.request: line.award_g for line in lines}
    assert found.now.unused_g == held(kind).file.decision.left_g
    assert found.changes == () and "is what was decided" in " ".join(sentences(found))


def test_by_another_policy_others_get_more() -> None:
    found = decide(held("share"), by("equal_awards"))
    assert awards_g(found.now) != awards_g(found.decided)
    said = " ".join(sentences(found))
    assert "by policy equal_awards, equal_awards" in said and "would have got" in said


def test_who_had_asked_for_less_would_have_left_more_to_others() -> None:
    by_partner = {line.content.claimant.partner: line.content.claimant.request for line in held("class").file.lines}
    us, eu = by_partner["US"], by_partner["EU"]
    found = decide(held("class"), None, [f"{us}=accepted_g=0"])
    assert awards_g(found.now)[us] == 0 < awards_g(found.decided)[us]
    assert awards_g(found.now)[eu] > awards_g(found.decided)[eu]


def test_a_file_with_another_award_than_its_rule_gives_is_not_gone_on_from(capsys: pytest.CaptureFixture[str]) -> None:
    file = decided()
    line = file.lines[0]
    forged = replace(file, lines=(replace(line, content=replace(line.content, award_g=line.content.award_g + 1)), *file.lines[1:]))
    with pytest.raises(typer.Exit) as ended:
        decide(held("share", forged), by("equal_awards"))
    assert ended.value.exit_code == 1 and "not what its file comes to" in capsys.readouterr().err


# --- the command, over a bundle


def test_the_decision_is_found_by_its_hash_or_by_its_round(bundle: Path) -> None:
    found = [json.loads(run(bundle, "--json", decision=name).stdout) for name in (DECISION, "rnd_1")]
    assert found[0] == found[1] and found[0]["round"] == "rnd_1"
    assert [each["award_g"] for each in found[0]["now"]["given"]] == [60, 40]


def test_the_table_shows_what_was_decided_beside_what_would_have_been(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "equal.json").write_text('{"method": {"rule": "equal_awards"}}')
    result = run(bundle, "--policy", tmp_path / "equal.json")
    assert result.exit_code == 0, result.output
    row = next(line.split() for line in result.stdout.splitlines() if "req_jp" in line)
    assert row[-8:] == ["0.00006", "t", "15.0", "0.00005", "t", "12.5", "-0.00001", "t"]
    assert "JP would have got 0.00005 t and not 0.00006 t, which buys 12.5 days and not 15.0." in result.stdout


def test_with_other_facts_of_a_request_and_of_a_pool(bundle: Path) -> None:
    now = json.loads(run(bundle, "--with", "req_jp=accepted_g=20", "--with", "all=10=7", "--json").stdout)["now"]
    assert [each["award_g"] for each in now["given"]] == [20, 50] and now["offered_g"] == 70


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--with", "req_jp=accepted_g=much"), "--with: "),
        (("--with", "req_jp=colour=5"), ", ".join(FACTS)),
        (("--with", "req_eu=accepted_g=5"), "req_jp, req_us"),
        (("--with", "all=0=5"), "all=5000000=12"),
        (("--with", "req_jp"), "request=field=number"),
        (("--policy", "nowhere.json"), "--policy: "),
    ],
)
def test_what_is_no_fact_or_no_policy_is_refused_in_one_line(options: tuple[str, ...], says: str, bundle: Path) -> None:
    result = run(bundle, *options)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert says in result.stderr


def test_what_a_policy_cannot_decide_is_refused(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "iep.json").write_text('{"method": {"rule": "iep", "restraint": "93/100"}}')
    result = run(bundle, "--policy", tmp_path / "iep.json")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1) and "position" in result.stderr


@pytest.mark.parametrize("decision", ["rnd_nobodys", "ab" * 32, "req_jp"])
def test_a_decision_that_is_not_there_is_refused(decision: str, bundle: Path) -> None:
    result = run(bundle, decision=decision)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1) and result.stderr.startswith("reserve: DECISION: ")


def test_a_tenders_decision_goes_by_no_policy(tmp_path: Path) -> None:
    asyncio.run(bundle_of(told_with_tender(tmp_path / "log"), tmp_path / "bundle"))
    result = run(tmp_path / "bundle", decision="tnd_1")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1) and "tender" in result.stderr


def test_another_file_in_its_place_is_found(tmp_path: Path) -> None:
    asyncio.run(bundle_of(Told(told(), tmp_path / "log"), tmp_path / "bundle"))
    name = f"documents/allocation/{sha256(canonical_document(DECIDED)).hexdigest()}.gz"
    rewrite(tmp_path / "bundle", name, lambda content: content.replace(b'"award_g":60', b'"award_g":70'))
    result = run(tmp_path / "bundle")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1) and "another decision" in result.stderr
