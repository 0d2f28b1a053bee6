"""Compare the whole registry with what was recorded: every byte, every seal and rule. Nothing is changed.

Files in the store that nothing refers to are listed, and removed on request: see `api.collecting`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import sqlalchemy as sa

from registry import schema
from registry.api.backend import Backend
from registry.api.collecting import (
    find_unreferenced_files,
    keep_all_files,
    refuse_collecting,
    remove_unreferenced_files,
    summarise_unreferenced_files,
)
from registry.api.damaged_files import DamagedFile, find_damaged_files
from registry.api.late_patterns import describe_missing_patterns
from registry.api.sealed_history import SealedHistory, read_claim
from registry.database.closing import find_part
from registry.errors import CorruptionError
from registry.heads import Head, parse_head
from registry.lookup import integrity_rules, stored_files
from registry.lookup.missing_patterns import count_files_without_pattern
from registry.lookup.partial_files import list_files_outside
from registry.lookup.recorded_mix_ups import find_mix_ups
from registry.parallel import Progress, WorkerPool
from registry.records import LeftOutFiles, Problem, RecordedFile, Verification
from registry.settings import location_warnings
from registry.store import manifest_sha256

_UNREAD = "the files were not checked: what is recorded of them cannot be read"


@dataclass(slots=True)
class CheckedRows:
    """The rows of a registry, compared with their seals and rules.

    Attributes
    ----------
    files
        What is recorded of every file; None where that cannot be read.
    constants
        The number of sets of constants.
    """

    history: SealedHistory
    problems: list[Problem]
    files: list[RecordedFile] | None = None
    constants: int = 0
    without_patterns: int = 0
    left_out: LeftOutFiles | None = None

    @property
    def notes(self) -> list[str]:
        """The notes on the history."""
        unread = [] if self.files is not None else [_UNREAD]
        if self.left_out is None:
            return [*self.history.notes, *unread]
        copy = "partial snapshot" if self.left_out.part.panels else "mirror"
        return [*self.history.notes, *unread, f"left out of this {copy}: {self.left_out}"]


def verify(
    backend: Backend,
    progress: Progress,
    *,
    heads: Sequence[str] = (),
    collect: bool = False,
    patterns: bool = False,
) -> Verification:
    """Compute every seal and every file's checksum, and check the rows against the rules; see `Registry.verify`."""
    quoted = [parse_head(head) for head in heads]
    if collect:
        refuse_collecting(backend)
    # Before the rows are read: what a writer stores from now on is not checked.
    present = backend.store.list_files()
    rows = check_rows(backend, quoted, progress)
    history, problems, files = rows.history, rows.problems, rows.files
    if files is None:
        return Verification(0, tuple(problems), tuple(rows.notes))
    is_sound = not problems
    problems += map(_describe_damage, find_damaged_files(backend, files, progress))
    unreferenced = find_unreferenced_files(backend.store, present, {file.sha256 for file in files})
    if problems:
        unreferenced = keep_all_files(unreferenced)
    if collect and any(file.kept is None for file in unreferenced):
        unreferenced = remove_unreferenced_files(backend, unreferenced)
    notes = [*rows.notes, *summarise_unreferenced_files(unreferenced, keep_all=bool(problems))]
    notes += location_warnings(backend.database.url)
    if rows.without_patterns:
        notes.append(describe_missing_patterns(rows.without_patterns))
    mix_ups = None
    if patterns and is_sound:
        with backend.read_transaction() as view:
            mix_ups = find_mix_ups(view.connection, progress)
        notes += mix_ups.notes
    elif patterns:
        notes.append("patterns were not compared: what is recorded is damaged")
    return Verification(
        len(files) + rows.constants,
        tuple(problems),
        tuple(notes),
        tuple(unreferenced),
        head=None if history.head is None else str(history.head),
        without_patterns=rows.without_patterns,
        mix_ups=None if mix_ups is None else mix_ups.recorded,
        allowed_mix_ups=None if mix_ups is None else mix_ups.allowed,
    )


def check_rows(
    backend: Backend, quoted: Sequence[Head], progress: Progress, *, everything: bool = False
) -> CheckedRows:
    """Compare the schema with this software's, every seal and rule with the rows, and every manifest with its name.

    Parameters
    ----------
    everything
        Return also the files that a partial snapshot has left out.
    """
    database = backend.database.name
    history = SealedHistory(database)
    broken_rules: list[str] = []
    unreadable: CorruptionError | None = None
    with WorkerPool(1) as pool:
        # SQLite reads the pages of its file without the interpreter, which computes seals meanwhile.
        differences = pool.submit(backend.database.find_differences, thorough=True)
        try:
            broken_rules += _check_rules(backend, history, quoted, progress, differences)
        except CorruptionError as error:
            unreadable = error
    problems = [Problem(None, database, text) for text in differences.result()]
    try:
        if unreadable is not None:
            raise unreadable
        with backend.read_transaction() as view:
            files = stored_files.list_recorded_files(view.connection)
            part = find_part(view.connection)
            outside = set() if part is None else set(list_files_outside(view.connection, part))
            manifests = stored_files.list_manifests(view.connection)
            without_patterns = count_files_without_pattern(view.connection)
    except CorruptionError as error:
        return CheckedRows(history, [*problems, *history.problems, Problem(None, database, str(error))])
    problems += [*history.problems, *(Problem(None, database, text) for text in broken_rules)]
    problems += [
        Problem(sha256, f"constants {sha256}", "the files are not those of the manifest")
        for sha256, detector_type, kind, parts in manifests
        if manifest_sha256(detector_type, kind, parts) != sha256
    ]
    rows = CheckedRows(history, problems, files, len(manifests), without_patterns)
    if part is not None and not everything:
        absent = {sha256 for sha256 in outside if not backend.store.has_object(sha256)}
        size = sum(file.size for file in files if file.sha256 in absent)
        rows.files = [file for file in files if file.sha256 not in absent]
        rows.left_out = LeftOutFiles(len(absent), size, part)
    return rows


def _describe_damage(file: DamagedFile) -> Problem:
    is_denied = file.damage == "denied"
    return Problem(file.sha256, file.path, file.describe(), denied=is_denied, damage=file.damage)


def _check_rules(
    backend: Backend,
    history: SealedHistory,
    quoted: Sequence[Head],
    progress: Progress,
    differences: Future[list[str]],
) -> Iterator[str]:
    """Compare the history with its seals, then yield what breaks a rule.

    Parameters
    ----------
    differences
        Those of the schema, which may be why rows cannot be read.

    Raises
    ------
    CorruptionError
        The rows cannot be read.
    """
    file = backend.database.head_file
    claim = read_claim(file) if file is not None else None
    try:
        with backend.read_transaction() as view:
            if not integrity_rules.has_all_columns(view.connection):
                raise CorruptionError("tables or columns are missing: the rows cannot be checked")
            history.check(view.connection, claim, quoted, progress)
            yield from _find_broken_rules(view.connection, progress, is_sealed=history.head is not None)
    except sa.exc.DBAPIError as error:
        if not differences.result():
            raise
        raise CorruptionError(f"the rows cannot be read: {str(error.orig).partition(chr(10))[0]}") from error


def _find_broken_rules(connection: sa.Connection, progress: Progress, *, is_sealed: bool) -> Iterator[str]:
    """Yield what is wrong with the rows; raise a `CorruptionError` where they cannot be read."""
    # What its writer sealed, the guards have asked for its types; and seals are of texts that can be read.
    unproven = schema.metadata.sorted_tables
    if is_sealed and not integrity_rules.has_late_seals(connection):
        unproven = [schema.registry, schema.closure, schema.seal, schema.export_seal]
    type_rules = integrity_rules.list_type_rules(connection, unproven)
    damaged = [problem for rule in type_rules if (problem := rule.find_problem(connection))]
    if damaged:
        raise CorruptionError.combine("sorts of rows are damaged", damaged)
    unread = (schema.registry, schema.closure) if is_sealed else schema.metadata.sorted_tables
    integrity_rules.read_texts(connection, unread)
    rules = list(integrity_rules.list_rules())
    with progress("checking rows", len(rules)) as advance:
        for rule in rules:
            problem = rule.find_problem(connection)
            advance()
            if problem is not None:
                yield problem
    yield from integrity_rules.find_wrong_latest_starts(connection)
    yield from integrity_rules.find_invalid_names(connection)
