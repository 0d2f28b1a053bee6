"""Places of stores, as settings name them."""

from __future__ import annotations

from pathlib import Path

from registry.files import make_absolute
from registry.storage.folder import Folder
from registry.storage.interface import Storage

Place = Path
"""The place of a store: the path of a folder. Its text is how it is shown and set."""


def parse_place(text: str | Path) -> Place:
    """Return the place that a text names; raises as `files.make_absolute`."""
    return make_absolute(Path(text))


def find_parent(place: Place) -> Path | None:
    """Return the folder in which the folder of a store is, None where it is none."""
    return place.parent if isinstance(place, Path) else None


def open_storage(place: Place | Storage) -> Storage:
    """Return the storage at a place; nothing is read yet."""
    return Folder(place) if isinstance(place, Path) else place
