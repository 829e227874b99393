"""`reserve audit report`: a bundle's audit and what its record says, as one HTML file, and as PDF where there is a Chromium."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from reserve.audit.report import Report
from reserve.bundle.evidence import BundleEvidence
from reserve.bundle.layout import manifest_hash
from reserve.commands.audit import Asked, verify
from reserve.commands.bundle import read_from
from reserve.commands.failure import fail
from reserve.report import chromium
from reserve.report.gathered import gather
from reserve.report.page import page_of
from shared.engines.private_files import write_private

PDF_WITHIN_S = 600


class Written(msgspec.Struct, frozen=True):
    """`report`: what the audit found."""

    report: Report
    files: tuple[Path, ...]


def written(bundle: Path, into: Path, pdf: Path | None, keys: Sequence[str], policies: Sequence[Path], folder: Path) -> Written:
    """Audits the bundle, and writes what it says and whether it holds, for its owner's eyes alone. Nothing is written where the bundle is
    none: exit code 2."""
    browser = None if pdf is None else _browser()
    report = verify(Asked(folder=folder, keys=keys, policies=policies, bundle=bundle))
    evidence = BundleEvidence(bundle)  # which `verify` has found whole
    told = read_from(gather(evidence, report.cut.covers))
    page = page_of(report, told, origin=evidence.manifest.origin, bundle=manifest_hash(bundle))
    try:
        write_private(into, page.encode())
    except OSError as error:
        fail(f"--output: {error.filename or into}: {error.strerror}")
    if pdf is not None and browser is not None:
        _print(browser, into, pdf)
    return Written(report, (into,) if pdf is None else (into, pdf))


def _browser() -> str:
    if (found := chromium.found()) is None:
        fail(f"--pdf: there is no Chromium to print it with (accepted: without --pdf; or {chromium.HOW})")
    return found


def _print(browser: str, page: Path, pdf: Path) -> None:
    """By a browser that knows nobody, keeps nothing, and is told of no other address."""
    with tempfile.TemporaryDirectory() as profile:
        paper = Path(profile) / "report.pdf"
        arguments = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--no-pdf-header-footer")
        ended = subprocess.run(
            (browser, *arguments, f"--print-to-pdf={paper}", page.resolve().as_uri()),
            capture_output=True,
            timeout=PDF_WITHIN_S,
            check=False,
        )
        if not paper.is_file():
            fail(f"--pdf: Chromium has printed nothing (exit code {ended.returncode}); the page itself is in {page}")
        write_private(pdf, paper.read_bytes())
