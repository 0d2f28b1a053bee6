"""Repair a store: put sound files of a copy in the place of those that a verification calls missing or damaged.

A file is known by its bytes: whatever the copy is, only bytes with the recorded checksums and size are taken. Nothing
is recorded, so a database that takes no writes has its store repaired like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from registry.api.backend import Backend
from registry.api.damaged_files import DamagedFile, FileProblem, check_file, find_damaged_files
from registry.api.incomplete_copies import note_missing_files
from registry.api.repair_sources import describe_copy, open_copy
from registry.api.verification import check_rows
from registry.errors import RequestError
from registry.identifiers import format_count
from registry.interruptions import note_attempt
from registry.parallel import Progress, map_in_threads
from registry.records import MendedFile, Repair, UnmendedFile
from registry.records.answers import Damage
from registry.store import ContentStore

_CLAIM = "repair"
_MENDABLE = {"missing", "damaged", "unreadable", "left out"}


def repair(
    backend: Backend, source: str | Path, progress: Progress, *, dry_run: bool, everything: bool
) -> Repair:
    """Verify the registry, and mend its damaged files from a copy; see `Registry.repair`."""
    copy = open_copy(source, backend.store)
    rows = check_rows(backend, (), progress, everything=everything)
    notes = [*rows.notes, *describe_copy(copy, backend.database.registry_id)]
    if rows.files is None:
        return Repair(0, dry_run, copy.place, problems=tuple(rows.problems), notes=tuple(notes))
    damaged = find_damaged_files(backend, rows.files, progress)
    mending = _Mending(backend.store, copy, dry_run=dry_run)
    mending.mend(damaged, progress)
    return Repair(
        len(rows.files) + rows.constants,
        dry_run,
        copy.place,
        tuple(mending.mended),
        tuple(mending.unmended),
        tuple(rows.problems),
        tuple(notes),
        head=None if rows.history.head is None else str(rows.history.head),
    )


class _Mending:
    """Files of a store that are mended from a copy; of a dry run only those that would be."""

    def __init__(self, store: ContentStore, copy: ContentStore, *, dry_run: bool) -> None:
        self._store, self._copy, self._dry_run = store, copy, dry_run
        self.mended: list[MendedFile] = []
        self.unmended: list[UnmendedFile] = []

    def mend(self, damaged: Sequence[DamagedFile], progress: Progress) -> None:
        """Mend the files that can be; what is mended stays so where another one cannot be written."""
        mendable = [file for file in damaged if file.damage in _MENDABLE]
        self.unmended += [_leave(file) for file in damaged if file.damage not in _MENDABLE]
        if mendable or self._is_interrupted():
            threads = max(self._store.threads, self._copy.threads)
            with self._claim_store() as stem, progress("mending files", len(mendable)) as advance:
                for _ in map_in_threads(lambda file: self._mend_file(file, stem), mendable, threads):
                    advance()
        if self.mended and not self._dry_run:
            note_missing_files(self._store, ())
            self._store.note_left_out(None, ())
        self.mended.sort(key=lambda file: file.sha256)
        self.unmended.sort(key=lambda file: file.sha256)

    def _is_interrupted(self) -> bool:
        """Tell whether a killed repair may have left files that this user can remove."""
        return not self._dry_run and self._store.has_claims(_CLAIM)

    @contextmanager
    def _claim_store(self) -> Iterator[str | None]:
        """Hold the claim of a repair on the store, and remove what killed ones have left; nothing in a dry run.

        Names of temporary files begin with what it yields.
        """
        if self._dry_run:
            yield None
            return
        self._store.refuse_unwritable()
        note_attempt("the repair", self._describe_attempt)
        with self._store.claim(_CLAIM) as stem:
            yield stem

    def _describe_attempt(self) -> str:
        done = format_count(len(self.mended), "file")
        return f"{done} mended; the same command mends the others"

    def _mend_file(self, file: DamagedFile, stem: str | None) -> None:
        if self._store.is_blocked(file.sha256):
            self.unmended.append(_leave(file, None, "a folder is in its place"))
            return
        problem = check_file(self._copy, file.file)
        if problem is not None:
            self.unmended.append(_leave(file, problem.damage, _explain(problem)))
            return
        if stem is not None:
            try:
                self._store.replace_object(self._copy.get_source(file.sha256), file.sha256, stem)
            except RequestError:
                self.unmended.append(_leave(file, "damaged", "that of the copy changed while it was read"))
                return
        self.mended.append(MendedFile(file.sha256, file.path, file.damage, file.uses))


def _leave(file: DamagedFile, copy_damage: Damage | None = None, why: str = "") -> UnmendedFile:
    problem = "; ".join(text for text in (file.describe(), why) if text)
    return UnmendedFile(file.sha256, file.path, problem, file.damage, copy_damage, file.uses)


def _explain(problem: FileProblem) -> str:
    """Return why a file of the copy is not taken."""
    return {
        "missing": "the copy lacks it",
        "damaged": "that of the copy is damaged too",
        "left out": f"that of the copy was left out: {problem.problem}",
        "recorded wrongly": "that of the copy has these bytes, but not what is recorded of them",
    }.get(problem.damage, f"that of the copy cannot be read: {problem.problem}")
