"""The files with which the bot is run unattended: they agree with it, and with the tools that read them."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.process import EXIT_CANNOT_RUN
from bot.settings import Settings

ROOT = Path(__file__).parent.parent.parent
UNIT = ROOT / "bot/deployment/imagine-bot.service"
CONTAINER = (ROOT / "bot/deployment/Containerfile").read_text("utf-8")
FOR_RAY = ROOT / "bot/deployment/ray.conf"
MOST_EXPOSED = 1.5  #: of 10, by systemd-analyze
MOST_EXPOSED_TO_RAY = 2.0

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a command that is there."""
    text = UNIT.read_text("utf-8").replace("/opt/imagine-bot/.venv/bin/python", sys.executable)
    file = tmp_path / UNIT.name
    file.write_text(text.replace("WorkingDirectory=/opt/imagine-bot", f"WorkingDirectory={tmp_path}"))
    return file


@pytest.fixture
def unit_for_ray(unit: Path) -> Path:
    """The same with its drop-in."""
    folder = unit.with_name(f"{unit.name}.d")
    folder.mkdir()
    shutil.copy(FOR_RAY, folder)
    return unit


def analysed(unit: Path) -> str:
    """What systemd-analyze says of how far a unit is shut off."""
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "exposure level" in done.stdout, done.stdout + done.stderr
    return done.stdout


def exposure(analysis: str) -> float:
    return float(re.findall(r"exposure level for .*: ([\d.]+)", analysis)[0])


@needs_systemd
def test_systemd_takes_the_unit(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_unit_is_shut_off_from_the_rest_of_the_machine(unit: Path) -> None:
    assert exposure(analysed(unit)) <= MOST_EXPOSED


@needs_systemd
def test_the_drop_in_for_ray_opens_tmp_and_the_list_of_processes_and_little_else(unit_for_ray: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", unit_for_ray], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    analysis = analysed(unit_for_ray)
    for opened in ("PrivateTmp=", "ProtectProc="):
        assert re.search(rf"^✗ {opened} ", analysis, re.MULTILINE), analysis
    assert exposure(analysis) <= MOST_EXPOSED_TO_RAY


def test_the_unit_knows_the_exit_codes_and_gives_a_stop_its_time() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read(UNIT)
    service = parser["Service"]
    assert service["RestartPreventExitStatus"] == str(EXIT_CANNOT_RUN)
    assert float(service["TimeoutStopSec"]) >= Settings.model_fields["drain_seconds"].default + 60


def test_the_container_has_what_the_bot_needs_and_no_more_rights() -> None:
    for name in re.findall(r"^COPY (.+) \S+$", CONTAINER, re.MULTILINE):
        assert all((ROOT / part).exists() for part in name.split())
    users = re.findall(r"^USER (\S+)$", CONTAINER, re.MULTILINE)
    assert users == ["10001"]
    assert re.findall(r"^VOLUME (\S+)$", CONTAINER, re.MULTILINE) == re.findall(r"DATA_DIR=(\S+)", CONTAINER)
    (port,) = re.findall(r"METRICS_PORT=(\d+)", CONTAINER)
    assert f"http://127.0.0.1:{port}/healthz" in CONTAINER
    assert 'ENTRYPOINT ["python", "-m", "bot", "run"]' in CONTAINER
