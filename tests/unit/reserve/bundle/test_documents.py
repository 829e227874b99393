"""Documents of a bundle: one that is another than an event names is found, one that is not there is listed, and the export counts those."""

import asyncio
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from reserve.audit.journals import CODECS
from reserve.audit.report import Check, Findings
from reserve.bundle import export as exporting
from reserve.bundle.documents import look_at_documents
from reserve.bundle.evidence import BundleEvidence
from reserve.bundle.export import export
from reserve.commands.failure import CHECK_FAILED, SEEN_BY_NOBODY
from reserve.operate.migrate import ROOT
from tests.stories.audit import Step, Told, told
from tests.stories.bundles import Running, bundle_of, change_manifest, rewrite

POLICY = b"a policy that no decision was made under"
NAME = sha256(POLICY).hexdigest()
DRAFTED = ROOT / "tests/contract/allocation/allocation.policy_drafted.v1.json"  # an event as it was stored once
FILE = f"documents/allocation/{NAME}.gz"


class Documented(Told):
    """With a document that is no decision's."""

    def __init__(self, folder: Path, name: str = NAME, *, kept: bool = True) -> None:
        drafted = CODECS["allocation"].decode(DRAFTED.stem, DRAFTED.read_bytes().strip())
        step = Step(event=replace(drafted, document=name))
        super().__init__(told() | {"drafted": step, "signed_again": Step()}, folder)
        if kept:
            self.documents[name] = POLICY


async def looked_at(bundle: Path, covered: int = 1000) -> tuple[list[str], list[str]]:
    """Places of what fails, and of what is listed, of that document."""
    findings, evidence = Findings(), BundleEvidence(bundle)
    await look_at_documents(findings, evidence, dict.fromkeys(evidence.manifest.heads, covered))
    [result] = findings.results([Check.DOCUMENTS])
    assert result.checked
    return [each.place for each in result.failures], [each.place for each in result.listed if NAME in each.what]


def left_out(bundle: Path) -> None:
    (bundle / FILE).unlink()
    change_manifest(bundle, lambda said: said.update(files=[file for file in said["files"] if file["name"] != FILE]))


async def test_a_document_that_an_event_names_is_looked_for(tmp_path: Path) -> None:
    history = Documented(tmp_path / "log")
    await bundle_of(history, tmp_path / "bundle")
    assert await looked_at(tmp_path / "bundle") == ([], [])
    rewrite(tmp_path / "bundle", FILE, lambda content: content + b".")
    assert await looked_at(tmp_path / "bundle") == ([history.places["drafted"]], [])
    left_out(tmp_path / "bundle")
    assert await looked_at(tmp_path / "bundle") == ([], [history.places["drafted"]])


async def test_of_what_is_not_covered_no_document_is_looked_for(tmp_path: Path) -> None:
    history = Documented(tmp_path / "log")
    await bundle_of(history, tmp_path / "bundle")
    left_out(tmp_path / "bundle")
    position = int(history.places["drafted"].rpartition("/")[2])
    assert await looked_at(tmp_path / "bundle", position - 1) == ([], [])


def verified(history: Told, bundle: Path) -> Result:
    return CliRunner().invoke(app, ["audit", "verify", str(bundle), "--key", str(history.log_key)])


@pytest.fixture
async def made(tmp_path: Path) -> tuple[Told, Path]:
    history = Documented(tmp_path / "log")
    await bundle_of(history, tmp_path / "bundle")
    return history, tmp_path / "bundle"


def test_an_auditor_is_told_of_both(made: tuple[Told, Path]) -> None:
    history, bundle = made
    rewrite(bundle, FILE, lambda content: content + b".")
    found = verified(history, bundle)
    assert found.exit_code == CHECK_FAILED and f"documents {history.places['drafted']}: " in found.stdout, found.output
    left_out(bundle)
    found = verified(history, bundle)
    assert found.exit_code == SEEN_BY_NOBODY and f"the document {NAME} is not in the bundle" in found.stdout, found.output


async def lacking(history: Told, folder: Path, falls_after: int | None = None) -> list[str]:
    found: list[str] = []
    await export(Running(history, falls_after), folder, lacks=found.extend)  # type: ignore[arg-type]
    return found


async def test_an_export_says_what_it_could_not_get_also_before_it_fell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PART_ROWS", 4)
    history = Documented(tmp_path / "log", kept=False)
    whole = await lacking(history, tmp_path / "at_once")
    assert FILE in whole
    falls = 0
    while True:
        try:
            found = await lacking(history, tmp_path / "bundle", falls_after=1 + falls % 4)
            break
        except ConnectionError:
            falls += 1
            assert falls < 100, "nothing is kept"
    assert falls > 3 and found == whole
    assert FILE not in await lacking(Documented(tmp_path / "other"), tmp_path / "others")


def test_a_name_that_leads_out_of_the_folder_is_none(tmp_path: Path) -> None:
    asyncio.run(bundle_of(Documented(tmp_path / "log", "../../../outside"), tmp_path / "bundle"))
    assert not list(tmp_path.rglob("outside*"))
