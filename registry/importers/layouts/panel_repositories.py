"""Repositories of dark constants: a folder for each panel, in it one for each kind, with a text for each gain range.

``<panel Id>/<kind>/<run's name>...``; what names a run, a kind and a gain range is that of a layout, `FileRule`. The
files of all gain ranges of one start make one version.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from registry.decimals import parse_table
from registry.detectors import DETECTOR_TYPES, DetectorType, Kind, name_kind
from registry.errors import ArrayError, RegistryError, RequestError
from registry.files import list_folder, read_bounded
from registry.identifiers import format_count, quote, shorten
from registry.importers.layouts.contents import ArrayFile, Context, LayoutEntry, LayoutTree, Part, PartOfFile
from registry.importers.legacy_tree import Hazard, LegacyTree, escape_name, parse_stamp
from registry.instants import Instant, refuse_unlikely

_MAX_NUMBER_BYTES = 64


class FileRule(NamedTuple):
    """The names that a layout gives the files of a panel.

    Attributes
    ----------
    suffix
        Of the files; all others are left out.
    pattern
        Of a whole name, with the groups ``run``, ``stamp``, ``type`` and ``mode``.
    example
        Such a name.
    find_kind
        Returns the kind of a folder, None for one that is not known.
    find_type
        Returns the type that files of a folder have in their names.
    find_gain_range
        Returns the gain range of a mode of a type; raises a `RequestError` for one that is not known.
    list_conditions
        Returns the conditions of operation of which darks with these modes can be, None for the usual one; all that
        there are where no mode is known. Of darks with all gain ranges that is one, or they are a mixture.
    """

    suffix: str
    pattern: re.Pattern[str]
    example: str
    find_kind: Callable[[DetectorType, str], Kind | None]
    find_type: Callable[[DetectorType, str], str]
    find_gain_range: Callable[[DetectorType, str], int]
    list_conditions: Callable[[DetectorType, Sequence[str]], tuple[str | None, ...]] = lambda *_: (None,)

    def list_kinds(self, detector: DetectorType, kind: str, modes: Sequence[str]) -> tuple[str, ...]:
        """Return the known kinds of which files of a kind with these modes can be, under all conditions."""
        conditions = self.list_conditions(detector, modes)
        names = [name_kind(kind, condition) for condition in conditions]
        known = {known.name for known in detector.kinds}
        return tuple(name for name in names if name in known) or (kind,)


class _PanelFile(NamedTuple):
    """A file of one panel, kind and gain range; ``run`` is the part of its name that all files of a run have."""

    file: ArrayFile
    panel: str
    gain_range: int
    mode: str
    start: Instant
    run: str
    folder: str

    @property
    def moment(self) -> tuple[str, Instant]:
        """The panel and the start."""
        return self.panel, self.start


@dataclass(slots=True)
class PanelRepository:
    """Reads the folders of panels, by the names of their files."""

    content: LayoutTree
    context: Context
    rule: FileRule
    files: list[_PanelFile] = field(default_factory=list)
    unknown_kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    other_files: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """The tree."""
        return self.content.tree.root

    def read_panels(self, folder: Path, detector: DetectorType | None = None) -> None:
        """Read the folders of panels in a folder: those of one detector type, or of any."""
        for item in list_folder(folder, "a folder of panels"):
            name = self._relate(item)
            owner = next(
                (known for known in DETECTOR_TYPES.values() if known.panel_id_format.owns(item.name)), None
            )
            if owner is None or not item.is_dir():
                self.content.tree.notes.append(f"{quote(name)} is not the folder of a panel; it is left out")
                continue
            try:
                panel = owner.panel_id_format.parse(item.name).text
                if detector not in (None, owner):
                    raise RequestError(f"it names a panel of {owner.name}, in a folder of {detector.name}")
                self._refuse_escape(item)
                self._read_panel(Path(item.path), owner, panel)
            except RegistryError as error:
                self.content.tree.hazards.append(Hazard(name, error.message, remedy=error.remedy))

    def _relate(self, item: os.DirEntry[str] | Path) -> str:
        return Path(item).relative_to(self.root).as_posix()

    def _refuse_escape(self, item: os.DirEntry[str]) -> None:
        if item.is_symlink() and not Path(item.path).resolve().is_relative_to(self.root.resolve()):
            raise RequestError("it is a link that leaves the tree")

    def _read_panel(self, folder: Path, detector: DetectorType, panel: str) -> None:
        for item in list_folder(folder, "the folder of a panel"):
            name = self._relate(item)
            if not item.is_dir():
                self.other_files.append(name)
                continue
            kind = self.rule.find_kind(detector, item.name)
            try:
                self._refuse_escape(item)
                files = list_folder(Path(item.path), "a folder of files")
            except RegistryError as error:
                self._add_hazard(name, error, panel)
                if kind is not None:
                    self.content.tree.kinds[name] = self.rule.list_kinds(detector, kind.name, [])
                continue
            if kind is None:
                self.unknown_kinds[detector.name, item.name] += len(files)
                continue
            for file in files:
                self._read_file(file, detector, panel, kind, item.name)

    def _read_file(
        self, item: os.DirEntry[str], detector: DetectorType, panel: str, kind: Kind, folder: str
    ) -> None:
        name = self._relate(item)
        if not item.name.endswith(self.rule.suffix):
            self.other_files.append(name)
            return
        start: Instant | None = None
        modes: list[str] = []
        try:
            self._refuse_escape(item)
            parts = self.rule.pattern.fullmatch(item.name)
            if parts is None:
                raise RequestError(f"its name is not one like {self.rule.example}")
            modes = [parts["mode"]]
            stamp = parse_stamp(parts["stamp"], self.context.timezone)
            start = refuse_unlikely(stamp, "a start of validity", any_time=self.context.any_time)
            expected = self.rule.find_type(detector, folder)
            if parts["type"] != expected:
                raise RequestError(f"its name is that of {parts['type']}, in the folder of {expected}")
            gain_range = self.rule.find_gain_range(detector, parts["mode"])
        except RegistryError as error:
            self._add_hazard(name, error, panel, start)
            self.content.tree.kinds[name] = self.rule.list_kinds(detector, kind.name, modes)
            return
        path = Path(item.path)
        content = ArrayFile(
            name, path, detector, kind, {0: gain_range}, partial(read_panel_text, path, detector, kind)
        )
        home = Path(name).parent.parent.as_posix()
        self.files.append(_PanelFile(content, panel, gain_range, parts["mode"], start, parts["run"], home))

    def _add_hazard(self, name: str, error: RegistryError, panel: str, start: Instant | None = None) -> None:
        self.content.tree.hazards.append(Hazard(name, error.message, remedy=error.remedy))
        self.content.tree.unread[name] = panel, start

    def build_entries(
        self, absent: Callable[[DetectorType, str], Iterable[int]] = lambda *_: ()
    ) -> LayoutTree:
        """Return the tree, with an entry for every panel and start of which all files are there.

        Parameters
        ----------
        absent
            Returns the gain ranges of which the repository never has a file, by detector type and kind.
        """
        never: Counter[str] = Counter()
        for (panel, start), group in groupby(sorted(self.files, key=_sort_key), key=lambda file: file.moment):
            files = list(group)
            by_kind: defaultdict[str, list[_PanelFile]] = defaultdict(list)
            for file in files:
                by_kind[file.file.kind.name].append(file)
            detector = files[0].file.detector
            for kind, of_kind in list(by_kind.items()):
                lacking = set(absent(detector, kind))
                if lacking and not lacking & {file.gain_range for file in of_kind}:
                    never[f"{kind} of {detector.name}"] += len(by_kind.pop(kind))
            if by_kind:
                self._build_entry(panel, start, by_kind)
        self._note_left_out(never)
        return self.content

    def _build_entry(self, panel: str, start: Instant, by_kind: Mapping[str, list[_PanelFile]]) -> None:
        files = [file for of_kind in by_kind.values() for file in of_kind]
        runs = list(dict.fromkeys(file.run for file in files))
        name = f"{files[0].folder}/*/{runs[0]}*"
        detector = files[0].file.detector
        problems = list(_list_problems(detector, by_kind))
        constants: dict[str, tuple[PartOfFile, ...]] = {}
        for kind, of_kind in () if problems else by_kind.items():
            try:
                condition, parts = self._read_condition(sorted(of_kind, key=lambda file: file.gain_range))
                constants[condition] = parts
            except RequestError as error:
                problems.append((kind, error.message))
        if len(runs) > 1:
            problems.append(
                (None, f"files of another run have the same panel and start: {shorten(runs[1:])}")
            )
        if problems:
            tree = self.content.tree
            tree.hazards += [Hazard(name, reason, kind=kind) for kind, reason in problems]
            tree.unread[name] = panel, start
            tree.kinds[name] = tuple(
                possible
                for kind, of_kind in by_kind.items()
                for possible in self.rule.list_kinds(detector, kind, [file.mode for file in of_kind])
            )
            return
        self.content.entries.append(LayoutEntry(name, panel, start, constants))

    def _read_condition(self, files: Sequence[_PanelFile]) -> tuple[str, tuple[PartOfFile, ...]]:
        """Return the kind of files, in the order of the gain ranges, under their condition, and their arrays."""
        detector, kind = files[0].file.detector, files[0].file.kind
        modes = [file.mode for file in files]
        conditions = self.rule.list_conditions(detector, modes)
        if len(conditions) > 1:
            raise RequestError(f"{', '.join(modes)} are darks of several conditions of operation")
        (condition,) = conditions
        if condition is None:
            return kind.name, tuple(PartOfFile(file.file, 0) for file in files)
        name = name_kind(kind.name, condition)
        known = next((known for known in detector.kinds if known.name == name), None)
        if known is None:
            raise RequestError(
                f"{', '.join(modes)} are darks of another condition than {kind.name}, and {name} is not a kind of"
                f" {detector.name} that is known here"
            )
        return name, tuple(PartOfFile(replace(file.file, kind=known), 0) for file in files)

    def _note_left_out(self, never: Mapping[str, int]) -> None:
        notes = self.content.tree.notes
        notes += [
            f"{name!r} is not a kind of constants of {detector} that is known here; {format_count(count, 'file')} left"
            " out"
            for (detector, name), count in sorted(self.unknown_kinds.items())
        ]
        notes += [
            f"{what} is not complete here, for some gain ranges the repository never has files;"
            f" {format_count(count, 'file')} left out"
            for what, count in sorted(never.items())
        ]
        if self.other_files:
            names = shorten([escape_name(name) for name in self.other_files])
            notes.append(f"what is not a {self.rule.suffix} file of a kind is left out: {names}")


def _sort_key(file: _PanelFile) -> tuple[str, Instant, str]:
    return file.panel, file.start, file.file.name


def _list_problems(
    detector: DetectorType, by_kind: Mapping[str, list[_PanelFile]]
) -> Iterator[tuple[str | None, str]]:
    """Yield the kinds of one panel and start of which not every gain range has one file, with a sentence on each."""
    for kind, files in by_kind.items():
        by_range = defaultdict(list)
        for file in files:
            by_range[file.gain_range].append(file)
        for gain_range, several in sorted(by_range.items()):
            if len(several) > 1:
                names = " and ".join(Path(file.file.name).name for file in several)
                yield kind, f"{names} are both gain range {gain_range} of {kind}: which of them is meant?"
        missing = [str(number) for number in range(detector.gain_ranges) if number not in by_range]
        if missing:
            ranges = "gain range" if len(missing) == 1 else "gain ranges"
            yield kind, f"{kind} has no file of {ranges} {', '.join(missing)} with this start"


def read_panel_text(path: Path, detector: DetectorType, kind: Kind) -> Iterator[Part]:
    """Yield the one array in a text without a header, a line for each row."""
    rows, columns = detector.panel_shape
    content = read_bounded(
        path, rows * columns * _MAX_NUMBER_BYTES, "the text of a panel's array", ArrayError
    )
    required = np.dtype(kind.dtype)
    dtype = np.dtype("<f8") if required.kind == "f" else required
    table = parse_table(content, repr(str(path)), columns, dtype)
    if len(table.values) != rows:
        raise ArrayError(
            f"{str(path)!r} has {format_count(len(table.values), 'line')}; {rows} are expected",
            path=str(path),
        )
    yield Part(0, table.values, is_text=True, digits=table.digits)


def start_tree(root: Path) -> LayoutTree:
    """Return an empty tree of a layout."""
    return LayoutTree(LegacyTree(root))


def refuse_empty_tree(content: LayoutTree, what: str) -> LayoutTree:
    """Return a tree; refuse one in which nothing of the layout was found."""
    if not (content.entries or content.tree.hazards):
        raise RequestError(f"{str(content.tree.root)!r} holds nothing of the layout: {what}")
    return content
