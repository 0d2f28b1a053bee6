"""Layouts: the names of the files of an export; and the targets that formats write them to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from msgspec import Struct

from registry.exporters.assembly import Assembly
from registry.files import Buffer, FlushingFile
from registry.parallel import CPU_COUNT, Advance, WorkerPool, map_in_threads
from registry.provenance.document import FILE_NAME, Companion, Document, Output

_MAX_PENDING_CHUNKS = 6  # with fewer, generating them stops whenever the disk does


class Layout(Struct, frozen=True):
    """The names of an export's files.

    Attributes
    ----------
    arrays
        By calibration type; one file may have several.
    companions
        Files beside the arrays, with checksums in the document as these.
    journals
        Files that an export appends to.
    folder
        The folder of the document in the output folder. All names are relative to it.
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
        """The names of all files but the journals, the document last."""
        return [*dict.fromkeys(self.arrays.values()), *self.companions, self.document]


class WrittenFiles(Struct, frozen=True):
    """The files that a format wrote; ``warnings`` and ``notes`` are about their destination."""

    outputs: tuple[Output, ...]
    companions: tuple[Companion, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def pair_with(self, document: Document) -> Iterator[tuple[str, Output | Companion, Output | Companion]]:
        """Yield (name, file as written, file in a document of the same layout)."""
        outputs = {output.type: output for output in document.outputs}
        companions = {companion.path: companion for companion in document.companions}
        yield from ((output.type, output, outputs[output.type]) for output in self.outputs)
        yield from ((file.path, file, companions[file.path]) for file in self.companions)


class ChecksummedFile:
    """The checksum and size so far of a file that is written, or of one that is only generated."""

    def __init__(self, file: FlushingFile | None = None) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, chunk: Buffer) -> None:
        """Append bytes."""
        if self._file is not None:
            self._file.write(chunk)
        self._digest.update(chunk)
        self.size += memoryview(chunk).nbytes

    def sync(self) -> None:
        """Wait until the bytes are on the disk."""
        if self._file is not None:
            self._file.sync()

    @property
    def sha256(self) -> str:
        """The checksum of the bytes so far."""
        return self._digest.hexdigest()


class Target(Struct, frozen=True):
    """The folder that a format writes in; its files are moved to ``destination`` at the end.

    Without a staging folder the files are only checksummed, not written. Where the document of this very export is
    there already it ``repeats``: the files are compared with those that are there.
    """

    staging: Path | None = None
    destination: Path | None = None
    repeats: bool = False

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
"""Yields the bytes of an array's file in order, and calls its second argument after every part of the array."""


def write_parallel(
    names: Mapping[str, str],
    generate_chunks: GenerateChunks,
    assemblies: Sequence[Assembly],
    target: Target,
    advance: Advance,
) -> tuple[Output, ...]:
    """Write one file per array, named by calibration type, all at the same time, one thread per array.

    Reading, hashing and writing release the interpreter's lock.
    """
    # Where all processors are busy, a thread to read ahead only costs time.
    read_ahead = len(assemblies) < CPU_COUNT

    def write(assembly: Assembly) -> Output:
        name = names[assembly.kind.calibration_type]
        with target.open_file(name) as file:
            own = replace(assembly, read_ahead=read_ahead, simultaneous=len(assemblies))
            for chunk in generate_chunks(own, advance):
                file.write(chunk)
            file.sync()
        return assembly.describe_output(path=name, sha256=file.sha256, size=file.size)

    with WorkerPool(len(assemblies)) as pool:
        return tuple(pool.map(write, assemblies))


def write_sequential(
    names: Mapping[str, str],
    generate_chunks: GenerateChunks,
    assemblies: Sequence[Assembly],
    target: Target,
    advance: Advance,
) -> tuple[Output, ...]:
    """Write one file per array, one after the other; see `write_parallel`.

    For chunks whose generation holds the interpreter's lock: this thread reads and generates them all, another hashes
    and writes them. Whenever that one needs the lock again it waits for this one, so chunks should be large; a third,
    to read ahead, would delay this one for longer than reading takes.
    """
    paths = [names[assembly.kind.calibration_type] for assembly in assemblies]
    with ExitStack() as stack:
        files = [stack.enter_context(target.open_file(path)) for path in paths]

        def steps() -> Iterator[Callable[[], None]]:
            for file, assembly in zip(files, assemblies, strict=True):
                for chunk in generate_chunks(replace(assembly, read_ahead=False), advance):
                    yield partial(file.write, chunk)
                yield file.sync

        for _ in map_in_threads(lambda step: step(), steps(), threads=1, max_pending=_MAX_PENDING_CHUNKS):
            pass
    return tuple(
        assembly.describe_output(path=path, sha256=file.sha256, size=file.size)
        for assembly, path, file in zip(assemblies, paths, files, strict=True)
    )
