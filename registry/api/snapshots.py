"""A snapshot: what was known as of a revision, in one SQLite file that is only read, for where there is no net."""

from __future__ import annotations

import os
from pathlib import Path

from registry import instants
from registry.api.backend import Backend
from registry.api.objects import CopiedFiles, copy_objects
from registry.authorship import recordable, sign
from registry.database import filling
from registry.database.closing import close
from registry.database.engine import at_rest
from registry.database.transfer import transfer
from registry.durable import arriving
from registry.errors import ConflictError, UnavailableError
from registry.lookup.excerpts import rows_known
from registry.lookup.revisions import AsOf, read_as_of
from registry.progress import Progress
from registry.records.copies import Copied
from registry.settings import shown_place
from registry.store import ContentStore


def take_snapshot(
    backend: Backend, file: Path, as_of: AsOf, store: Path | None, progress: Progress
) -> Copied:
    """Write the registry as of a revision into one file; see `Registry.snapshot`."""
    file = file.absolute()
    objects = ContentStore((store or file.parent / "store").absolute())
    files = CopiedFiles()
    try:
        if os.path.lexists(file):
            raise ConflictError(
                f"there is a file {str(file)!r} already; a snapshot replaces none", path=str(file)
            )
        if objects.owner() not in {None, backend.database.registry_id}:
            objects.refuse_other_registry(backend.database.registry_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        with arriving(file) as hidden:
            revision, rows = _write(backend, hidden, as_of, progress)
            if objects.root.resolve() != backend.store.root.resolve():
                objects.create(backend.database.registry_id)
                with at_rest(hidden) as connection:
                    files = copy_objects(connection, backend.store, objects, progress)
            hidden.chmod(0o444)
    except OSError as error:
        place = error.filename or file
        raise UnavailableError(
            f"{str(place)!r} cannot be written: {error.strerror}", path=str(place)
        ) from None
    return Copied(
        registry=backend.database.registry_id,
        revision=revision,
        database=shown_place(f"sqlite:///{file}"),
        store=str(objects.root),
        rows=rows,
        files=files.copied,
        files_there=files.there,
    )


def _write(backend: Backend, file: Path, as_of: AsOf, progress: Progress) -> tuple[int, dict[str, int]]:
    """Fill the file; return the revision and the number of rows by table."""
    asked = read_as_of(as_of, backend.timezone)
    tag = str(asked.value) if asked.by == "tag" else None
    with (
        backend.view(as_of) as view,
        filling(f"sqlite:///{file}", backend.database.registry_id, write_ahead_log=False) as target,
    ):
        rows = transfer(view.connection, target, rows_known(view.revision, tag), progress)
        place = f"revision {view.revision} of {recordable(shown_place(backend.database.url))}"
        close(target, "snapshot", place, instants.now(), sign())
    return view.revision, rows
