"""The versions of installed packages, without `importlib.metadata`: its imports take longer than a look-up."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

_FIELD = "Version: "


@cache
def find_version(package: str) -> str:
    """Return the version of an installed package; a `PackageNotFoundError` where it is not installed."""
    metadata = _find_metadata(package)
    if metadata is not None:
        with metadata.open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith(_FIELD):
                    return line.removeprefix(_FIELD).strip()
    from importlib.metadata import version

    return version(package)


def _find_metadata(package: str) -> Path | None:
    """Return the file with the version of a package; None where more has to be known of how packages are found."""
    for place in sys.path:
        folder = Path(place)
        try:
            names = [entry.name for entry in folder.iterdir()]
        except FileNotFoundError:
            continue
        except OSError:  # an archive
            return None
        described = [name for name in names if _name_package(name) == package.lower()]
        if described:
            file = folder / described[0] / "METADATA"
            return file if len(described) == 1 and file.is_file() else None
    return None


def _name_package(name: str) -> str | None:
    """Return the package that a folder of this name describes, None for any other folder."""
    if not name.endswith((".dist-info", ".egg-info")):
        return None
    return name.partition("-")[0].removesuffix(".egg").lower()
