"""Faults are planted behind the registry's back: verify names every one, and no read hands out a wrong byte."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harnesses import faults
from harnesses.arrays import PANELS, panel_folder
from harnesses.places import Ground, Place
from registry.api import Registry, create_registry
from registry.api.integrity import verify_export
from registry.api.replaying import replay
from registry.detectors import type_of_panel
from registry.errors import CorruptionError, RegistryError

KINDS = ("gain", "offset")
FORMATS = ("npy", "psana", "lcls2", "hdf5")
_START, _AT, _LATER = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z", "2030-01-01T00:00:00Z"
_FIRST_VERSIONS = len(PANELS) * len(KINDS)  # one more begins later
_AT_ONCE = 6  # faults in one store

# Rows that say which constants a panel has: who changes them changes the answer, which only verify tells.
ANSWER_OTHERWISE = {
    "constants of a version",
    "two at one start",
    "instant of a revision",
    "revision of a version",
}

Use = tuple[str, int, str, int]
"""Kind, gain range, panel and version for which a file is used."""


@dataclass(slots=True)
class Tally:
    """What became of the faults of one kind.

    Attributes
    ----------
    found
        How many of them verify named.
    reads, refused
        How many reads needed what was damaged, and how many of them were refused.
    sound
        How many reads needed nothing of it, and were answered as ever.
    otherwise
        How many were answered otherwise.
    """

    kind: str
    database: str
    planted: int = 0
    found: int = 0
    reads: int = 0
    refused: int = 0
    sound: int = 0
    otherwise: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def promised(self) -> bool:
        """Whether faults of this kind are to be found."""
        return is_promised(self.kind)


class Hall:
    """A registry of three panels, gain and offset each, an export of each, and what all of it should be."""

    def __init__(self, ground: Ground, dialect: str) -> None:
        self.ground = ground
        self.place = ground.empty(dialect)
        create_registry(self.place.database, self.place.store)
        material = self.place.folder / "material"
        with self.place.open() as registry:
            for seed, panel in enumerate(PANELS):
                registry.panels.add(panel)
                registry.versions.add(panel, panel_folder(material / panel, seed), valid_from=_START)
            later = panel_folder(material / "later", len(PANELS), ("gain",))
            registry.versions.add(PANELS[0], later, valid_from=_LATER, kinds=["gain"])
            self.documents = {
                panel: Path(registry.export(panel, material / f"{panel} out", at=_AT).provenance)
                for panel in PANELS
            }
            self.uses = dict(_uses(registry))
            self.arrays = {(panel, kind): _array(registry, panel, kind) for panel in PANELS for kind in KINDS}

    def close(self) -> None:
        """Remove it."""
        self.ground.drop(self.place)


def tallies(ground: Ground, databases: Sequence[str], count: int, seed: int) -> Iterator[Tally]:
    """Plant so many faults, dealt out over the kinds and databases, and yield what became of them by kind.

    Those that are not promised to be found come on top: as many of each kind as the others have on the average.
    """
    every = [(name, kind) for name in databases for kind in kinds_of(name)]
    kinds = [(name, kind) for name, kind in every if is_promised(kind)]
    once_more = random.Random(seed).sample(kinds, count % len(kinds))  # noqa: S311 - repeatable on purpose
    halls = {name: Hall(ground, name) for name in databases}
    for name, kind in every:
        share = count // len(kinds) + ((name, kind) in once_more)
        drawn = random.Random(f"{seed} {name} {kind}")  # noqa: S311
        tally = Tally(kind, name)
        while tally.planted < share:
            plant(halls[name], tally, share - tally.planted, drawn)
        if share:
            yield tally
    for hall in halls.values():
        hall.close()


def plant(hall: Hall, tally: Tally, wanted: int, drawn: random.Random) -> None:
    """Plant a fault of the tally's kind, or several at once but no more than wanted, and count what becomes of it."""
    if tally.kind in faults.IN_STORE:
        _in_store(hall, tally, wanted, drawn)
    else:
        _in_database(hall, tally, drawn)


def is_promised(kind: str) -> bool:
    """Tell whether every fault of this kind is to be found."""
    return not kind.startswith("untold")


def kinds_of(database: str) -> list[str]:
    """Return the kinds of faults; the store is the same for both databases."""
    if database == "postgresql":
        return [*faults.ROWS, *faults.UNTOLD]
    return [*faults.IN_STORE, *faults.ROWS, *faults.SQLITE_ROWS, *faults.PAGES, *faults.UNTOLD, faults.A_BIT]


def _in_store(hall: Hall, tally: Tally, wanted: int, drawn: random.Random) -> None:
    """Plant faults of one kind in different files at once, look, and mend them."""
    store, aside = hall.place.store, hall.place.folder / "aside"
    shutil.copytree(store, aside)
    each = 2 if tally.kind == faults.SWAPPED else 1
    chosen = drawn.sample(sorted(hall.uses), each * min(wanted, _AT_ONCE))
    sound = [sha256 for sha256 in sorted(hall.uses) if sha256 not in chosen]
    tally.planted += len(chosen) // each
    try:
        with hall.place.open() as registry:
            for number in range(0, len(chosen), each):
                other = chosen[number + 1] if each == 2 else drawn.choice(sound)
                path = _object(store, chosen[number])
                faults.IN_STORE[tally.kind](path, _object(store, other), drawn)
            tally.found += _found(hall, registry, chosen, tally) // each
            _read_damaged(hall, registry, set(chosen), tally, drawn)
            _read_sound(hall, registry, set(chosen), tally, drawn)
    finally:
        shutil.rmtree(store)
        aside.rename(store)


def _object(store: Path, sha256: str) -> Path:
    return store / "objects" / sha256[:2] / f"{sha256}.npy"


def _found(hall: Hall, registry: Registry, damaged: Sequence[str], tally: Tally) -> int:
    """Return how many of the damaged files verify names with their panels and versions; it must name no other."""
    said = {problem.sha256: problem.problem for problem in registry.verify().problems}
    tally.problems += [f"verify says of {sha256}: {said[sha256]}" for sha256 in said if sha256 not in damaged]
    named = 0
    for sha256 in damaged:
        _, _, panel, version = hall.uses[sha256]
        is_named = all(each in said.get(sha256 or "", "") for each in (sha256, panel, f"version {version}"))
        named += is_named
        if not is_named:
            tally.problems.append(f"verify does not name {sha256}: {said.get(sha256)}")
    return named


def _read_damaged(
    hall: Hall, registry: Registry, damaged: set[str], tally: Tally, drawn: random.Random
) -> None:
    """Use every damaged file in every way: refused with code 6, object, panel and version named, nothing left."""
    output = hall.place.folder / "refused"
    for sha256 in sorted(damaged):
        form = drawn.choice(FORMATS)
        for read in _reads(hall, registry, hall.uses[sha256], form, output):
            tally.reads += 1
            said = _refusal(read)
            if said is not None and _names(said, damaged, hall):
                tally.refused += 1
            else:
                tally.problems.append(f"a read that needs {sha256}, {hall.uses[sha256]}, says: {said}")
        if output.exists():
            tally.problems.append(f"a refused {form} left something")
            shutil.rmtree(output)


def _reads(
    hall: Hall, registry: Registry, use: Use, form: str, output: Path
) -> Iterator[Callable[[], object]]:
    """Yield every way to read a file."""
    kind, _, panel, version = use
    is_later = version > _FIRST_VERSIONS
    asked: dict[str, Any] = {"at": _LATER if is_later else _AT, "types": [_type(panel, kind)]}
    yield partial(registry.constants, panel, **asked)
    yield partial(registry.export, panel, output, format=form, **_beside(form), **asked)
    other = next(each[3] for each in hall.uses.values() if each[0] == kind and each[3] != version)
    yield partial(registry.versions.diff, version, other)
    if not is_later:
        place = (hall.place.database, hall.place.store)
        yield partial(replay, hall.documents[panel], output, *place)
        yield partial(_verified, hall.documents[panel], *place)


def _beside(form: str) -> dict[str, Any]:
    """Return what an export of a panel in this format is asked besides."""
    return {"source": "XcsEndstation.0:Jungfrau.0", "first_run": 1} if form in {"psana", "lcls2"} else {}


def _refusal(read: Callable[[], object]) -> str | None:
    try:
        read()
    except CorruptionError as error:
        return str(error)
    except RegistryError as error:
        return f"{error.code}: {error}"
    return None


def _verified(document: Path, database: str, store: Path) -> None:
    found = verify_export(document, database, store)
    if found.problems:
        raise CorruptionError("; ".join(problem.problem for problem in found.problems))


def _names(said: str, damaged: set[str], hall: Hall) -> bool:
    """Return whether a refusal names a damaged file, and the panel and version for which it is read."""
    return any(
        sha256 in said and f"panel {hall.uses[sha256][2]}, version {hall.uses[sha256][3]}" in said
        for sha256 in damaged
    )


def _read_sound(
    hall: Hall, registry: Registry, damaged: set[str], tally: Tally, drawn: random.Random
) -> None:
    """Use everything else: answered as before the faults."""
    output = hall.place.folder / "sound"
    uses = [hall.uses[sha256] for sha256 in damaged]
    hit = {(panel, kind) for kind, _, panel, version in uses if version <= _FIRST_VERSIONS}
    for (panel, kind), array in hall.arrays.items():
        if (panel, kind) not in hit:
            if _array(registry, panel, kind) == array:
                tally.sound += 1
            else:
                tally.problems.append(f"{kind} of {panel} is another")
    whole = [panel for panel in PANELS if not hit & {(panel, kind) for kind in KINDS}]
    if whole:
        form = drawn.choice(FORMATS)
        panel = drawn.choice(whole)
        made = registry.export(panel, output, at=_AT, format=form, **_beside(form))
        problems = verify_export(made.provenance, hall.place.database, hall.place.store).problems
        tally.problems += [f"{form} of {panel}: {problem.problem}" for problem in problems]
        tally.sound += 1
        shutil.rmtree(output)


def _in_database(hall: Hall, tally: Tally, drawn: random.Random) -> None:
    """Plant one fault in a copy of the database; verify names it, and arrays are refused or as ever."""
    place = hall.ground.copy(hall.place)
    tally.planted += 1
    if place.file is not None and tally.kind in (*faults.PAGES, faults.A_BIT):
        faults.overwrite_page(place.file, tally.kind, drawn)
    else:
        faults.tamper(place, faults.STATEMENTS[tally.kind])
    try:
        answers = _answers(hall, place, tally)
    except RegistryError:  # it cannot be opened
        tally.found += 1
        answers = dict.fromkeys(hall.arrays)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the harness looks for
        tally.problems.append(f"not a refusal but {type(error).__name__}: {error}")
        answers = {}
    for each, answer in answers.items():
        _count(answer, hall.arrays[each], tally)
    hall.ground.drop(place)


def _answers(hall: Hall, place: Place, tally: Tally) -> dict[tuple[str, str], str | None]:
    """Return what the arrays are, by panel and kind, None where they are refused; verify is asked first."""
    with place.open() as registry:
        is_found = _finds_something(registry)
        tally.found += is_found
        if tally.promised and not is_found:
            tally.problems.append("verify finds nothing")
        return {each: _answer(registry, *each) for each in hall.arrays}


def _finds_something(registry: Registry) -> bool:
    try:
        return bool(registry.verify().problems)
    except RegistryError:
        return True


def _answer(registry: Registry, panel: str, kind: str) -> str | None:
    try:
        return _array(registry, panel, kind)
    except RegistryError:
        return None


def _count(answer: str | None, array: str, tally: Tally) -> None:
    tally.reads += 1
    if answer is None:
        tally.refused += 1
    elif answer == array:
        tally.sound += 1
    else:
        tally.otherwise += 1
        if tally.promised and tally.kind not in ANSWER_OTHERWISE:
            tally.problems.append("an array is another than it was")


def _uses(registry: Registry) -> Iterator[tuple[str, Use]]:
    for version in registry.versions.list():
        _, files = registry.versions.show(version.version)
        for file in files:
            yield file.sha256, (version.kind, file.gain_range, version.panel, version.version)


def _array(registry: Registry, panel: str, kind: str) -> str:
    """Return the checksum of an array's bytes."""
    name = _type(panel, kind)
    array = registry.constants(panel, at=_AT, types=[name])[name]
    return hashlib.sha256(array.tobytes()).hexdigest()


def _type(panel: str, kind: str) -> str:
    return type_of_panel(panel).kind(kind).calibration_type
