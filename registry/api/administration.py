"""The administration of a registry: open, close, verify and copy it, and grant access to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from types import TracebackType
from typing import Self

from registry.api.arguments import CheckedMethods
from registry.api.backend import Note, open_backend
from registry.authorship import build_signature
from registry.database.closing import Closure
from registry.database.seals import find_head
from registry.errors import ConflictError
from registry.heads import Head, parse_whole_head
from registry.instants import Instant
from registry.lookup.revisions import AsOf, require_comment
from registry.lookup.timezones import read_timezone
from registry.parallel import Progress, no_progress
from registry.records import AddedPatterns, Outcome, RegistryCopy, Repair, Verification
from registry.registration.timezones import record_timezone
from registry.settings import Settings


class Administration(CheckedMethods):
    """An open registry, without the requests about constants."""

    def __init__(
        self,
        settings: Settings,
        *,
        timezone: str | None = None,
        note: Note | None = None,
        present: Instant | None = None,
        read_only: bool = False,
        pin: Head | None = None,
    ) -> None:
        self._backend = open_backend(settings, timezone, note, present, read_only=read_only, pin=pin)

    @property
    def id(self) -> str:
        """The id that the database and the store share."""
        return self._backend.database.registry_id

    @property
    def pin(self) -> Head | None:
        """The revision that was pinned when the registry was opened: every answer is as of it, or of an earlier one.

        None where each answer is as of the newest revision. ``registry.head.pin`` is the text that pins the newest.
        """
        return self._backend.chosen_pin

    @property
    def head(self) -> Head:
        """The newest revision with its seal, which stands for the whole history; as text ``NUMBER:SEAL``.

        With a pin that is the newest one of this session.
        """
        return self.find_head()

    def find_head(self, as_of: AsOf = None) -> Head:
        """Return a revision with its seal, by default the newest; number 0 where nothing is recorded.

        Raises
        ------
        ConflictError
            `as_of` is a head of another history.
        CorruptionError
            The revision was never sealed.
        """
        with self._backend.read_transaction(as_of) as view:
            return find_head(view.connection, view.revision)

    @property
    def timezone(self) -> str:
        """The registry's own time zone, the same for all who use it, in which stamps are read unless one is given."""
        with self._backend.database.autocommit_read() as connection:
            return read_timezone(connection)

    def find_zone(self) -> tzinfo:
        """Return the time zone in which stamps are read: the one chosen for this session, else the registry's own."""
        return self._backend.find_timezone()

    def set_timezone(self, name: str, *, comment: str | None = None, dry_run: bool = False) -> Outcome:
        """Record the registry's own time zone; no change where it has that zone already.

        Parameters
        ----------
        name
            IANA name, ``America/Los_Angeles``; no recorded time is changed.
        comment
            The reason; needed where something is recorded in the registry.

        Raises
        ------
        InstantError
            The name is not that of a time zone, or its zone depends on the machine.
        """
        return self._backend.record_revision(
            lambda change: record_timezone(change, name), comment, dry_run=dry_run
        )

    @property
    def closure(self) -> Closure | None:
        """The reason why the database takes no writes, None where it takes them."""
        return self._backend.database.closure

    def __repr__(self) -> str:
        backend = self._backend
        return f"<Registry {self.id} in {backend.database.name}, store {backend.store.place!r}>"

    def _repr_html_(self) -> str:
        from registry.records.display import render_facts

        return render_facts(
            f"registry {self.id}",
            (
                ("database", self._backend.database.name),
                ("store", self._backend.store.place),
                ("zone of stamps", self._backend.chosen_zone or self.timezone),
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

    def verify(
        self,
        *,
        heads: Sequence[str] = (),
        collect: bool = False,
        patterns: bool = False,
        progress: Progress = no_progress,
    ) -> Verification:
        """Compute every seal, and every stored file's checksum and statistics; change nothing.

        The ``problems`` of the answer are empty where the registry is as it was recorded; ``head`` is the history
        that was verified.

        Parameters
        ----------
        heads
            Heads that were quoted, ``NUMBER:SEAL``: that the history does not contain them is a problem.
        collect
            If no problem is found, remove the files in the store that nothing refers to and that were stored
            more than a day ago; ``unreferenced`` lists them. Others may write meanwhile.
        patterns
            Hold the live maps against those of their own module and of all others; ``mix_ups`` lists those that are
            of another sensor.

        Raises
        ------
        RequestError
            A text is not a head.
        ConflictError
            Files are to be removed, and the history may not be the newest of the store.
        """
        from registry.api import verification

        return verification.verify(self._backend, progress, heads=heads, collect=collect, patterns=patterns)

    def repair(
        self,
        source: str | Path,
        *,
        dry_run: bool = False,
        everything: bool = False,
        progress: Progress = no_progress,
    ) -> Repair:
        """Put sound files of a copy in the place of those that `verify` calls missing or damaged.

        Only bytes with the recorded checksums and size are taken. A damaged file is removed when the sound one takes
        its name; what nothing refers to is left alone, and so is a file of which only the database is wrong. Nothing is
        recorded: the store of a database that takes no writes is repaired, too.

        Parameters
        ----------
        source
            A folder with a backup, or a folder or bucket with the store of any copy of the registry, or of another one.
        everything
            Bring also the files that a partial snapshot has left out.

        Returns
        -------
        Repair
            ``unmended`` names what stays damaged, and why; ``problems`` what else a verification finds.

        Raises
        ------
        NotFoundError
            There is no such folder.
        RequestError
            It holds neither a backup nor a store, or it is the store itself.
        UnavailableError
            The copy cannot be read, or the store cannot be written; what was mended before stays so.
        """
        from registry.api import repairs

        return repairs.repair(self._backend, source, progress, dry_run=dry_run, everything=everything)

    def add_patterns(self, *, comment: str | None = None, progress: Progress = no_progress) -> AddedPatterns:
        """Record, in one revision, the patterns of characteristic maps that have none of today's algorithm.

        The files are read from the store and verified. The patterns of intact ones are recorded; ``problems`` of the
        answer names the others. Where nothing is missing, nothing is recorded.

        Parameters
        ----------
        comment
            That of the revision; by default it says how many patterns of which algorithm.

        Raises
        ------
        ClosedError
            The database takes no writes.
        """
        from registry.api import late_patterns

        return late_patterns.add_missing_patterns(self._backend, comment, progress)

    def seal_revision(self, number: int, *, comment: str) -> Outcome:
        """Seal the newest revision as it is, which raw SQL or a killed tool recorded without its seal.

        Parameters
        ----------
        comment
            The reason; it is part of the seal, with who sealed it and when.

        Raises
        ------
        NotFoundError
            There is no such revision.
        ConflictError
            It is sealed already, otherwise or by somebody else, or it is not the newest.
        """
        from registry.api import late_seals

        return late_seals.seal_revision(self._backend, number, comment)

    def recover(self, lost_head: str, *, comment: str, dry_run: bool = False) -> Outcome:
        """Go on without the head of the store, which this database lacks: the next revision records that it is lost.

        No change where the same person has recorded just that.

        It is for a database that was put back to an earlier state. From then on the store follows this database, and
        one that has the lost head is refused.

        Parameters
        ----------
        lost_head
            The store's head, ``NUMBER:SEAL`` with all digits, as the refusal of a write names it.

        Raises
        ------
        ConflictError
            It is not the store's head, or the history of this database contains it.
        """
        from registry.lookup.lineage import find_loss
        from registry.registration.lineage import record_loss

        require_comment(comment, "a history that goes on without a head that was its own")
        head = parse_whole_head(lost_head)
        try:
            return self._backend.record_revision(
                lambda change: record_loss(change, head), comment, dry_run=dry_run, lost=head
            )
        except ConflictError:  # it is not that of the store: by now, if a call that was killed has done all
            with self._backend.read_transaction() as view:
                number = find_loss(view.connection, head, build_signature().author, comment)
            if number is None:
                raise
        return Outcome(None, dry_run, notes=(f"revision {number} has recorded that {head} is lost",))

    def backup(
        self, folder: str | Path, *, verify: bool = False, progress: Progress = no_progress
    ) -> RegistryCopy:
        """Copy the registry as of one moment into a folder; of its files, only those that are not there yet.

        Parameters
        ----------
        verify
            Check everything, also what the former backup in the folder has: read its files and replace those that
            are damaged, and compute every seal of the database.

        Raises
        ------
        ConflictError
            The folder holds the backup of another registry, or other files.
        CorruptionError
            Stored files are missing or damaged: the backup is made without them, and ``values["missing"]`` lists them.
            A later backup into the folder adds them when they are sound again. Or the database is damaged: the
            former backup stays.
        """
        from registry.api import backups

        return backups.back_up(self._backend, Path(folder), progress, verify=verify)

    def snapshot(
        self,
        file: str | Path,
        *,
        as_of: AsOf = None,
        store: str | Path | None = None,
        experiments: Sequence[str] = (),
        panels: Sequence[str] = (),
        progress: Progress = no_progress,
    ) -> RegistryCopy:
        """Write everything recorded as of a revision into one read-only SQLite file, and the stored files beside it.

        Parameters
        ----------
        store
            Folder or bucket for the stored files; by default ``store`` beside the file.
        experiments, panels
            Only the files of every panel that an experiment has ever read out or exported, and of those for which names
            stand, as of the revision. All rows are there; ``left_out`` of the answer says what is not.

        Raises
        ------
        NotFoundError
            An experiment or a panel is not known, or no panel of an experiment is.
        LeftOutError
            This is a partial snapshot itself, and has not the files of these panels.
        ConflictError
            The file exists, or the store belongs to another registry.
        CorruptionError
            Stored files are missing or damaged: the snapshot is written without them, and ``values["missing"]`` lists
            them. The same call adds them when they are sound again.
        """
        from registry.api import snapshots

        request = snapshots.PartRequest(tuple(experiments), tuple(panels))
        return snapshots.take_snapshot(self._backend, Path(file), as_of, store, progress, request)

    def differences(self, *, thorough: bool = False) -> list[str]:
        """Return the differences between the database's schema and this software's, one sentence for each.

        With `thorough` also what SQLite finds in its file, every page of which it reads: that takes longer the more is
        recorded. `verify` does so.
        """
        return self._backend.database.find_differences(thorough=thorough)

    @property
    def schema_name(self) -> str | None:
        """The schema of a PostgreSQL database that holds the registry, the first of the search path; None on SQLite."""
        return self._backend.database.schema_name

    def mend_guards(self) -> list[str]:
        """Replace the triggers that guard the tables, and the views, where they are not those of this software.

        Returns a sentence for each difference that there was; nothing is replaced where there was none. What was
        recorded meanwhile is not checked: `verify` does that.

        Raises
        ------
        UnavailableError
            The tables belong to another user.
        """
        return self._backend.database.mend_guards()

    def grant(
        self, *, readers: Sequence[str] = (), writers: Sequence[str] = (), apply: bool = False
    ) -> list[str]:
        """Return the SQL that lets roles of PostgreSQL read, or read and record, and nothing else.

        Parameters
        ----------
        apply
            Execute it too, in one transaction; the tables must belong to the present user.

        Raises
        ------
        RequestError
            The database is SQLite, which has no roles; or a role is named both as reader and as writer.
        NotFoundError
            The server does not know a role.
        UnavailableError
            The tables belong to another user.
        """
        return self._backend.database.grant_roles(readers, writers, apply=apply)
