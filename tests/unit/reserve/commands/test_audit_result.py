"""An audit's result as a file: signed, with what each finding is worth, when it was, and who could have done it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from reserve.audit.report import Check
from reserve.audit.result import takers
from reserve.commands.failure import BAD_INPUT, CHECK_FAILED, SEEN_BY_NOBODY
from shared.terms.approval import fingerprint, private_key_pem, public_key_hex
from tests.stories.audit import UNIT_G, Told, before, changed, release, stock, told
from tests.stories.bundles import bundle_of

KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(name * 32) for name in (b"a", b"b"))


def audited(history: Told, folder: Path, *more: str) -> tuple[Result, dict[str, Any] | None]:
    """What the command printed, and the file that it wrote."""
    (key := folder / "auditor.pem").write_bytes(private_key_pem(KEY))
    key.chmod(0o600)
    signing = more or ("--auditor", "national-audit-office", "--signing-key", str(key))
    file = folder / "result.json"
    asked = ["audit", "verify", str(folder / "bundle"), "--key", str(history.log_key), "--result", str(file), *signing]
    ran = CliRunner().invoke(app, asked)
    return ran, json.loads(file.read_bytes()) if file.exists() else None


def read(folder: Path, key: Ed25519PrivateKey = KEY, who: str = "national-audit-office") -> Result:
    (folder / "auditors").write_text(f"{who} {fingerprint(public_key_hex(key))}\n")
    return CliRunner().invoke(app, ["audit", "result", str(folder / "result.json"), "--auditors", str(folder / "auditors")])


def test_what_holds_says_of_what_period_and_by_whom(tmp_path: Path) -> None:
    history = Told(told(), tmp_path / "log")
    asyncio.run(bundle_of(history, tmp_path / "bundle"))
    ran, file = audited(history, tmp_path)
    assert ran.exit_code == SEEN_BY_NOBODY and file is not None, ran.output
    result = file["result"]
    times = sorted(record.recorded_at for line in history.journals.values() for record in line)
    assert (result["first_recorded_at"], result["last_recorded_at"]) == (times[0], times[-1])
    assert result["ok"] and result["looked_at"]["draws"] and result["cut"]["size"] == len(history.tree)
    [left] = [each for each in result["findings"] if each["check"] == "consignees"]  # listed: of before its rule
    assert not left["fails"] and left["by"].startswith("sub_operator, ") and left["event"]["type"].startswith("inventory.draw_dispatched")
    shown = read(tmp_path)
    assert shown.exit_code == 0 and "national-audit-office" in shown.output and "nothing that is in the books" in shown.output


def test_a_failure_says_what_it_is_worth_when_it_was_and_who_could_have(tmp_path: Path) -> None:
    rogue = stock(replace(release("us", "US", 10), release="rel_x", award="awd_x", decision="0" * 64))
    history = Told(before(told(), "sign", rogue=rogue), tmp_path / "log")
    asyncio.run(bundle_of(history, tmp_path / "bundle"))
    ran, file = audited(history, tmp_path)
    assert ran.exit_code == CHECK_FAILED and file is not None, ran.output
    [found, *_] = [each for each in file["result"]["findings"] if each["check"] == "releases"]
    assert found["values"][0]["asset"] == "antimony-metal" and found["values"][0]["amount"] == 10
    assert 0 < found["values"][0]["amount"] <= found["values"][0]["held"]
    assert found["event"]["type"].startswith("inventory.stock_released") and "refuse it" in found["by"]
    assert [each["amount"] for each in file["result"]["totals"]] == [10], "once, however many checks it fails"
    shown = read(tmp_path)
    assert shown.exit_code == 0 and "10 g of antimony-metal" in shown.output.replace("\n", " ")


@pytest.mark.parametrize("member", ["ok", "events", "code", "audited_at"])
def test_a_result_that_was_changed_is_none(member: str, tmp_path: Path) -> None:
    story = told()
    changed(story, "lot", units=2, mass_g=2 * UNIT_G)
    history = Told(story, tmp_path / "log")
    asyncio.run(bundle_of(history, tmp_path / "bundle"))
    _, file = audited(history, tmp_path)
    assert file is not None
    own = file["result"][member]
    file["result"][member] = not own if isinstance(own, bool) else own + 1 if isinstance(own, int) else own[::-1]
    (tmp_path / "result.json").write_text(json.dumps(file))
    found = read(tmp_path)
    assert found.exit_code == CHECK_FAILED and "not as its auditor signed it" in found.output


def test_who_is_not_pinned_and_what_is_no_result_are_refused(tmp_path: Path) -> None:
    history = Told(told(), tmp_path / "log")
    asyncio.run(bundle_of(history, tmp_path / "bundle"))
    ran, file = audited(history, tmp_path, "--auditor", "somebody")
    assert ran.exit_code == BAD_INPUT and file is None and "--signing-key" in ran.output
    audited(history, tmp_path)
    for key, who in ((OTHER, "national-audit-office"), (KEY, "somebody-else")):
        found = read(tmp_path, key, who)
        assert found.exit_code == CHECK_FAILED and "does not pin" in found.output
    (tmp_path / "result.json").write_text("{}")
    assert read(tmp_path).exit_code == BAD_INPUT


def test_of_each_check_it_is_said_who_could_have() -> None:
    assert all(takers(check) for check in Check)
    assert "no command does this" in takers(Check.SIGNATURES) and "refuse it" in takers(Check.DRAWS)
