"""What of the partner's client is made from something else is as that is now."""

import subprocess
import sys

from reserve.operate.migrate import ROOT

CLIENT = ROOT / "clients" / "python"


def test_models_and_the_synchronous_client_are_what_the_script_writes() -> None:
    """Else: `python clients/python/generate.py`."""
    stale = subprocess.run([sys.executable, str(CLIENT / "generate.py"), "--stale"], capture_output=True, text=True, check=True).stdout
    assert stale == ""


def test_the_package_needs_three_others_and_nothing_of_ours() -> None:
    """As it is installed at a partner's: with the folder of the client alone on the path."""
    code = "import sys, reserve_partner, reserve_partner.signing; print(*{name.partition('.')[0] for name in sys.modules})"
    found = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=CLIENT, env={"PYTHONPATH": str(CLIENT)}, capture_output=True, text=True, check=True
    )
    assert {"httpx", "msgspec", "cryptography"} <= set(found.stdout.split())
    assert not {"shared", "reserve", "services", "pydantic", "joserfc"} & set(found.stdout.split())
