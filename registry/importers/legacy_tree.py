"""The legacy directory: folders named by M-number, and links ``<panel Id>-<YYYYMMDDHHMMSS> -> M068``.

Only names and links are read here; the arrays are checked by `panel_folder`. What is certainly not an
entry of the scheme is *foreign*, left out with a note. What is meant as one and cannot be taken is a
*hazard*: a reader of links would have stumbled over it, or silently picked wrong constants.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from registry.detectors import TYPES, DetectorType
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import IdentifierError, InstantError, NotFoundError, RequestError, UnavailableError
from registry.identifiers import is_m_number, parse_m_number, shown
from registry.instants import BEGINNING, Instant, parse_instant

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
    """What a legacy directory holds."""

    root: Path
    entries: list[Entry] = field(default_factory=list)
    hazards: list[Hazard] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def drop(self, hazards: Iterable[Hazard]) -> None:
        """Take hazards in, and their entries out."""
        new = list(hazards)
        names = {hazard.name for hazard in new}
        self.hazards += new
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
    modules: set[str] = set()
    places: dict[tuple[str, Instant], list[str]] = defaultdict(list)
    for item in _listed(root):
        if is_m_number(item.name) and item.is_dir(follow_symlinks=False):
            modules.add(item.name)
        elif parts := _MEANT_AS_ENTRY.fullmatch(item.name):
            _take(tree, item, parts, timezone, places)
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
    tree.drop(_doubled(places))
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


def _take(
    tree: LegacyTree,
    item: os.DirEntry[str],
    parts: re.Match[str],
    timezone: tzinfo,
    places: dict[tuple[str, Instant], list[str]],
) -> None:
    try:
        _refuse_other_types(item.name)
        valid_from = BEGINNING if parts["stamp"] is None else _stamp(parts["stamp"], timezone)
        # Two spellings of one Id are two entries at one place, whatever else is wrong with them.
        places[JUNGFRAU.panel_ids.read(parts["panel"]).text, valid_from].append(item.name)
        panel = JUNGFRAU.panel_ids.parse(parts["panel"]).text
        _refuse_stamp_for_serial_number(parts, timezone)
        folder = _folder(tree.root, item)
        leads_to_module = item.is_symlink() and is_m_number(folder.name)
        m_number = parse_m_number(folder.name) if leads_to_module else None
    except RequestError as error:
        tree.hazards.append(Hazard(item.name, str(error)))
    else:
        tree.entries.append(Entry(item.name, panel, valid_from, m_number, folder))


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
        return known.panel_ids.parse(text).text == text
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


def _folder(root: Path, item: os.DirEntry[str]) -> Path:
    """Return the real folder behind an entry, named as the user named the tree.

    Raises
    ------
    RequestError
        The link dangles, turns in a circle, leaves the tree, or leads to no folder of a module or panel.
    """
    path = Path(item.path)
    target = f"the link to {str(path.readlink())!r}" if item.is_symlink() else "it"
    try:
        folder = path.resolve(strict=True)
    except FileNotFoundError:
        raise RequestError(f"{target} dangles: nothing is there") from None
    except (OSError, RuntimeError):
        raise RequestError(f"{target} turns in a circle or cannot be followed") from None
    if not folder.is_relative_to(root.resolve()):
        raise RequestError(f"{target} leaves the tree")
    if not folder.is_dir():
        raise RequestError(f"{target} is no folder")
    first = path.readlink().name if item.is_symlink() else folder.name
    if is_m_number(first) and first != folder.name:
        raise RequestError(f"{target} leads to {first}, which is itself a link to {folder.name}")
    if item.is_symlink() and not (is_m_number(folder.name) or _MEANT_AS_ENTRY.fullmatch(folder.name)):
        raise RequestError(f"{target} leads to no folder of a module")
    return root / folder.relative_to(root.resolve())


def _doubled(places: dict[tuple[str, Instant], list[str]]) -> list[Hazard]:
    """Return a hazard for every entry that shares panel and start with another."""
    return [
        Hazard(
            name, f"another entry has the same panel and start: {', '.join(n for n in names if n != name)}"
        )
        for names in places.values()
        if len(names) > 1
        for name in names
    ]


def _with_two_m_numbers(entries: Iterable[Entry]) -> list[Hazard]:
    """Return a hazard for every entry whose panel, or whose serial number, is linked to two modules."""
    panels: dict[str, list[Entry]] = defaultdict(list)
    serials: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.m_number is not None:
            panels[f"panel {entry.panel}"].append(entry)
            serials[f"the serial number {JUNGFRAU.panel_ids.parse(entry.panel).serial_number}"].append(entry)
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
