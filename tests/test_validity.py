"""What is valid when, asked at and around every boundary."""

from pathlib import Path

import pytest

from registry.api import Registry
from registry.errors import NotValidError
from tests.making import PANEL_A, panel_folder


def test_a_version_is_valid_from_its_start_to_the_microsecond(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A)
    folder = panel_folder(tmp_path / "constants")
    registry.versions.add(PANEL_A, folder, valid_from="2018-01-01T00:00:00Z")
    found = registry.validity(PANEL_A, at="2018-01-01T00:00:00Z").versions
    assert [version.kind for version in found] == ["gain", "offset"]
    with pytest.raises(NotValidError, match="the first begins 2018-01-01T00:00:00Z"):
        registry.validity(PANEL_A, at="2017-12-31T23:59:59.999999Z")
