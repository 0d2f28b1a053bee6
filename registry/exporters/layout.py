"""What a format makes: which files under which names, and what takes their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from registry.exporters.assembly import Assembly
from registry.files import Buffer, FlushingFile
from registry.parallel import CPU_COUNT, Advance, map_in_threads
from registry.provenance.document import FILE_NAME, Companion, Document, Output

_MAX_PENDING_CHUNKS = 6  # pieces that wait to be written; with fewer their maker stops whenever the disk does


@dataclass(frozen=True, slots=True)
class Layout:
    """The names of an export's files.

    Attributes
    ----------
    folder
        Where the document lies, below the folder that was asked for. All names are relative to it.
    arrays
        By calibration type; one file may hold several.
    companions
        Files made beside the arrays, checksummed in the document as these are.
    journals
        Files that grow: what an export writes is added to what is there.
    document
        The provenance document.
    """

    arrays: Mapping[str, str]
    companions: tuple[str, ...] = ()
    journals: tuple[str, ...] = ()
    folder: str = ""
    document: str = FILE_NAME

    @property
    def file_names(self) -> list[str]:
        """The names of all files but those that grow, the document last."""
        return [*dict.fromkeys(self.arrays.values()), *self.companions, self.document]


@dataclass(frozen=True, slots=True)
class WrittenFiles:
    """What a format made; ``warnings`` are of the place that it was made in."""

    outputs: tuple[Output, ...]
    companions: tuple[Companion, ...] = ()
    warnings: tuple[str, ...] = ()

    def pair_with(self, document: Document) -> Iterator[tuple[str, Output | Companion, Output | Companion]]:
        """Return the name of everything made, what was made, and what a document of the same layout says of it."""
        outputs = {output.type: output for output in document.outputs}
        companions = {companion.path: companion for companion in document.companions}
        yield from ((made.type, made, outputs[made.type]) for made in self.outputs)
        yield from ((made.path, made, companions[made.path]) for made in self.companions)


class ChecksummedFile:
    """A file being written, or only what would be in it: its checksum and size so far."""

    def __init__(self, file: FlushingFile | None = None) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, chunk: Buffer) -> None:
        """Add bytes to the file."""
        if self._file is not None:
            self._file.write(chunk)
        self._digest.update(chunk)
        self.size += memoryview(chunk).nbytes

    def sync(self) -> None:
        """Wait until the bytes are on the disk; other files are being made meanwhile."""
        if self._file is not None:
            self._file.sync()

    @property
    def sha256(self) -> str:
        """The checksum of what was written."""
        return self._digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a format writes: into ``folder``, whose files come to ``home`` at the end.

    Without a folder nothing is kept: the files are only checksummed.
    """

    staging: Path | None = None
    destination: Path | None = None

    @contextmanager
    def open_file(self, name: str) -> Iterator[ChecksummedFile]:
        """Open a file to write."""
        if self.staging is None:
            yield ChecksummedFile()
            return
        path = self.staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with FlushingFile(path) as file:
            yield ChecksummedFile(file)


GenerateChunks = Callable[[Assembly, Advance], Iterator[Buffer]]
"""Makes the bytes of an array's file, one after the other, and calls `advance` after every part of the array."""


def write_parallel(
    names: Mapping[str, str],
    generate_chunks: GenerateChunks,
    assemblies: Sequence[Assembly],
    target: Target,
    advance: Advance,
) -> tuple[Output, ...]:
    """Write arrays at the same time, a file each, streaming.

    A thread an array: reading, hashing and writing release the interpreter's lock.

    Parameters
    ----------
    names
        Of the files, by calibration type.

    Raises
    ------
    CorruptionError
        An input is missing or damaged; no file must be used then.
    """
    # A thread that waits for another only costs where all processors are busy.
    ahead = len(assemblies) < CPU_COUNT

    def write(assembly: Assembly) -> Output:
        name = names[assembly.kind.calibration_type]
        with target.open_file(name) as file:
            for piece in generate_chunks(replace(assembly, read_ahead=ahead), advance):
                file.write(piece)
            file.sync()
        return assembly.describe_output(path=name, sha256=file.sha256, size=file.size)

    with ThreadPoolExecutor(len(assemblies)) as pool:
        return tuple(pool.map(write, assemblies))


def write_sequential(
    names: Mapping[str, str],
    generate_chunks: GenerateChunks,
    assemblies: Sequence[Assembly],
    target: Target,
    advance: Advance,
) -> tuple[Output, ...]:
    """Write arrays one after the other, as `write_parallel` does at the same time.

    For pieces whose making holds the interpreter's lock: one thread reads and makes them all, and another hashes and
    writes what is made. Whenever that one comes back for the lock it waits for the maker, so pieces should be large;
    a third, to read ahead, would hold up the maker for longer than reading does.
    """
    with ExitStack() as opened:
        places = [names[assembly.kind.calibration_type] for assembly in assemblies]
        files = [opened.enter_context(target.open_file(place)) for place in places]

        def steps() -> Iterator[Callable[[], None]]:
            for file, assembly in zip(files, assemblies, strict=True):
                for piece in generate_chunks(replace(assembly, read_ahead=False), advance):
                    yield partial(file.write, piece)
                yield file.sync

        for _ in map_in_threads(lambda step: step(), steps(), threads=1, max_pending=_MAX_PENDING_CHUNKS):
            pass
    return tuple(
        assembly.describe_output(path=place, sha256=file.sha256, size=file.size)
        for assembly, place, file in zip(assemblies, places, files, strict=True)
    )
