"""The files of ``deployment/``: that their page shows them, and that the programs accept them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from registry.service.metrics import Metrics
from testing.proxies import FILES

PAGE = FILES.parent / "docs" / "how-to" / "serve-behind-a-proxy.md"


def test_the_page_shows_every_file_exactly() -> None:
    shown = dict(
        re.findall(r"^```\w+\n# deployment/(\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    )
    assert shown == {path.name: path.read_text() for path in FILES.iterdir()}


def test_an_alert_counts_what_the_service_counts() -> None:
    counted = Metrics().format(1)
    names = set(re.findall(r"\bcalreg_\w+", (FILES / "calreg-alerts.yml").read_text()))
    assert names == {"calreg_requests_total", "calreg_head_revision"}
    assert all(f"# TYPE {name} " in counted for name in names)


@pytest.mark.slow
def test_systemd_accepts_the_unit_and_finds_it_hardened(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    unit = tmp_path / "calreg@8421.service"
    text = (FILES / "calreg@.service").read_text()
    unit.write_text(text.replace("/opt/calreg/bin/calreg", shutil.which("true") or "/bin/true"))
    done = subprocess.run([program, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    command = [program, "security", "--offline=yes", "--threshold=20", str(unit)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
