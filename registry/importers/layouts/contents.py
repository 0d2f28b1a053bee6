"""The contents of a tree as a layout finds them: files with the arrays of panels, and the versions that they state.

A layout reads names, and whatever says of which panel, kind and start an array is. The arrays are read later, each
file once (`converted_tree`), and checked and recorded as those of a directory of links.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from registry.detectors import DetectorType, Kind
from registry.importers.legacy_tree import Entry, LegacyTree
from registry.instants import Instant


class Part(NamedTuple):
    """An array (row, column) of a file, as it is read.

    Attributes
    ----------
    place
        Its place in the file, from 0.
    is_text, digits
        Whether the file is a text, and the most digits that a number of it has after its point; None where that says
        nothing, as of numbers with exponents.
    sha256
        That of the ``.npy`` file from which the file says that it was made, None where it says nothing.
    """

    place: int
    values: NDArray[np.generic]
    is_text: bool = False
    digits: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ArrayFile:
    """A file with arrays of one kind.

    Attributes
    ----------
    name
        Its path in the tree.
    gain_ranges
        By the place of each array that is wanted, its gain range.
    read
        Yields the arrays, not only those that are wanted; raises a `RegistryError` for a file that cannot be taken.
    """

    name: str
    path: Path
    detector: DetectorType
    kind: Kind
    gain_ranges: Mapping[int, int]
    read: Callable[[], Iterator[Part]]


class PartOfFile(NamedTuple):
    """An array by its place in a file."""

    file: ArrayFile
    place: int


@dataclass(frozen=True, slots=True)
class LayoutEntry:
    """From ``valid_from`` on a panel has the constants in these files.

    Attributes
    ----------
    name
        What the files have in common, as a path in the tree; its last part names the run or the files, not the place.
    constants
        By kind the arrays in the order of the gain ranges; None for a gap.
    """

    name: str
    panel: str
    valid_from: Instant
    constants: Mapping[str, tuple[PartOfFile, ...] | None]

    def build_entry(self, root: Path) -> Entry:
        """Return the entry of the tree; the name stands for the folder."""
        return Entry(self.name, self.panel, self.valid_from, None, root / self.name)


@dataclass(slots=True)
class LayoutTree:
    """The entries that a layout has content, and a tree with the hazards and the notes on everything else."""

    tree: LegacyTree
    entries: list[LayoutEntry] = field(default_factory=list)

    def list_files(self) -> list[ArrayFile]:
        """Return the files behind the entries, each once, in their order."""
        parts = (
            part for entry in self.entries for parts in entry.constants.values() if parts for part in parts
        )
        return list({id(part.file): part.file for part in parts}.values())


class KnownRun(NamedTuple):
    """A run that the registry knows, and the panels that a source read out in it, in the order of their segments."""

    run: int
    begin: Instant | None
    panels: tuple[str, ...]
    segments: tuple[int, ...] | None


class Context(NamedTuple):
    """The facts that a layout needs beside the tree.

    Attributes
    ----------
    timezone
        The zone of local times.
    experiment
        That of which the tree is, where the user says it.
    list_runs
        Returns the runs of an experiment in which a source read out panels, by their numbers.
    list_begins
        Returns the starts of the runs of an experiment, by their numbers; None for an unknown start.
    """

    timezone: tzinfo
    any_time: bool
    experiment: str | None
    list_runs: Callable[[str, str], Sequence[KnownRun]]
    list_begins: Callable[[str], Mapping[int, Instant | None]]


class Layout(Protocol):
    """A module that reads the trees of one layout.

    ``HAS_LOCAL_TIMES`` tells whether names have local times, ``NEEDS_EXPERIMENT`` whether the user must say of which
    experiment a tree is.
    """

    HAS_LOCAL_TIMES: bool
    NEEDS_EXPERIMENT: bool

    def find_entries(self, root: Path, context: Context) -> LayoutTree:
        """Read the names in a tree; refuse one that has nothing of the layout."""
