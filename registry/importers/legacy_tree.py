"""The legacy directory: folders named by M-number, and links ``<panel Id>-<YYYYMMDDHHMMSS> -> M068``.

Only names and links are read here; the arrays are checked by `panel_folder`. What is certainly not an
entry of the scheme is *foreign*, left out with a note. What is meant as one and cannot be taken is a
*hazard*: a reader of links would have stumbled over it, or silently picked wrong constants.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import cache
from pathlib import Path

from registry.detectors import TYPES, DetectorType
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import IdentifierError, InstantError, NotFoundError, RequestError, UnavailableError
from registry.identifiers import is_m_number, parse_m_number, shown
from registry.instants import BEGINNING, Instant, parse_instant
from registry.lookup.suggestions import shortened

# Three fields that are, or were meant as, hexadecimal numbers (the old formatter left one empty); perhaps a stamp.
_MEANT_AS_ENTRY = re.compile(
    r"(?=.*[0-9a-fA-F])(?P<panel>[0-9a-fA-Fx]*-[0-9a-fA-Fx]*-[0-9a-fA-Fx]*)(?:-(?P<stamp>.*))?", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the tree: from ``valid_from`` on, the panel has the constants in ``folder``.

    ``m_number`` is the name of the folder to which a link leads, None for a real folder.
    """

    name: str
    panel: str
    valid_from: Instant
    m_number: str | None
    folder: Path


@dataclass(frozen=True, slots=True)
class Hazard:
    """Why an entry cannot be imported."""

    name: str
    sentence: str
    is_conflict: bool = False

    def __str__(self) -> str:
        return f"{repr(self.name)[1:-1]}: {self.sentence}"


@dataclass(slots=True)
class LegacyTree:
    """What a legacy directory holds; ``refused`` are entries that hazards have taken out."""

    root: Path
    entries: list[Entry] = field(default_factory=list)
    refused: list[Entry] = field(default_factory=list)
    hazards: list[Hazard] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def drop(self, hazards: Iterable[Hazard]) -> None:
        """Take hazards in, and their entries out."""
        names = set()
        for hazard in hazards:
            names.add(hazard.name)
            self.hazards.append(hazard)
        if names:
            self.refused += [entry for entry in self.entries if entry.name in names]
            self.entries = [entry for entry in self.entries if entry.name not in names]


def read_legacy_tree(root: Path, timezone: tzinfo) -> LegacyTree:
    """Read the names and links of a legacy directory; stamps are local times of `timezone`.

    Raises
    ------
    NotFoundError
        There is no such directory.
    RequestError
        It is a file, or holds nothing that is meant as an entry.
    UnavailableError
        It cannot be read.
    """
    tree = LegacyTree(root)
    reader = _Reader(root, timezone)
    modules: set[str] = set()
    for item in _listed(root):
        if is_m_number(item.name) and item.is_dir(follow_symlinks=False):
            modules.add(item.name)
        elif parts := _MEANT_AS_ENTRY.fullmatch(item.name):
            try:
                tree.entries.append(reader.entry(item, parts))
            except RequestError as error:
                tree.hazards.append(Hazard(item.name, str(error)))
        elif not is_m_number(item.name) and _leads_to_module(item):
            said = (
                "it is a link to a module, and its name is no panel Id, with or without a stamp of 14 digits"
            )
            tree.hazards.append(Hazard(item.name, said))
        else:
            tree.notes.append(f"{shown(item.name)} is no panel and no module; it is left out")
    if not (tree.entries or tree.hazards):
        raise RequestError(
            f"{str(root)!r} holds no entry of a panel: links like 170505-149520170815-3d00b0 -> M068"
        )
    linked = {entry.m_number for entry in tree.entries}
    tree.drop(reader.doubled())
    tree.drop(_with_two_m_numbers(tree.entries))
    tree.drop(_with_stray_files(tree))
    tree.notes += [f"{name} is linked by no panel; it is left out" for name in sorted(modules - linked)]
    return tree


def _leads_to_module(item: os.DirEntry[str]) -> bool:
    return item.is_symlink() and is_m_number(Path(item.path).readlink().name)


def _listed(root: Path) -> list[os.DirEntry[str]]:
    name = repr(str(root))
    try:
        with os.scandir(root) as items:
            return sorted(items, key=lambda item: item.name)
    except FileNotFoundError:
        raise NotFoundError(f"there is no directory {name}") from None
    except NotADirectoryError:
        raise RequestError(f"{name} is a file; a directory of links is expected") from None
    except OSError as error:
        raise UnavailableError(f"{name} cannot be read: {error.strerror}") from None


class _Reader:
    """Reads entries one by one; what many of them share, an Id or a target, is looked at once."""

    def __init__(self, root: Path, timezone: tzinfo) -> None:
        self._timezone = timezone
        self._spelled = cache(lambda text: JUNGFRAU.panel_ids.read(text).text)
        self._panel = cache(lambda text: JUNGFRAU.panel_ids.parse(text).text)
        self._target = cache(lambda text: _folder(root, Path(text), is_link=True))
        self._root = root
        self._places: dict[tuple[str, Instant], str] = {}
        self._doubled: dict[tuple[str, Instant], list[str]] = defaultdict(list)

    def entry(self, item: os.DirEntry[str], parts: re.Match[str]) -> Entry:
        """Return the entry for which a name in three or four parts stands.

        Raises
        ------
        RequestError
            It cannot be taken.
        """
        _refuse_other_types(item.name)
        valid_from = BEGINNING if parts["stamp"] is None else _stamp(parts["stamp"], self._timezone)
        self._note_place((self._spelled(parts["panel"]), valid_from), item.name)
        panel = self._panel(parts["panel"])
        _refuse_stamp_for_serial_number(parts, self._timezone)
        if not item.is_symlink():
            return Entry(item.name, panel, valid_from, None, _folder(self._root, Path(item.name)))
        folder = self._target(os.readlink(item.path))  # noqa: PTH115 - a Path takes longer than the link
        m_number = parse_m_number(folder.name) if is_m_number(folder.name) else None
        return Entry(item.name, panel, valid_from, m_number, folder)

    def _note_place(self, place: tuple[str, Instant], name: str) -> None:
        """Two spellings of one Id are two entries at one place, whatever else is wrong with them."""
        first = self._places.setdefault(place, name)
        if first != name:
            self._doubled[place].append(name)

    def doubled(self) -> Iterator[Hazard]:
        """Return a hazard for every entry that shares panel and start with another."""
        for place in [place for place in self._places if place in self._doubled]:
            names = [self._places[place], *self._doubled[place]]
            for name in names:
                others = shortened([other for other in names if other != name])
                yield Hazard(name, f"another entry has the same panel and start: {others}")


def _refuse_other_types(name: str) -> None:
    """Refuse a name that begins with the Id of a panel of another type: this scheme of links is Jungfrau's."""
    fields = name.split("-")
    for known in TYPES.values():
        if known is not JUNGFRAU and _is_panel_id("-".join(fields[: known.panel_ids.fields]), known):
            raise IdentifierError(
                f"it names a panel of {known.name}; only {JUNGFRAU.name} panels are linked like this, and"
                " calreg version add takes the others"
            )


def _is_panel_id(text: str, known: DetectorType) -> bool:
    try:
        return known.panel_ids.fits(text) and known.panel_ids.parse(text).text == text
    except IdentifierError:
        return False


def _refuse_stamp_for_serial_number(parts: re.Match[str], timezone: tzinfo) -> None:
    """Refuse a name without a stamp whose serial number reads as one: most likely the serial number is missing."""
    last = parts["panel"].rpartition("-")[2]
    if parts["stamp"] is not None or len(last) != 14:
        return
    try:
        parse_instant(last, timezone)
    except InstantError:
        return
    raise IdentifierError(
        f"{last} in the place of the serial number reads as a stamp; the serial number is missing"
    )


def _stamp(text: str, timezone: tzinfo) -> Instant:
    if not (len(text) == 14 and text.isascii() and text.isdecimal()):
        counted = f" ({len(text)} digits)" if text.isascii() and text.isdecimal() else ""
        raise InstantError(f"the stamp {shown(text)}{counted} is not of 14 digits (YYYYMMDDHHMMSS)")
    return parse_instant(text, timezone)


def _folder(root: Path, place: Path, *, is_link: bool = False) -> Path:
    """Return the real folder at a place in the tree, or at the end of a link, named as the user named the tree.

    Raises
    ------
    RequestError
        The link dangles, turns in a circle, leaves the tree, or leads to no folder of a module or panel.
    """
    target = f"the link to {str(place)!r}" if is_link else "it"
    try:
        folder = (root / place).resolve(strict=True)
    except FileNotFoundError:
        raise RequestError(f"{target} dangles: nothing is there") from None
    except (OSError, RuntimeError):
        raise RequestError(f"{target} turns in a circle or cannot be followed") from None
    if not folder.is_relative_to(root.resolve()):
        raise RequestError(f"{target} leaves the tree")
    if not folder.is_dir():
        raise RequestError(f"{target} is no folder")
    if is_m_number(place.name) and place.name != folder.name:
        raise RequestError(f"{target} leads to {place.name}, which is itself a link to {folder.name}")
    if is_link and not (is_m_number(folder.name) or _MEANT_AS_ENTRY.fullmatch(folder.name)):
        raise RequestError(f"{target} leads to no folder of a module")
    return root / folder.relative_to(root.resolve())


def _with_two_m_numbers(entries: Iterable[Entry]) -> list[Hazard]:
    """Return a hazard for every entry whose panel, or whose serial number, is linked to two modules."""
    panels: dict[str, list[Entry]] = defaultdict(list)
    serials: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.m_number is not None:
            panels[f"panel {entry.panel}"].append(entry)
    for group in panels.values():
        serials[f"the serial number {JUNGFRAU.panel_ids.parse(group[0].panel).serial_number}"] += group
    found: dict[str, Hazard] = {}
    for what, group in (*panels.items(), *serials.items()):
        modules = {entry.m_number or "" for entry in group}
        if len(modules) > 1:
            sentence = f"{what} is linked to two modules, {' and '.join(sorted(modules))}"
            for entry in group:
                found.setdefault(entry.name, Hazard(entry.name, sentence))
    return list(found.values())


def _with_stray_files(tree: LegacyTree) -> list[Hazard]:
    """Return a hazard for every entry in whose folder a link leaves the tree."""
    root = tree.root.resolve()
    strays = {
        folder: [item.name for item in _listed(folder) if _leaves(Path(item.path), root)]
        for folder in {entry.folder for entry in tree.entries}
    }
    return [
        Hazard(
            entry.name, f"in {entry.folder.name}, the link {', '.join(strays[entry.folder])} leaves the tree"
        )
        for entry in tree.entries
        if strays[entry.folder]
    ]


def _leaves(path: Path, root: Path) -> bool:
    try:
        return not path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a link that turns in a circle goes nowhere: a missing file, if anything
        return False
