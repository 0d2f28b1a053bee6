"""The lines of the page on other tools work as they are shown, and find what is wrong."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from registry.api import Registry
from testing.panels import PANEL_A, SOURCE, write_panel_folder
from testing.registries import RegistryLocation

pytestmark = pytest.mark.small_panels

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "without-calreg.md"
LINES = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
TOOLS = ("sqlite3", "psql", "sha256sum", "b3sum", "jq", "file")


def _list_tools(line: str) -> list[str]:
    return [tool for tool in TOOLS if re.search(rf"(?:^|[(| ]){tool} ", line)]


def _run(line: str, location: RegistryLocation, folder: Path) -> subprocess.CompletedProcess[str]:
    for tool in _list_tools(line):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    script = f"set -euo pipefail; {line}"
    environment = {**os.environ, "CALREG_DATABASE": location.database, "PSQLRC": os.devnull}
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _fill(registry: Registry, folder: Path) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.versions.add(PANEL_A, write_panel_folder(folder / "made", 3), valid_from="beginning")
    registry.runs.add("exp=xcsls3716:run=1", begin="2018-06-01T00:00:00Z")
    registry.detectors.configure("xcsls3716", SOURCE, PANEL_A, first_run=1)
    registry.export("exp=xcsls3716:run=1", folder / "export")


def test_every_tool_of_the_page_is_tried() -> None:
    assert {tool for line in LINES for tool in _list_tools(line)} == {*TOOLS}


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("line", [line for line in LINES if "psql" not in line])
def test_a_line_works_on_files_and_on_sqlite(
    line: str, sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    with sqlite_location.open() as registry:
        _fill(registry, tmp_path)
    if not (tmp_path / "registry.sqlite").exists():
        (tmp_path / "registry.sqlite").symlink_to(sqlite_location.file or "")
    if not (tmp_path / "store").exists():
        (tmp_path / "store").symlink_to(sqlite_location.store)
    result = _run(line, sqlite_location, tmp_path)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    assert bool(result.stdout) != ("--check" in line)
    if "--check" in line:
        folder = tmp_path / "export" if "cd export" in line else sqlite_location.store
        path = next(folder.rglob("*.npy"))
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        result = _run(line, sqlite_location, tmp_path)
        assert result.returncode != 0
        assert path.name in result.stdout


@pytest.mark.parametrize("line", [line for line in LINES if "psql" in line])
def test_a_line_works_on_postgresql(line: str, empty_postgres: str, tmp_path: Path) -> None:
    from registry.api import create_registry

    location = RegistryLocation(empty_postgres, tmp_path / "store")
    create_registry(location.database, location.store)
    with location.open() as registry:
        _fill(registry, tmp_path)
    result = _run(line, location, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert ("exp=xcsls3716:run=1" if "v_runs" in line else "(4 rows)") in result.stdout
