"""The copy from which a store is repaired: a backup, another store, or any folder with the layout of one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from registry.api.backup_descriptions import read_description
from registry.errors import NotFoundError, RegistryError, RequestError
from registry.files import translate_os_errors
from registry.heads import HeadFile
from registry.storage import parse_place
from registry.store import ContentStore


def open_copy(source: str | Path, own: ContentStore) -> ContentStore:
    """Return the files in a folder or bucket; refuse one that holds none, or the store that is to be repaired itself.

    Raises
    ------
    NotFoundError
        There is no such folder.
    RequestError
        It is a file, has not the layout of a store, or its files are those of the store itself.
    UnavailableError
        It cannot be read.
    """
    place = parse_place(source)
    copy = ContentStore(place)
    if isinstance(place, Path):
        _refuse_other_folder(place)
    elif not copy.list_objects():
        raise RequestError(f"{copy.place!r} is not a store: no object is in it", path=copy.place)
    if own.is_same(copy):
        raise RequestError(
            f"{copy.place!r} is the store that is to be repaired; a copy elsewhere is needed", path=copy.place
        )
    return copy


def _refuse_other_folder(folder: Path) -> None:
    """Refuse a folder that is neither a backup nor a store."""
    name = repr(str(folder))
    with translate_os_errors("read", folder):
        if not folder.exists():
            raise NotFoundError(f"there is no folder {name}", path=str(folder))
        if not folder.is_dir():
            raise RequestError(
                f"{name} is a file; the folder of a backup or of a store is expected", path=str(folder)
            )
        objects = folder / "objects"
        if not objects.is_dir():
            inner = folder / "store"
            hint = f"; {str(inner)!r} has one" if (inner / "objects").is_dir() else ""
            raise RequestError(
                f"{name} is neither a backup nor a store: it has no folder 'objects'{hint}", path=str(folder)
            )
        os.scandir(objects).close()


def describe_copy(copy: ContentStore, registry_id: str) -> list[str]:
    """Return notes on what a copy is: of another registry, or of an earlier revision."""
    notes = []
    with suppress(RegistryError):  # a damaged mark says nothing
        owner = copy.read_owner()
        if owner not in {None, registry_id}:
            notes.append(f"the copy belongs to registry {owner}: files are taken by their bytes")
    with suppress(RegistryError):
        folder = Path(copy.place)
        notes.append(f"the copy is the backup of revision {read_description(folder).revision}")
        return notes
    with suppress(RegistryError):
        state = HeadFile(copy.storage).read()
        if state is not None and owner == registry_id:
            notes.append(f"the copy is a store whose newest revision is {state.committed.number}")
    return notes
