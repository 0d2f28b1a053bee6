"""Files of a store in a folder, for tests that look at them or damage them."""

from __future__ import annotations

from pathlib import Path

from registry.storage import Place, open_storage
from registry.store import ContentStore


def find_object_path(store: ContentStore, sha256: str) -> Path:
    """Return the path of an object, stored or not."""
    return Path(store.locate(sha256))


def list_object_paths(store: ContentStore) -> list[Path]:
    """Return the paths of all files below ``objects``, in their order."""
    return [Path(store.place) / key for key in store.list_objects()]


def has_marker(place: Place) -> bool:
    """Tell whether there is a store that belongs to a registry."""
    return open_storage(place).has_entry("registry.json")


def count_temporary_files(place: Place) -> int:
    """Return the number of files of a store that were not finished."""
    if isinstance(place, Path):
        return len(list(place.rglob(".arriving-*")))
    return len(open_storage(place).list_leftovers())
