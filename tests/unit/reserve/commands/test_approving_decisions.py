"""An approver signs no decision that says two things, and is shown what it says in one place alone; nor does such a certificate hold."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from reserve.__main__ import app
from services.allocation.domain.decisions.certificate import Certificate
from services.allocation.domain.decisions.decision import canonical_document
from services.allocation.domain.decisions.sealed import decision_hash
from tests.stories.book import TODAY
from tests.stories.decided import WRONG, decided, forged
from tests.stories.endorsing import read_approval
from tests.unit.reserve.commands.approving import approve


def test_an_approver_is_shown_the_stock_the_agreements_and_what_is_compared_with_nothing(tmp_path: Path) -> None:
    file = decided()
    result = approve(tmp_path, canonical_document(file))
    assert read_approval(result.stdout.encode()).document == decision_hash(file)
    for words in (
        *("147000000 g, of which 15000000 g are protected", "agr_EU version 1, class 1, 45000000 g of its quota left, at most 1/3 of what"),
        *("not checkable", "terms/policy, terms/policy_version: ", "holdings/protected_g: ", "lines/*/claimant/accepted_g"),
    ):
        assert words in result.stderr, words


@pytest.mark.parametrize(("code", "change"), WRONG.values(), ids=WRONG)
def test_a_decision_that_says_two_things_is_not_signed_and_its_certificate_does_not_hold(
    tmp_path: Path, code: str, change: Callable[[Any, Any], None]
) -> None:
    file = forged(decided(), change)
    result = approve(tmp_path, canonical_document(file))
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.search("not signed: .*: [a-z_]+: it says", result.stderr)
    terms = file.decision.terms
    certificate = Certificate(
        decision=decision_hash(file),
        round=terms.round,
        product=terms.product,
        expires_on=TODAY,
        file=msgspec.Raw(canonical_document(file)),
        approvals=(),
        proofs=(),
    )
    written = tmp_path / "certificate.json"
    written.write_bytes(canonical_document(certificate))
    verified = CliRunner().invoke(app, ["certificate", "verify", str(written), "--data", str(tmp_path), "--json"])
    assert verified.exit_code == 1
    assert code in {each.get("code") for each in json.loads(verified.stdout)["failed"]}
