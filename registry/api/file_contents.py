"""The constants in deployed files: as their documents tell, else by the values in them. Each file is read once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.api.backend import Backend
from registry.arrays import find_payload_start
from registry.detectors import DetectorType, Kind
from registry.errors import ArrayError, CorruptionError, StoreServerError, UnavailableError
from registry.exporters.deployed_files import Constants, DeployedFolder
from registry.exporters.panel_checksums import compute_npy_checksums
from registry.exporters.rounding import find_rounding
from registry.files import open_input
from registry.lookup.constants_of_files import find_constants_with_files, list_constants_of_panel
from registry.lookup.stored_files import list_stored_files
from registry.parallel import Advance
from registry.records import StoredFile
from registry.text_arrays import TextReader

StoreProblem = CorruptionError | UnavailableError

_MAX_CONSTANTS = 8
"""The number of constants of a panel that a file is compared with: each is read."""


@dataclass(slots=True)
class FileContents:
    """The constants in a file, as far as they are known.

    Attributes
    ----------
    panels
        For each position in the array the constants that all gain ranges have there; none if they are not registered.
    digits
        By constants that were expected somewhere the number of decimal digits to which the file holds them.
    rounded
        For each position in the array the constants of its panels, earlier ones too, that the file holds there rounded.
    problem
        Why the file cannot be read or compared, as a clause.
    unread
        By SHA-256 why stored files cannot be read with which its values should have been compared.
    """

    panels: list[set[str]] = field(default_factory=list)
    digits: dict[Constants, int] = field(default_factory=dict)
    rounded: list[set[str]] = field(default_factory=list)
    problem: str | None = None
    unread: Mapping[str, StoreProblem] = field(default_factory=dict)

    def holds(self, constants: Constants) -> bool:
        """Tell whether the file holds exactly these constants, panel by panel."""
        return len(self.panels) == len(constants) and all(
            sha256 in held for sha256, held in zip(constants, self.panels, strict=True)
        )


class ContentsReader:
    """Reads the files of one calibration type in the folder of a source.

    Parameters
    ----------
    expected
        The constants that some run of the experiment has: a file may hold them rounded.
    detectors
        The panels of these runs: a file may hold earlier constants of them rounded.
    """

    def __init__(
        self,
        backend: Backend,
        folder: DeployedFolder,
        detector: DetectorType,
        kind: Kind,
        expected: Iterable[Constants],
        detectors: Iterable[tuple[str, ...]],
        revision: int,
    ) -> None:
        self._backend, self._folder, self._revision = backend, folder, revision
        self._detector, self._kind = detector, kind
        self._expected = list(dict.fromkeys(expected))
        self._detectors = list(dict.fromkeys(detectors))
        self._read: dict[str, FileContents] = {}

    def find_contents(self, name: str, advance: Advance) -> FileContents:
        """Return what is known of a file; it is read when it is first asked for."""
        if name not in self._read:
            documented = self._folder.find_contents(self._kind.calibration_type, name, verify=True)
            if documented is not None:
                self._read[name] = FileContents([{sha256} for sha256 in documented.constants])
            else:
                self._read[name] = self._read_values(name, advance)
        return self._read[name]

    def _read_values(self, name: str, advance: Advance) -> FileContents:
        path = self._folder.home / self._kind.calibration_type / name
        try:
            with open_input(path, "an array", ArrayError) as file:
                text = TextReader(file, repr(str(path)))
                count = text.shape[1] if len(text.shape) == 4 else 0
                if not count or text.shape != self._detector.array_shape(count):
                    return FileContents(problem=f"its array has the shape {text.shape}")
                others = self._list_constants(count)
                comparison = _Comparison(self._backend, self._kind, self._expected, others, count)
                for index, part in enumerate(text.read_parts()):
                    comparison.add(*divmod(index, count), part)
                    advance()
        except ArrayError as error:
            return FileContents(problem=f"it cannot be read: {error.message}")
        return comparison.finish(self._revision)

    def _list_constants(self, count: int) -> list[set[str]]:
        """Return by position the constants that the panels there have or had."""
        constants: list[set[str]] = [set() for _ in range(count)]
        with self._backend.read_transaction(self._revision) as view:
            for panels in self._detectors:
                if len(panels) == count:
                    for position, panel in enumerate(panels):
                        constants[position].update(
                            list_constants_of_panel(
                                view.connection, panel, self._kind.name, self._revision, _MAX_CONSTANTS
                            )
                        )
        return constants


class _Comparison:
    """The parts of one file against registered files, and against the constants that are expected."""

    def __init__(
        self,
        backend: Backend,
        kind: Kind,
        expected: Sequence[Constants],
        others: Sequence[set[str]],
        count: int,
    ) -> None:
        self._backend, self._kind = backend, kind
        self._expected = [constants for constants in expected if len(constants) == count]
        self._wanted = [
            {constants[position] for constants in self._expected} | others[position]
            for position in range(count)
        ]
        wanted = set().union(*self._wanted)
        with backend.read_transaction() as view:
            self._files: Mapping[str, tuple[StoredFile, ...]] = list_stored_files(view.connection, wanted)
        self._checksums: dict[tuple[int, int], tuple[str, ...]] = {}  # by gain range and position
        self._digits: defaultdict[tuple[int, str], list[int | None]] = defaultdict(list)
        self._count = count
        self._unread: dict[str, StoreProblem] = {}

    def add(self, gain_range: int, position: int, part: NDArray[Any]) -> None:
        """Compare one panel's array of one gain range."""
        values = part.astype(np.dtype(self._kind.dtype), copy=False)
        checksums = tuple(compute_npy_checksums(values))
        self._checksums[gain_range, position] = checksums
        for sha256 in self._wanted[position]:
            file = self._files[sha256][gain_range]
            digits = 0 if file.sha256 in checksums else self._count_digits(file, values)
            self._digits[position, sha256].append(digits)

    def _count_digits(self, file: StoredFile, values: NDArray[Any]) -> int | None:
        """Return the digits to which a stored file has the same values; None if it has others or cannot be read."""
        try:
            return find_rounding(values, self._load(file, values.shape))
        except StoreServerError:
            raise
        except (CorruptionError, UnavailableError) as error:
            self._unread[file.sha256] = error
            return None

    def _load(self, file: StoredFile, shape: tuple[int, ...]) -> NDArray[Any]:
        array = np.empty(shape, self._kind.dtype)
        buffer = array.reshape(-1).view(np.uint8).data
        header = self._backend.store.read_into(file.sha256, file.size, buffer, file.blake3)
        place = self._backend.store.locate(file.sha256)
        find_payload_start(header, file.size, place, shape, self._kind.dtype)
        return array

    def finish(self, revision: int) -> FileContents:
        """Return what the file holds."""
        sums = {sha256 for checksums in self._checksums.values() for sha256 in checksums}
        with self._backend.read_transaction(revision) as view:
            known = find_constants_with_files(view.connection, sums, self._kind.name, revision)
        panels: list[set[str]] = [set() for _ in range(self._count)]
        for (gain_range, position), checksums in self._checksums.items():
            held = {constants for sha256 in checksums for constants in known.get((sha256, gain_range), ())}
            panels[position] = held if gain_range == 0 else panels[position] & held
        digits = {}
        for constants in self._expected:
            rows = [self._digits[position, sha256] for position, sha256 in enumerate(constants)]
            numbers = [number for row in rows for number in row]
            if None not in numbers:
                digits[constants] = max(number for number in numbers if number is not None)
        rounded: list[set[str]] = [set() for _ in range(self._count)]
        for (position, sha256), numbers in self._digits.items():
            if None not in numbers:
                rounded[position].add(sha256)
        problem = "the stored files to compare it with cannot be read" if self._unread else None
        return FileContents(panels, digits, rounded, problem, self._unread)
