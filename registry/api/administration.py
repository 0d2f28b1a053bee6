"""What the keeper of a registry calls: open and close it, check it, copy it, let others in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from registry.api.backend import open_backend
from registry.database.closing import Closure
from registry.lookup.revisions import AsOf
from registry.parallel import Progress, no_progress
from registry.records import RegistryCopy, Verification
from registry.settings import Settings


class Administration:
    """An open registry, without what it knows of constants."""

    def __init__(self, settings: Settings, *, timezone: str | None = None) -> None:
        self._backend = open_backend(settings, timezone)

    @property
    def id(self) -> str:
        """The id that the database and the store share."""
        return self._backend.database.registry_id

    @property
    def closure(self) -> Closure | None:
        """Why the database took no writes when it was opened; None where it did."""
        return self._backend.database.closure

    def __repr__(self) -> str:
        return (
            f"<Registry {self.id} in {self._backend.database.name}, store {str(self._backend.store.root)!r}>"
        )

    def _repr_html_(self) -> str:
        from registry.records.display import render_facts

        return render_facts(
            f"registry {self.id}",
            (
                ("database", self._backend.database.name),
                ("store", self._backend.store.root),
                ("zone of stamps", self._backend.timezone),
                ("closed", self.closure),
            ),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database's connections."""
        self._backend.database.close()

    def verify(self, *, collect: bool = False, progress: Progress = no_progress) -> Verification:
        """Compute every stored file's checksum and statistics, hold all rows against the rules; repair nothing.

        Parameters
        ----------
        collect
            If there is no problem, remove the files of the store to which nothing refers and which were
            stored more than a day ago, while writers work or not; ``unreferenced`` says of each.
        """
        from registry.api import verification

        return verification.verify(self._backend, progress, collect=collect)

    def backup(
        self, folder: str | Path, *, verify: bool = False, progress: Progress = no_progress
    ) -> RegistryCopy:
        """Copy the registry, as it stands at one moment, into a folder; later only what is new of its files.

        Parameters
        ----------
        verify
            Read the files that the folder has already, and replace those that are damaged.

        Raises
        ------
        ConflictError
            The folder is another registry's, or somebody else's.
        CorruptionError
            Stored files are missing or damaged; the former backup stays as it was.
        UnavailableError
            The folder cannot be written.
        """
        from registry.api import backups

        return backups.back_up(self._backend, Path(folder), progress, verify=verify)

    def snapshot(
        self,
        file: str | Path,
        *,
        as_of: AsOf = None,
        store: str | Path | None = None,
        progress: Progress = no_progress,
    ) -> RegistryCopy:
        """Write what was known as of a revision into one SQLite file that is only read, and the files beside it.

        Parameters
        ----------
        store
            Where the stored files go; by default the folder ``store`` beside the file.

        Raises
        ------
        ConflictError
            The file is there already, or the store is another registry's.
        CorruptionError
            Stored files are missing or damaged.
        UnavailableError
            A place cannot be written.
        """
        from registry.api import snapshots

        place = None if store is None else Path(store)
        return snapshots.take_snapshot(self._backend, Path(file), as_of, place, progress)

    def differences(self) -> list[str]:
        """Return in a line each how the database's schema differs from the one of this software."""
        return self._backend.database.find_differences()

    def grant(
        self, *, readers: Sequence[str] = (), writers: Sequence[str] = (), apply: bool = False
    ) -> list[str]:
        """Return the SQL that lets PostgreSQL's roles ask, or ask and record, and nothing else.

        Parameters
        ----------
        apply
            Execute it too, in one transaction; the tables must be ours.

        Raises
        ------
        RequestError
            The database is SQLite, which has no roles, or a role is named as both.
        NotFoundError
            The server has no such role.
        UnavailableError
            The tables are somebody else's.
        """
        return self._backend.database.grant_roles(readers, writers, apply=apply)
