"""What a format makes: which files under which names, and what takes their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from registry.digests import Piece
from registry.durable import SteadyFile
from registry.exporters.assembly import Assembly
from registry.progress import Advance
from registry.provenance.document import FILE_NAME, Companion, Document, Output
from registry.threads import PROCESSORS, in_threads

_BEHIND = 6  # pieces that wait to be written; with fewer their maker stops whenever the disk does


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
    def names(self) -> list[str]:
        """The names of all files but those that grow, the document last."""
        return [*dict.fromkeys(self.arrays.values()), *self.companions, self.document]


@dataclass(frozen=True, slots=True)
class Written:
    """What a format made; ``warnings`` are of the place that it was made in."""

    outputs: tuple[Output, ...]
    companions: tuple[Companion, ...] = ()
    warnings: tuple[str, ...] = ()

    def against(self, document: Document) -> Iterator[tuple[str, Output | Companion, Output | Companion]]:
        """Return the name of everything made, what was made, and what a document of the same layout says of it."""
        outputs = {output.type: output for output in document.outputs}
        companions = {companion.path: companion for companion in document.companions}
        yield from ((made.type, made, outputs[made.type]) for made in self.outputs)
        yield from ((made.path, made, companions[made.path]) for made in self.companions)


class Checksummed:
    """A file being written, or only what would be in it: its checksum and size so far."""

    def __init__(self, file: SteadyFile | None = None) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, piece: Piece) -> None:
        """Add bytes to the file."""
        if self._file is not None:
            self._file.write(piece)
        self._digest.update(piece)
        self.size += memoryview(piece).nbytes

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

    folder: Path | None = None
    home: Path | None = None

    @contextmanager
    def file(self, name: str) -> Iterator[Checksummed]:
        """Open a file to write."""
        if self.folder is None:
            yield Checksummed()
            return
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with SteadyFile(path) as file:
            yield Checksummed(file)


Pieces = Callable[[Assembly, Advance], Iterator[Piece]]
"""Makes the bytes of an array's file, one after the other, and calls `advance` after every part of the array."""


def write_side_by_side(
    names: Mapping[str, str],
    pieces: Pieces,
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
    ahead = len(assemblies) < PROCESSORS

    def write(assembly: Assembly) -> Output:
        name = names[assembly.kind.calibration_type]
        with target.file(name) as file:
            for piece in pieces(replace(assembly, ahead=ahead), advance):
                file.write(piece)
            file.sync()
        return assembly.output(path=name, sha256=file.sha256, size=file.size)

    with ThreadPoolExecutor(len(assemblies)) as pool:
        return tuple(pool.map(write, assemblies))


def write_in_turn(
    names: Mapping[str, str],
    pieces: Pieces,
    assemblies: Sequence[Assembly],
    target: Target,
    advance: Advance,
) -> tuple[Output, ...]:
    """Write arrays one after the other, as `write_side_by_side` does at the same time.

    For pieces whose making holds the interpreter's lock: one thread reads and makes them all, and another hashes and
    writes what is made. Whenever that one comes back for the lock it waits for the maker, so pieces should be large;
    a third, to read ahead, would hold up the maker for longer than reading does.
    """
    with ExitStack() as opened:
        places = [names[assembly.kind.calibration_type] for assembly in assemblies]
        files = [opened.enter_context(target.file(place)) for place in places]

        def steps() -> Iterator[Callable[[], None]]:
            for file, assembly in zip(files, assemblies, strict=True):
                for piece in pieces(replace(assembly, ahead=False), advance):
                    yield partial(file.write, piece)
                yield file.sync

        for _ in in_threads(lambda step: step(), steps(), threads=1, waiting=_BEHIND):
            pass
    return tuple(
        assembly.output(path=place, sha256=file.sha256, size=file.size)
        for assembly, place, file in zip(assemblies, places, files, strict=True)
    )
