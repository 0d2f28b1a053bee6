"""Deliveries: a folder with a panel's folder, or the maker's file, for each of several modules.

They may lie in folders of folders, and behind links; whose they are is said by the names on the way to them. Which
panels these names mean is not decided here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from registry import detectors
from registry.detectors import DETECTOR_TYPES
from registry.errors import ArrayError, IdentifierError, NotFoundError, RegistryError, RequestError
from registry.files import list_folder
from registry.identifiers import extract_m_numbers, shorten
from registry.importers.gain_maps import is_gain_maps_file
from registry.importers.legacy_tree import escape_name

_MAX_ENTRIES = 50_000
_MAX_DEPTH = 32
_MAX_FIELDS = 16  # of a run of hexadecimal fields in a name; a panel Id has at most seven
_FIELDS = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]+(?:-[0-9A-Fa-f]+)+(?![0-9A-Za-z])")
_ARRAY_SUFFIXES = (".npy", ".npz", ".bin")
_ARRAY_NAMES = {
    name for known in DETECTOR_TYPES.values() for kind in known.kinds for name in known.file_names(kind.name)
}


class Names(NamedTuple):
    """The meaning of the name of a folder or a file: M-numbers, and texts that panel Ids may be."""

    text: str
    m_numbers: tuple[str, ...]
    panels: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Tell whether it names nothing."""
        return not (self.m_numbers or self.panels)

    @classmethod
    def read(cls, *texts: str) -> Names:
        """Return what several names of one thing name, each once."""
        m_numbers = (number for text in texts for number in extract_m_numbers(text))
        panels = (panel for text in texts for panel in extract_panel_ids(text))
        return cls(texts[0], tuple(dict.fromkeys(m_numbers)), tuple(dict.fromkeys(panels)))


def extract_panel_ids(name: str) -> list[str]:
    """Return the panel Ids that may be in the name of a file, in lower case; a date may look like one."""
    panels: dict[str, None] = {}
    for run in _FIELDS.findall(name):
        fields = run.lower().split("-")[:_MAX_FIELDS]
        for first in range(len(fields)):
            for end in range(first + 2, len(fields) + 1):
                text = "-".join(fields[first:end])
                try:
                    panels[detectors.parse_panel_id(text).text] = None
                except IdentifierError:
                    continue
    return list(panels)


@dataclass(slots=True)
class DeliveredConstants:
    """A panel's folder or the maker's file in a delivery.

    Attributes
    ----------
    names
        What the names on the way to it name, its own first; of a folder to which links lead too, all of its own.
    """

    path: Path
    relative: str
    names: list[Names]


@dataclass(slots=True)
class Delivery:
    """The constants in a delivery, what is wrong with its folders, and what is left out."""

    root: Path
    items: list[DeliveredConstants] = field(default_factory=list)
    problems: list[RegistryError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_delivery(root: Path) -> Delivery:
    """Return the panels' folders and the maker's files below a folder, links followed, in the order of their names.

    No file is opened. Whatever else has the suffix of arrays, empty folders and folders of modules without
    constants are problems; other files are left out.

    Raises
    ------
    NotFoundError, ArrayError, UnavailableError
        There is no such folder, it is a file, or it cannot be read.
    RequestError
        It holds more than fifty thousand entries.
    """
    delivery = Delivery(root)
    walk = _Walk(delivery)
    entries = list_folder(root, "a folder with the folders of modules", ArrayError)
    names = Names.read(*dict.fromkeys((root.name, Path(os.path.realpath(root)).name)))
    walk.read_folder(root, entries, [names], is_root=True)
    walk.finish()
    return delivery


@dataclass(slots=True)
class _Walk:
    """The walk through the folders of a delivery: each is read once, whatever links lead to it."""

    delivery: Delivery
    count: int = 0
    read: dict[str, DeliveredConstants | None] = field(default_factory=dict)  # by real path
    named: list[str] = field(default_factory=list)  # the relative paths of folders that name a module
    left_out: list[str] = field(default_factory=list)

    def read_folder(
        self, folder: Path, entries: list[os.DirEntry[str]], names: list[Names], *, is_root: bool = False
    ) -> None:
        """Read the entries of a folder, and what is below."""
        self._count(len(entries))
        visible = [entry.name for entry in entries if not entry.name.startswith(".")]
        is_panel = not _ARRAY_NAMES.isdisjoint(visible)
        item = DeliveredConstants(folder, self._relate(folder), names) if is_panel else None
        self.read[os.path.realpath(folder)] = item
        if item is not None:
            self.delivery.items.append(item)
        if not entries:
            self._add_problem(f"{str(folder)!r} is empty", folder)
        elif not (is_root or names[0].is_empty):
            self.named.append(self._relate(folder))
        others = [folder / name for name in visible if name not in _ARRAY_NAMES]
        rest = [path for path in others if not self._read_entry(path, [] if is_root else names)]
        if not is_panel:  # what else is in the folder of a panel is named when its arrays are checked
            self._leave_out(folder, rest)

    def _read_entry(self, path: Path, outer: list[Names]) -> bool:
        """Read a folder, a link or the maker's file; tell whether it was one of these."""
        if _leads_nowhere(path):
            self._add_problem(f"{str(path)!r} is a link that leads nowhere", path)
        elif path.is_dir():
            self._enter(path, [_read_names(path), *outer])
        elif is_gain_maps_file(path):
            names = [_read_names(path), *outer]
            self.delivery.items.append(DeliveredConstants(path, self._relate(path), names))
        else:
            return False
        return True

    def _leave_out(self, folder: Path, paths: list[Path]) -> None:
        """Leave files out of a delivery; those that are called arrays are a problem."""
        strays = [path.name for path in paths if path.suffix.lower() in _ARRAY_SUFFIXES]
        self.left_out += [self._relate(path) for path in paths if path.name not in strays]
        if strays:
            self._add_problem(
                f"{str(folder)!r} holds {_list_names(strays)}: neither a panel's arrays (g0_gain.npy) nor the maker's"
                " maps (gainMaps_M049.bin) by their names",
                folder,
            )

    def _enter(self, folder: Path, names: list[Names]) -> None:
        """Read a folder, unless it was read before: then its constants have more names."""
        real = os.path.realpath(folder)
        if real in self.read:
            known = self.read[real]
            if known is not None:
                own = known.names[0]
                m_numbers = tuple(dict.fromkeys((*own.m_numbers, *names[0].m_numbers)))
                panels = tuple(dict.fromkeys((*own.panels, *names[0].panels)))
                known.names[0] = Names(own.text, m_numbers, panels)
            return
        if len(names) > _MAX_DEPTH:
            self._add_problem(
                f"{str(folder)!r} is more than {_MAX_DEPTH} folders deep: not a delivery", folder
            )
            return
        try:
            entries = list_folder(folder, "a folder", ArrayError)
        except RegistryError as error:
            self.read[real] = None
            self.delivery.problems.append(error)
            return
        self.read_folder(folder, entries, names)

    def _count(self, entries: int) -> None:
        self.count += entries
        if self.count > _MAX_ENTRIES:
            root = self.delivery.root
            raise RequestError(
                f"{str(root)!r} holds more than {_MAX_ENTRIES} files and folders: not a delivery",
                path=str(root),
            )

    def finish(self) -> None:
        """Find the folders of modules that hold nothing, and note what is left out."""
        places = [f"{item.relative}/" for item in self.delivery.items]
        refused = [f"{error.values.get('path', '')}/" for error in self.delivery.problems]
        for relative in self.named:
            path = self.delivery.root / relative
            if not any(place.startswith(f"{relative}/") for place in places) and not any(
                place.startswith(f"{path}/") for place in refused
            ):
                self._add_problem(f"{str(path)!r} holds no constants", path)
        if self.left_out:
            self.delivery.notes.append(f"left out, not being arrays: {_list_names(self.left_out)}")
        if not self.delivery.items and not self.delivery.problems:
            root = self.delivery.root
            raise NotFoundError(
                f"{str(root)!r} holds neither a panel's folder (with g0_gain.npy and so on) nor the maker's maps"
                " (gainMaps_M049.bin)",
                path=str(root),
            )

    def _relate(self, path: Path) -> str:
        return path.relative_to(self.delivery.root).as_posix()

    def _add_problem(self, sentence: str, path: Path) -> None:
        self.delivery.problems.append(ArrayError(sentence, path=str(path)))


def _list_names(names: list[str]) -> str:
    return shorten([escape_name(name) for name in names])


def _leads_nowhere(path: Path) -> bool:
    try:
        return not path.exists()
    except OSError:
        return False  # it is there, and cannot be read: whoever reads it says so


def _read_names(path: Path) -> Names:
    """Return what the name of a file or a folder names, and that of what it links to."""
    return Names.read(*_list_texts(path))


def _list_texts(path: Path) -> Iterator[str]:
    yield path.name
    if path.is_symlink():
        yield Path(os.path.realpath(path)).name
