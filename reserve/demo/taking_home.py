"""Taking home: an auditor exports the whole history, two verifiers check it where no server is asked, and a report is printed from it."""

import asyncio
import sys

from reserve.audit.history import audit
from reserve.audit.live import LiveEvidence
from reserve.bundle.evidence import BundleEvidence
from reserve.bundle.export import export
from reserve.bundle.layout import checked, manifest_hash
from reserve.demo.stage import Stage
from reserve.operate.migrate import ROOT
from reserve.report.gathered import gather
from reserve.report.page import page_of
from shared.engines.private_files import write_private

BUNDLE, REPORT = "bundle", "report.html"  # in the parties' folder
VERIFIER = ROOT / "docs/audit/verify.py"  # no code of ours


async def take_home(stage: Stage) -> bool:
    """Whether all of it holds, by both of them."""
    folder = stage.folder / BUNDLE
    with stage.screen.waiting("exporting"):
        manifest = await export(LiveEvidence(stage.parties.auditor), folder)
    checked(folder)
    bundle = BundleEvidence(folder)
    report = await audit(bundle, [stage.log_key])
    told = await gather(bundle, report.cut.covers)
    page = page_of(report, told, origin=bundle.manifest.origin, bundle=manifest_hash(folder))
    write_private(stage.folder / REPORT, page.encode())
    command = (sys.executable, "-I", str(VERIFIER), str(folder), str(stage.log_key))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    said, _ = await process.communicate()
    stage.screen.say(
        f"The auditor took it home: {len(manifest.files)} files in parties/{BUNDLE}, whose hash is {manifest_hash(folder)[:16]}... "
        f"With no server asked, all of it {'holds' if report.ok else 'does not hold'}; and a second verifier, of no code of the Reserve's, "
        f"says: {said.decode().strip()}. What it says, for a committee and on paper, is in parties/{REPORT}."
    )
    return report.ok and process.returncode == 0
