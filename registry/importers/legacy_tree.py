"""The legacy directory: folders named by M-number, and links ``<panel Id>-<YYYYMMDDHHMMSS> -> M068``.

Only names and links are read here; the arrays are checked by `panel_folders`. What is certainly not an entry of
the scheme is left out with a note. What is meant as one and cannot be taken is a *hazard*: a reader of links
would have failed on it, or silently picked wrong constants.
"""

from __future__ import annotations

import errno
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import cache, partial
from pathlib import Path

from registry.detectors import DETECTOR_TYPES, DetectorType
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import IdentifierError, InstantError, RegistryError, Remedy, RequestError
from registry.files import list_folder
from registry.identifiers import format_count, is_m_number, parse_m_number, quote, shorten
from registry.instants import BEGINNING, Instant, parse_instant, refuse_unlikely
from registry.records.imports import SkipCause

# Three fields that are, or were meant as, hexadecimal numbers (the old formatter left one empty); perhaps a stamp.
_ENTRY_LIKE = re.compile(
    r"(?=.*[0-9a-fA-F])(?P<panel>[0-9a-fA-Fx]*-[0-9a-fA-Fx]*-[0-9a-fA-Fx]*)(?:-(?P<stamp>.*))?", re.DOTALL
)

_MISNAMED_LINK = (
    "it is a link to a module, and its name is not a panel Id, with or without a stamp of 14 digits"
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
    """An entry that cannot be imported, and the reason: of one kind of constants only, if ``kind`` names it.

    ``remedy`` is the advice by which it can be imported as it is; None if there is none.
    """

    name: str
    reason: str
    cause: SkipCause = "bad"
    kind: str | None = None
    remedy: Remedy | None = None

    def __str__(self) -> str:
        return f"{escape_name(self.name)}: {self.reason}"


def escape_name(name: str) -> str:
    """Return a name with its control characters, and bytes that are not UTF-8, as escapes."""
    return repr(name)[1:-1]


@dataclass(slots=True)
class LegacyTree:
    """The entries of a legacy directory; those with hazards are ``excluded``.

    ``unread`` has, by the names of the hazards that could not be read as entries, the panel Id and the start as far as
    the name tells them. ``strays`` are the links in the folder of a module that leave the tree. ``kinds`` has, by
    name, the kinds of an entry whose name stands for no folder; ``has_local_times`` tells whether starts were read in
    a time zone.
    """

    root: Path
    entries: list[Entry] = field(default_factory=list)
    excluded: list[Entry] = field(default_factory=list)
    unread: dict[str, tuple[str | None, Instant | None]] = field(default_factory=dict)
    hazards: list[Hazard] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    strays: dict[Path, list[str]] = field(default_factory=dict)
    kinds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    has_local_times: bool = True

    def exclude(self, hazards: Iterable[Hazard]) -> None:
        """Add hazards, and exclude their entries."""
        new = list(hazards)
        if not new:
            return
        names = {hazard.name for hazard in new}
        self.hazards += new
        self.excluded += [entry for entry in self.entries if entry.name in names]
        self.entries = [entry for entry in self.entries if entry.name not in names]


def read_legacy_tree(root: Path, timezone: tzinfo, *, any_time: bool = False) -> LegacyTree:
    """Read the names and links of a legacy directory; stamps are local times of `timezone`.

    A stamp before 1990 or more than a year ahead is a hazard, unless `any_time` is set.

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
    reader = _Reader(root, timezone, any_time=any_time)
    modules: set[str] = set()
    for item in list_folder(root, "a directory of links"):
        try:
            if is_m_number(item.name) and item.is_dir(follow_symlinks=False):
                modules.add(item.name)
            elif parts := _ENTRY_LIKE.fullmatch(item.name):
                tree.entries.append(reader.read_entry(item, parts))
            elif not is_m_number(item.name) and _links_to_module(item):
                tree.hazards.append(Hazard(item.name, _MISNAMED_LINK))
            else:
                tree.notes.append(f"{quote(item.name)} is neither a panel nor a module; it is left out")
        except (RequestError, OSError) as error:
            tree.hazards.append(_describe_unread_entry(item.name, error))
            tree.unread[item.name] = reader.read_start(item.name)
    if not (tree.entries or tree.hazards):
        raise RequestError(
            f"{str(root)!r} holds no entry of a panel: links like 170505-149520170815-3d00b0 -> M068"
        )
    linked = {entry.m_number for entry in tree.entries}
    tree.exclude(reader.find_duplicates())
    tree.exclude(_find_escaping_links(tree))
    tree.notes += [f"{name} is linked by no panel; it is left out" for name in sorted(modules - linked)]
    return tree


def _describe_unread_entry(name: str, error: RequestError | OSError) -> Hazard:
    if isinstance(error, OSError):
        return Hazard(name, f"it cannot be read: {error.strerror}")
    return Hazard(name, str(error), remedy=error.remedy)


def _links_to_module(item: os.DirEntry[str]) -> bool:
    return item.is_symlink() and is_m_number(Path(item.path).readlink().name)


class _Reader:
    """Reads entries one by one; what many of them share, an Id or a target, is read once."""

    def __init__(self, root: Path, timezone: tzinfo, *, any_time: bool) -> None:
        self._timezone = timezone
        self._any_time = any_time
        self._read_id = cache(lambda text: JUNGFRAU.panel_id_format.read(text).text)
        self._parse_id = cache(lambda text: JUNGFRAU.panel_id_format.parse(text).text)
        self._refuse_other_types = cache(_refuse_other_types)
        self._parse_stamp = cache(lambda text: parse_stamp(text, timezone))
        self._refuse_unlikely = cache(
            lambda start: refuse_unlikely(start, "a start of validity", any_time=any_time)
        )
        self._resolve_target = cache(partial(_resolve_target, root))
        self._root = root
        self._first_names: dict[tuple[str, Instant], str] = {}
        self._duplicates: dict[tuple[str, Instant], list[str]] = defaultdict(list)

    def read_entry(self, item: os.DirEntry[str], parts: re.Match[str]) -> Entry:
        """Return the entry of a name in three or four parts; a `RequestError` if it cannot be imported."""
        name = item.name
        text, stamp = parts.groups()
        if stamp is None or "-" in stamp:
            _refuse_other_types(name)
        else:
            self._refuse_other_types(text)
            _refuse_id_of_other_type(name)
        valid_from = BEGINNING if stamp is None else self._parse_stamp(stamp)
        self._note_duplicate((self._read_id(text), valid_from), name)
        self._refuse_unlikely(valid_from)
        panel = self._parse_id(text)
        if stamp is None:
            _refuse_stamp_for_serial_number(parts, self._timezone)
        if not item.is_symlink():
            return Entry(name, panel, valid_from, None, _resolve_folder(self._root, Path(name)))
        target = os.readlink(item.path)  # noqa: PTH115 - a Path takes longer than the link
        folder, m_number = self._resolve_target(target)
        return Entry(name, panel, valid_from, m_number, folder)

    def read_start(self, name: str) -> tuple[str | None, Instant | None]:
        """Return the panel Id, in its canonical form, and the start in a name, each None where it cannot be read."""
        parts = _ENTRY_LIKE.fullmatch(name)
        panel: str | None = None
        start: Instant | None = None
        if parts is not None:
            with suppress(RequestError):
                _refuse_other_types(name)
                _refuse_stamp_for_serial_number(parts, self._timezone)
                panel = self._read_id(parts["panel"])
            with suppress(RequestError):
                stated = BEGINNING if parts["stamp"] is None else parse_stamp(parts["stamp"], self._timezone)
                refuse_unlikely(stated, "a start of validity", any_time=self._any_time)
                start = stated
        return panel, start

    def _note_duplicate(self, panel_and_start: tuple[str, Instant], name: str) -> None:
        """Note two spellings of one Id as duplicates, whatever else is wrong with them."""
        first = self._first_names.setdefault(panel_and_start, name)
        if first != name:
            self._duplicates[panel_and_start].append(name)

    def find_duplicates(self) -> Iterator[Hazard]:
        """Return a hazard for every entry that shares panel and start with another."""
        if not self._duplicates:
            return
        for panel_and_start, first in self._first_names.items():
            names = [first, *self._duplicates.get(panel_and_start, ())]
            for name in names if len(names) > 1 else ():
                others = shorten([other for other in names if other != name])
                yield Hazard(name, f"another entry has the same panel and start: {others}")


def _refuse_other_types(name: str) -> None:
    """Refuse a name that starts with the Id of a panel of another type: this scheme of links is Jungfrau's."""
    fields = name.split("-")
    for count in range(1, len(fields) + 1):
        _refuse_id_of_other_type("-".join(fields[:count]))


def _refuse_id_of_other_type(start: str) -> None:
    for known in DETECTOR_TYPES.values():
        if known is not JUNGFRAU and _is_panel_id(start, known):
            raise IdentifierError(
                f"it names a panel of {known.name}; only {JUNGFRAU.name} panels are linked like this, versions of"
                " the others are added one by one"
            )


def _is_panel_id(text: str, known: DetectorType) -> bool:
    try:
        return known.panel_id_format.owns(text) and known.panel_id_format.parse(text).text == text
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


def parse_stamp(text: str, timezone: tzinfo) -> Instant:
    """Read a stamp in the name of an entry."""
    if not (len(text) == 14 and text.isascii() and text.isdecimal()):
        counted = f" ({format_count(len(text), 'digit')})" if text.isascii() and text.isdecimal() else ""
        raise InstantError(f"the stamp {quote(text)}{counted} is not of 14 digits (YYYYMMDDHHMMSS)")
    return parse_instant(text, timezone)


def _resolve_target(root: Path, target: str) -> tuple[Path, str | None]:
    """Return the folder to which a link leads, and its M-number; see `_resolve_folder`."""
    folder = _resolve_folder(root, Path(target), is_link=True)
    return folder, parse_m_number(folder.name) if is_m_number(folder.name) else None


def _resolve_folder(root: Path, relative: Path, *, is_link: bool = False) -> Path:
    """Return the real folder at a path in the tree, or at the end of a link, named as the user named the tree.

    Raises
    ------
    RequestError
        The link dangles, is circular, cannot be followed, leaves the tree, or does not lead to the folder of a
        module or panel.
    """
    target = f"the link to {str(relative)!r}" if is_link else "it"
    try:
        folder = (root / relative).resolve(strict=True)
    except FileNotFoundError:
        raise RequestError(f"{target} dangles: nothing is there") from None
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno != errno.ELOOP:
            raise RequestError(f"{target} cannot be followed: {error.strerror}") from None
        raise RequestError(f"{target} is circular") from None
    if not folder.is_relative_to(root.resolve()):
        raise RequestError(f"{target} leaves the tree")
    if not folder.is_dir():
        raise RequestError(f"{target} is not a folder")
    if is_m_number(relative.name) and relative.name != folder.name:
        raise RequestError(f"{target} leads to {relative.name}, which is itself a link to {folder.name}")
    if is_link and not (is_m_number(folder.name) or _ENTRY_LIKE.fullmatch(folder.name)):
        raise RequestError(f"{target} does not lead to the folder of a module")
    return root / folder.relative_to(root.resolve())


def _find_escaping_links(tree: LegacyTree) -> list[Hazard]:
    """Return a hazard for every entry in whose folder a link leaves the tree."""
    root = tree.root.resolve()
    tree.strays = {folder: _list_strays(folder, root) for folder in {entry.folder for entry in tree.entries}}
    return [
        Hazard(
            entry.name,
            f"in {escape_name(entry.folder.name)}, the link {', '.join(tree.strays[entry.folder])} leaves the tree",
        )
        for entry in tree.entries
        if tree.strays[entry.folder]
    ]


def _list_strays(folder: Path, root: Path) -> list[str]:
    """Return the links in a folder that leave the tree; none in a folder that cannot be read, a hazard of its own."""
    try:
        items = list_folder(folder, "a folder")
    except RegistryError:
        return []
    return [escape_name(item.name) for item in items if _escapes(Path(item.path), root)]


def _escapes(path: Path, root: Path) -> bool:
    try:
        return not path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a link that turns in a circle goes nowhere: a missing file, if anything
        return False
