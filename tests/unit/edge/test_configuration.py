"""What Envoy is told: valid by its own word, and the same file for whoever runs Reserve elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from reserve.operate.edge.configuration import CALLERS, CONNECTIONS, callers_of
from reserve.operate.edge.program import envoy

ROOT = Path(__file__).parents[3]
OF_THE_IMAGE = {"RESERVE_HOST": "0.0.0.0", "RESERVE_PORT": "8000"}  # noqa: S104


def test_the_file_in_deploy_is_what_is_made_of_composes_environment_and_envoy_takes_it() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    environment = compose["services"]["edge"]["environment"]
    environment = os.environ | environment | OF_THE_IMAGE
    made = subprocess.run((sys.executable, "-m", "reserve.operate.edge"), env=environment, cwd=ROOT, capture_output=True, check=True)
    kept = ROOT / "deploy" / "edge" / "envoy.json"
    assert kept.read_bytes() == made.stdout, "python -m reserve.operate.edge makes it"
    checked = subprocess.run((envoy(), "--mode", "validate", "--config-path", str(kept)), capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(("files", "callers"), [(1 << 20, CALLERS), (10_000, 10_000 - 6 * CONNECTIONS - 256), (4_096, 2_048)])
def test_there_are_no_more_callers_than_files_for_them(files: int, callers: int) -> None:
    assert callers_of(files, services=6) == callers
