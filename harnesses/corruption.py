"""Plant faults in the store and in the database: verify names every one, and no read returns a wrong byte."""

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
from registry.detectors import find_panel_type
from registry.errors import CorruptionError, RegistryError
from testing.panels import PANELS, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation

KINDS = ("gain", "offset")
FORMATS = ("npy", "psana", "lcls2", "hdf5")
_START, _AT, _LATER = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z", "2022-01-01T00:00:00Z"
_FIRST_VERSIONS = len(PANELS) * len(KINDS)  # valid from _START; one more is valid from _LATER
_AT_ONCE = 6  # faults in one store

# Faults in rows that say which constants a panel has: they change the answer, and only verify detects them.
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
    """The result of the faults of one kind.

    Attributes
    ----------
    detected
        Number of faults that verify named.
    reads, refused
        Number of reads of damaged files or rows, and how many of them were refused.
    unchanged
        Number of reads with the same result as before the fault.
    changed
        Number of reads with another result.
    """

    kind: str
    database: str
    planted: int = 0
    detected: int = 0
    reads: int = 0
    refused: int = 0
    unchanged: int = 0
    changed: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_detectable(self) -> bool:
        """Return whether verify must detect faults of this kind."""
        return is_detectable(self.kind)


class Testbed:
    """A registry of three panels with gain and offset, an export of each panel, and the expected checksums."""

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
    """Plant `count` faults, spread over the kinds and databases, and yield the result of each kind.

    Faults that verify is not promised to detect are added: of each kind the average number of the others.
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
    """Plant one or more faults of the tally's kind, at most `wanted`, and count the results."""
    if tally.kind in faults.STORE_FAULTS:
        _damage_store(testbed, tally, wanted, rng)
    else:
        _damage_database(testbed, tally, rng)


def is_detectable(kind: str) -> bool:
    """Return whether verify must detect every fault of this kind."""
    return not kind.startswith("undetectable")


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
    """Plant faults of one kind in different files at once, count the results, and put the store back."""
    store, aside = testbed.location.store, testbed.location.folder / "aside"
    shutil.copytree(store, aside)
    step = 2 if tally.kind == faults.SWAPPED_FILES else 1  # files per fault
    chosen = rng.sample(sorted(testbed.uses), step * min(wanted, _AT_ONCE))
    sound = [sha256 for sha256 in sorted(testbed.uses) if sha256 not in chosen]
    tally.planted += len(chosen) // step
    try:
        with testbed.location.open() as registry:
            for number in range(0, len(chosen), step):
                other = chosen[number + 1] if step == 2 else rng.choice(sound)
                path = _object_path(store, chosen[number])
                faults.STORE_FAULTS[tally.kind](path, _object_path(store, other), rng)
            tally.detected += _count_detected(testbed, registry, chosen, tally) // step
            _read_damaged(testbed, registry, set(chosen), tally, rng)
            _read_undamaged(testbed, registry, set(chosen), tally, rng)
    finally:
        shutil.rmtree(store)
        aside.rename(store)


def _object_path(store: Path, sha256: str) -> Path:
    return store / "objects" / sha256[:2] / f"{sha256}.npy"


def _count_detected(testbed: Testbed, registry: Registry, damaged: Sequence[str], tally: FaultTally) -> int:
    """Return how many of the damaged files verify names with panel and version; it must name no other."""
    messages = {problem.sha256: problem.problem for problem in registry.verify().problems}
    tally.problems += [
        f"verify says of {sha256}: {messages[sha256]}" for sha256 in messages if sha256 not in damaged
    ]
    count = 0
    for sha256 in damaged:
        _, _, panel, version = testbed.uses[sha256]
        message = messages.get(sha256, "")
        is_named = all(name in message for name in (sha256, panel, f"version {version}"))
        count += is_named
        if not is_named:
            tally.problems.append(f"verify does not name {sha256}: {message}")
    return count


def _read_damaged(
    testbed: Testbed, registry: Registry, damaged: set[str], tally: FaultTally, rng: random.Random
) -> None:
    """Read every damaged file by every kind of read.

    Each must be refused with exit code 6, name object, panel and version, and leave no output.
    """
    output = testbed.location.folder / "refused"
    for sha256 in sorted(damaged):
        format_name = rng.choice(FORMATS)
        for read in _list_reads(testbed, registry, testbed.uses[sha256], format_name, output):
            tally.reads += 1
            message = _catch_refusal(read)
            if message is not None and _names_damage(message, damaged, testbed):
                tally.refused += 1
            else:
                tally.problems.append(f"a read that needs {sha256}, {testbed.uses[sha256]}, says: {message}")
        if output.exists():
            tally.problems.append(f"a refused {format_name} export left files")
            shutil.rmtree(output)


def _list_reads(
    testbed: Testbed, registry: Registry, use: Use, format_name: str, output: Path
) -> Iterator[Callable[[], object]]:
    """Yield one call for each kind of read that needs a file."""
    kind, _, panel, version = use
    is_later = version > _FIRST_VERSIONS
    query: dict[str, Any] = {
        "at": _LATER if is_later else _AT,
        "types": [_find_calibration_type(panel, kind)],
    }
    yield partial(registry.constants, panel, **query)
    yield partial(
        registry.export, panel, output, format=format_name, **_build_format_options(format_name), **query
    )
    other = next(use[3] for use in testbed.uses.values() if use[0] == kind and use[3] != version)
    yield partial(registry.versions.diff, version, other)
    if not is_later:
        settings = (testbed.location.database, testbed.location.store)
        yield partial(replay, testbed.documents[panel], output, *settings)
        yield partial(_verify_document, testbed.documents[panel], *settings)


def _build_format_options(format_name: str) -> dict[str, Any]:
    """Return the further options that an export of a panel in this format needs."""
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
    verification = verify_export(document, database, store)
    if verification.problems:
        raise CorruptionError("; ".join(problem.problem for problem in verification.problems))


def _names_damage(message: str, damaged: set[str], testbed: Testbed) -> bool:
    """Return whether a message names a damaged file with the panel and version for which it is read."""
    return any(
        sha256 in message and f"panel {testbed.uses[sha256][2]}, version {testbed.uses[sha256][3]}" in message
        for sha256 in damaged
    )


def _read_undamaged(
    testbed: Testbed, registry: Registry, damaged: set[str], tally: FaultTally, rng: random.Random
) -> None:
    """Read everything else: the results must be those before the faults."""
    output = testbed.location.folder / "sound"
    uses = [testbed.uses[sha256] for sha256 in damaged]
    hit = {(panel, kind) for kind, _, panel, version in uses if version <= _FIRST_VERSIONS}
    for (panel, kind), array in testbed.arrays.items():
        if (panel, kind) not in hit:
            if _hash_array(registry, panel, kind) == array:
                tally.unchanged += 1
            else:
                tally.problems.append(f"{kind} of {panel} has changed")
    whole = [panel for panel in PANELS if not hit & {(panel, kind) for kind in KINDS}]
    if whole:
        name = rng.choice(FORMATS)
        panel = rng.choice(whole)
        export = registry.export(panel, output, at=_AT, format=name, **_build_format_options(name))
        problems = verify_export(
            export.provenance, testbed.location.database, testbed.location.store
        ).problems
        tally.problems += [f"{name} of {panel}: {problem.problem}" for problem in problems]
        tally.unchanged += 1
        shutil.rmtree(output)


def _damage_database(testbed: Testbed, tally: FaultTally, rng: random.Random) -> None:
    """Plant one fault in a copy of the database: verify names it, and arrays are refused or unchanged."""
    location = testbed.factory.copy(testbed.location)
    tally.planted += 1
    if location.file is not None and tally.kind in (*faults.PAGE_FAULTS, faults.SQLITE_BIT_FAULT):
        faults.overwrite_page(location.file, tally.kind, rng)
    else:
        faults.tamper(location, faults.STATEMENTS[tally.kind])
    try:
        answers = _hash_arrays(testbed, location, tally)
    except RegistryError:  # it cannot be opened
        tally.detected += 1
        answers = dict.fromkeys(testbed.arrays)
    except Exception as error:  # noqa: BLE001 - any other error is a finding
        tally.problems.append(f"not a refusal but {type(error).__name__}: {error}")
        answers = {}
    for key, answer in answers.items():
        _count_answer(answer, testbed.arrays[key], tally)
    testbed.factory.remove(location)


def _hash_arrays(
    testbed: Testbed, location: RegistryLocation, tally: FaultTally
) -> dict[tuple[str, str], str | None]:
    """Run verify; return the checksums of the arrays by panel and kind, None where the read is refused."""
    with location.open() as registry:
        is_detected = _has_problems(registry)
        tally.detected += is_detected
        if tally.is_detectable and not is_detected:
            tally.problems.append("verify finds nothing")
        return {key: _try_hash_array(registry, *key) for key in testbed.arrays}


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
            tally.problems.append("an array has changed")


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
    return find_panel_type(panel).find_kind(kind).calibration_type
