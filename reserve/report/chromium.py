"""Chromium: the one that this machine has. `python -m reserve.report.chromium` installs Debian's where it may, or says how."""

import os
import shutil
import subprocess
import sys

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
PACKAGES = ("chromium", "fonts-liberation")
HOW = f"as root: apt-get update && apt-get install -y --no-install-recommends {' '.join(PACKAGES)}"


def found() -> str | None:
    """Its path, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name)) is not None), None)


def main() -> int:
    if found() is not None:
        return 0
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return _missing("it is installed by hand here")
    print("installing Chromium, which prints reports and which tests drive", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (("update",), ("install", "-y", "--no-install-recommends", *PACKAGES)):
        ended = subprocess.run(("apt-get", "-qq", *arguments), env=environment, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            print(ended.stdout[-2000:], ended.stderr[-2000:], file=sys.stderr)
            return _missing(f"apt-get {arguments[0]} failed, as it says above")
    return 0 if found() is not None else _missing("apt-get has installed none")


def _missing(why: str) -> int:
    print(
        f"Printed reports and the tests of the console need Chromium, and {why}.\nOn Debian, {HOW}\n"
        "Elsewhere: any Chromium or Chrome in PATH.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
