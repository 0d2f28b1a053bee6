"""The versions of installed packages are those that `importlib.metadata` finds."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

import pytest

from registry.packages import find_version


def test_the_version_of_every_installed_package_is_found() -> None:
    names = {distribution.metadata["Name"] for distribution in distributions()}
    assert {"calreg", "numpy", "SQLAlchemy"} <= names
    assert {name: find_version(name) for name in names} == {name: version(name) for name in names}


def test_a_package_that_is_not_installed_is_not_found() -> None:
    with pytest.raises(PackageNotFoundError):
        find_version("nowhere")


@pytest.mark.parametrize("kind", ["dist-info", "egg-info"])
def test_the_first_place_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    for place, number in (("early", "2.0rc1"), ("late", "1.0")):
        folder = tmp_path / place / f"Some_thing-{number}.{kind}"
        folder.mkdir(parents=True)
        (folder / ("METADATA" if kind == "dist-info" else "PKG-INFO")).write_text(
            f"Metadata-Version: 2.1\nName: Some_thing\nVersion: {number}\n"
        )
        monkeypatch.syspath_prepend(tmp_path / place)
    find_version.cache_clear()
    assert find_version("some_thing") == version("some_thing") == "1.0"
    monkeypatch.syspath_prepend(tmp_path / "early")
    find_version.cache_clear()
    assert find_version("some_thing") == version("some_thing") == "2.0rc1"
    find_version.cache_clear()
