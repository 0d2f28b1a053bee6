"""Find the stored files that are not what is recorded of them: missing, damaged, unreadable, or recorded wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from registry.api.backend import Backend
from registry.arrays import describe_content
from registry.errors import (
    CorruptionError,
    DeniedError,
    LeftOutError,
    RequestError,
    StoreServerError,
    UnavailableError,
)
from registry.files import blake3_of
from registry.lookup import stored_files
from registry.parallel import Progress, map_in_threads
from registry.records import FileUse, RecordedFile
from registry.records.answers import Damage
from registry.store import ContentStore


@dataclass(frozen=True, slots=True)
class FileProblem:
    """The problem of one file in one store, as a sentence."""

    damage: Damage
    problem: str


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A recorded file with a problem, and the versions that use it."""

    file: RecordedFile
    path: str
    damage: Damage
    problem: str
    uses: tuple[FileUse, ...]

    @property
    def sha256(self) -> str:
        """The name of the file."""
        return self.file.sha256

    def describe(self) -> str:
        """Return the problem with all uses of the file."""
        return f"{self.problem}; it is {stored_files.describe_uses(self.uses)}"


def find_damaged_files(
    backend: Backend, files: Sequence[RecordedFile], progress: Progress
) -> list[DamagedFile]:
    """Read every file, on all processors, and return those with a problem, with the versions that need them."""
    problems: dict[str, tuple[RecordedFile, FileProblem]] = {}
    with progress("verifying files", len(files)) as advance:
        results = map_in_threads(lambda file: check_file(backend.store, file), files, backend.store.threads)
        for file, result in zip(files, results, strict=True):
            advance()
            if result is not None:
                problems[file.sha256] = file, result
    with backend.read_transaction() as view:
        uses = stored_files.list_uses(view.connection, list(problems))
    return [
        DamagedFile(
            file,
            backend.store.locate(sha256),
            problem.damage,
            problem.problem,
            tuple(uses.get(sha256, ())),
        )
        for sha256, (file, problem) in problems.items()
    ]


def check_file(store: ContentStore, file: RecordedFile) -> FileProblem | None:
    """Compare a file in a store with all that is recorded of it; return its problem, None where it has none."""
    try:
        content = store.read(file.sha256, file.size)
    except StoreServerError:
        raise
    except (CorruptionError, UnavailableError) as error:  # a bad sector does not end the check
        damage = _find_damage(store, file, error)
        return _differing_record(file) if damage == "recorded wrongly" else FileProblem(damage, str(error))
    try:
        dtype, shape, statistics = describe_content(content, store.locate(file.sha256))
    except RequestError as error:
        return FileProblem("recorded wrongly", str(error))
    blake3 = None if file.blake3 is None else blake3_of(content)
    actual = RecordedFile(file.sha256, len(content), dtype, ",".join(map(str, shape)), statistics, blake3)
    return None if actual == file else _differing_record(file)


def _find_damage(
    store: ContentStore, file: RecordedFile, error: CorruptionError | UnavailableError
) -> Damage:
    if isinstance(error, DeniedError):
        return "denied"
    if isinstance(error, UnavailableError):
        return "left out" if isinstance(error, LeftOutError) else "unreadable"
    if not store.has_entry(file.sha256):
        return "missing"
    return "recorded wrongly" if store.has_bytes(file.sha256) else "damaged"


def _differing_record(file: RecordedFile) -> FileProblem:
    return FileProblem(
        "recorded wrongly",
        f"object {file.sha256} is intact, but what is recorded of its content differs from what it holds",
    )
