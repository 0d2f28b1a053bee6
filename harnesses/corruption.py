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
from registry.api import Registry, create_registry
from registry.api.export_verification import verify_export
from registry.api.replays import replay
from registry.detectors import type_of_panel
from registry.errors import CorruptionError, RegistryError
from testing.panels import PANELS, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation

KINDS = ("gain", "offset")
FORMATS = ("npy", "psana", "lcls2", "hdf5")
_START, _AT, _LATER = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z", "2030-01-01T00:00:00Z"
_FIRST_VERSIONS = len(PANELS) * len(KINDS)  # one more begins later
_AT_ONCE = 6  # faults in one store

# Rows that say which constants a panel has: who changes them changes the answer, which only verify tells.
CHANGE_ANSWERS = {
    "constants of a version",
    "two at one start",
    "instant of a revision",
    "revision of a version",
}

Use = tuple[str, int, str, int]
"""Kind, gain range, panel and version for which a file is used."""


@dataclass(slots=True)
class FaultTally:
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
    unchanged: int = 0
    changed: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_detectable(self) -> bool:
        """Whether faults of this kind are to be found."""
        return is_detectable(self.kind)


class Testbed:
    """A registry of three panels, gain and offset each, an export of each, and what all of it should be."""

    def __init__(self, factory: RegistryFactory, dialect: str) -> None:
        self.factory = factory
        self.location = factory.make_empty(dialect)
        create_registry(self.location.database, self.location.store)
        material = self.location.folder / "material"
        with self.location.open() as registry:
            for seed, panel in enumerate(PANELS):
                registry.panels.add(panel)
                registry.versions.add(panel, write_panel_folder(material / panel, seed), valid_from=_START)
            later = write_panel_folder(material / "later", len(PANELS), ("gain",))
            registry.versions.add(PANELS[0], later, valid_from=_LATER, kinds=["gain"])
            self.documents = {
                panel: Path(registry.export(panel, material / f"{panel} out", at=_AT).provenance)
                for panel in PANELS
            }
            self.uses = dict(_list_uses(registry))
            self.arrays = {
                (panel, kind): _hash_array(registry, panel, kind) for panel in PANELS for kind in KINDS
            }

    def close(self) -> None:
        """Remove it."""
        self.factory.remove(self.location)


def run_faults(
    factory: RegistryFactory, databases: Sequence[str], count: int, seed: int
) -> Iterator[FaultTally]:
    """Plant so many faults, dealt out over the kinds and databases, and yield what became of them by kind.

    Those that are not promised to be found come on top: as many of each kind as the others have on the average.
    """
    every = [(name, kind) for name in databases for kind in list_kinds(name)]
    kinds = [(name, kind) for name, kind in every if is_detectable(kind)]
    once_more = random.Random(seed).sample(kinds, count % len(kinds))  # noqa: S311 - repeatable on purpose
    testbeds = {name: Testbed(factory, name) for name in databases}
    for name, kind in every:
        share = count // len(kinds) + ((name, kind) in once_more)
        rng = random.Random(f"{seed} {name} {kind}")  # noqa: S311
        tally = FaultTally(kind, name)
        while tally.planted < share:
            plant_faults(testbeds[name], tally, share - tally.planted, rng)
        if share:
            yield tally
    for testbed in testbeds.values():
        testbed.close()


def plant_faults(testbed: Testbed, tally: FaultTally, wanted: int, rng: random.Random) -> None:
    """Plant a fault of the tally's kind, or several at once but no more than wanted, and count what becomes of it."""
    if tally.kind in faults.STORE_FAULTS:
        _damage_store(testbed, tally, wanted, rng)
    else:
        _damage_database(testbed, tally, rng)


def is_detectable(kind: str) -> bool:
    """Tell whether every fault of this kind is to be found."""
    return not kind.startswith("untold")


def list_kinds(database: str) -> list[str]:
    """Return the kinds of faults; the store is the same for both databases."""
    if database == "postgresql":
        return [*faults.ROW_FAULTS, *faults.UNDETECTABLE_FAULTS]
    return [
        *faults.STORE_FAULTS,
        *faults.ROW_FAULTS,
        *faults.SQLITE_ROW_FAULTS,
        *faults.PAGE_FAULTS,
        *faults.UNDETECTABLE_FAULTS,
        faults.SQLITE_BIT_FAULT,
    ]


def _damage_store(testbed: Testbed, tally: FaultTally, wanted: int, rng: random.Random) -> None:
    """Plant faults of one kind in different files at once, look, and mend them."""
    store, aside = testbed.location.store, testbed.location.folder / "aside"
    shutil.copytree(store, aside)
    each = 2 if tally.kind == faults.SWAPPED_FILES else 1
    chosen = rng.sample(sorted(testbed.uses), each * min(wanted, _AT_ONCE))
    sound = [sha256 for sha256 in sorted(testbed.uses) if sha256 not in chosen]
    tally.planted += len(chosen) // each
    try:
        with testbed.location.open() as registry:
            for number in range(0, len(chosen), each):
                other = chosen[number + 1] if each == 2 else rng.choice(sound)
                path = _object_path(store, chosen[number])
                faults.STORE_FAULTS[tally.kind](path, _object_path(store, other), rng)
            tally.found += _count_found(testbed, registry, chosen, tally) // each
            _read_damaged(testbed, registry, set(chosen), tally, rng)
            _read_undamaged(testbed, registry, set(chosen), tally, rng)
    finally:
        shutil.rmtree(store)
        aside.rename(store)


def _object_path(store: Path, sha256: str) -> Path:
    return store / "objects" / sha256[:2] / f"{sha256}.npy"


def _count_found(testbed: Testbed, registry: Registry, damaged: Sequence[str], tally: FaultTally) -> int:
    """Return how many of the damaged files verify names with their panels and versions; it must name no other."""
    said = {problem.sha256: problem.problem for problem in registry.verify().problems}
    tally.problems += [f"verify says of {sha256}: {said[sha256]}" for sha256 in said if sha256 not in damaged]
    named = 0
    for sha256 in damaged:
        _, _, panel, version = testbed.uses[sha256]
        is_named = all(each in said.get(sha256 or "", "") for each in (sha256, panel, f"version {version}"))
        named += is_named
        if not is_named:
            tally.problems.append(f"verify does not name {sha256}: {said.get(sha256)}")
    return named


def _read_damaged(
    testbed: Testbed, registry: Registry, damaged: set[str], tally: FaultTally, rng: random.Random
) -> None:
    """Use every damaged file in every way: refused with code 6, object, panel and version named, nothing left."""
    output = testbed.location.folder / "refused"
    for sha256 in sorted(damaged):
        form = rng.choice(FORMATS)
        for read in _list_reads(testbed, registry, testbed.uses[sha256], form, output):
            tally.reads += 1
            said = _catch_refusal(read)
            if said is not None and _names_damage(said, damaged, testbed):
                tally.refused += 1
            else:
                tally.problems.append(f"a read that needs {sha256}, {testbed.uses[sha256]}, says: {said}")
        if output.exists():
            tally.problems.append(f"a refused {form} left something")
            shutil.rmtree(output)


def _list_reads(
    testbed: Testbed, registry: Registry, use: Use, format_name: str, output: Path
) -> Iterator[Callable[[], object]]:
    """Yield every way to read a file."""
    kind, _, panel, version = use
    is_later = version > _FIRST_VERSIONS
    asked: dict[str, Any] = {
        "at": _LATER if is_later else _AT,
        "types": [_find_calibration_type(panel, kind)],
    }
    yield partial(registry.constants, panel, **asked)
    yield partial(
        registry.export, panel, output, format=format_name, **_build_format_options(format_name), **asked
    )
    other = next(each[3] for each in testbed.uses.values() if each[0] == kind and each[3] != version)
    yield partial(registry.versions.diff, version, other)
    if not is_later:
        settings = (testbed.location.database, testbed.location.store)
        yield partial(replay, testbed.documents[panel], output, *settings)
        yield partial(_verify_document, testbed.documents[panel], *settings)


def _build_format_options(format_name: str) -> dict[str, Any]:
    """Return what an export of a panel in this format is asked besides."""
    return (
        {"source": "XcsEndstation.0:Jungfrau.0", "first_run": 1} if format_name in {"psana", "lcls2"} else {}
    )


def _catch_refusal(read: Callable[[], object]) -> str | None:
    try:
        read()
    except CorruptionError as error:
        return str(error)
    except RegistryError as error:
        return f"{error.code}: {error}"
    return None


def _verify_document(document: Path, database: str, store: Path) -> None:
    found = verify_export(document, database, store)
    if found.problems:
        raise CorruptionError("; ".join(problem.problem for problem in found.problems))


def _names_damage(message: str, damaged: set[str], testbed: Testbed) -> bool:
    """Return whether a refusal names a damaged file, and the panel and version for which it is read."""
    return any(
        sha256 in message and f"panel {testbed.uses[sha256][2]}, version {testbed.uses[sha256][3]}" in message
        for sha256 in damaged
    )


def _read_undamaged(
    testbed: Testbed, registry: Registry, damaged: set[str], tally: FaultTally, rng: random.Random
) -> None:
    """Use everything else: answered as before the faults."""
    output = testbed.location.folder / "sound"
    uses = [testbed.uses[sha256] for sha256 in damaged]
    hit = {(panel, kind) for kind, _, panel, version in uses if version <= _FIRST_VERSIONS}
    for (panel, kind), array in testbed.arrays.items():
        if (panel, kind) not in hit:
            if _hash_array(registry, panel, kind) == array:
                tally.unchanged += 1
            else:
                tally.problems.append(f"{kind} of {panel} is another")
    whole = [panel for panel in PANELS if not hit & {(panel, kind) for kind in KINDS}]
    if whole:
        form = rng.choice(FORMATS)
        panel = rng.choice(whole)
        made = registry.export(panel, output, at=_AT, format=form, **_build_format_options(form))
        problems = verify_export(made.provenance, testbed.location.database, testbed.location.store).problems
        tally.problems += [f"{form} of {panel}: {problem.problem}" for problem in problems]
        tally.unchanged += 1
        shutil.rmtree(output)


def _damage_database(testbed: Testbed, tally: FaultTally, rng: random.Random) -> None:
    """Plant one fault in a copy of the database; verify names it, and arrays are refused or as ever."""
    location = testbed.factory.copy(testbed.location)
    tally.planted += 1
    if location.file is not None and tally.kind in (*faults.PAGE_FAULTS, faults.SQLITE_BIT_FAULT):
        faults.overwrite_page(location.file, tally.kind, rng)
    else:
        faults.tamper(location, faults.STATEMENTS[tally.kind])
    try:
        answers = _hash_arrays(testbed, location, tally)
    except RegistryError:  # it cannot be opened
        tally.found += 1
        answers = dict.fromkeys(testbed.arrays)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the harness looks for
        tally.problems.append(f"not a refusal but {type(error).__name__}: {error}")
        answers = {}
    for each, answer in answers.items():
        _count_answer(answer, testbed.arrays[each], tally)
    testbed.factory.remove(location)


def _hash_arrays(
    testbed: Testbed, location: RegistryLocation, tally: FaultTally
) -> dict[tuple[str, str], str | None]:
    """Return what the arrays are, by panel and kind, None where they are refused; verify is asked first."""
    with location.open() as registry:
        is_found = _has_problems(registry)
        tally.found += is_found
        if tally.is_detectable and not is_found:
            tally.problems.append("verify finds nothing")
        return {each: _try_hash_array(registry, *each) for each in testbed.arrays}


def _has_problems(registry: Registry) -> bool:
    try:
        return bool(registry.verify().problems)
    except RegistryError:
        return True


def _try_hash_array(registry: Registry, panel: str, kind: str) -> str | None:
    try:
        return _hash_array(registry, panel, kind)
    except RegistryError:
        return None


def _count_answer(answer: str | None, array: str, tally: FaultTally) -> None:
    tally.reads += 1
    if answer is None:
        tally.refused += 1
    elif answer == array:
        tally.unchanged += 1
    else:
        tally.changed += 1
        if tally.is_detectable and tally.kind not in CHANGE_ANSWERS:
            tally.problems.append("an array is another than it was")


def _list_uses(registry: Registry) -> Iterator[tuple[str, Use]]:
    for version in registry.versions.list():
        _, files = registry.versions.show(version.version)
        for file in files:
            yield file.sha256, (version.kind, file.gain_range, version.panel, version.version)


def _hash_array(registry: Registry, panel: str, kind: str) -> str:
    """Return the checksum of an array's bytes."""
    name = _find_calibration_type(panel, kind)
    array = registry.constants(panel, at=_AT, types=[name])[name]
    return hashlib.sha256(array.tobytes()).hexdigest()


def _find_calibration_type(panel: str, kind: str) -> str:
    return type_of_panel(panel).find_kind(kind).calibration_type
