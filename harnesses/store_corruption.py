"""Damage the files of a store: verify names every one, and no read returns a wrong byte."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harnesses import file_faults
from harnesses.tallies import FaultTally
from registry.api import Registry, create_registry
from registry.api.export_verification import verify_export
from registry.api.replays import replay
from registry.detectors import find_panel_type
from registry.errors import CorruptionError, RegistryError
from testing.panels import PANELS, SHORT_NAME, SOURCE, write_panel_folder
from testing.registries import RegistryFactory

KINDS = ("gain", "offset")
FORMATS = ("npy", "psana", "lcls2", "hdf5")
_START, _AT, _LATER = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z", "2022-01-01T00:00:00Z"
_FIRST_VERSIONS = len(PANELS) * len(KINDS)  # valid from _START; one more is valid from _LATER
_AT_ONCE = 6  # faults in one store

Use = tuple[str, int, str, int]
"""Kind, gain range, panel and version for which a file is used."""


class StoreTestbed:
    """A registry of three panels with gain and offset, an export of each panel, and the expected checksums."""

    def __init__(self, factory: RegistryFactory, dialect: str) -> None:
        self.factory = factory
        self.location = factory.make_empty(dialect)
        create_registry(self.location.database, self.location.store_folder)
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


def damage_store(testbed: StoreTestbed, tally: FaultTally, wanted: int, rng: random.Random) -> None:
    """Plant faults of the tally's kind in different files at once, count the results, and put the store back."""
    store, aside = testbed.location.store_folder, testbed.location.folder / "aside"
    shutil.copytree(store, aside)
    step = 2 if tally.kind == file_faults.SWAPPED_FILES else 1  # files per fault
    chosen = rng.sample(sorted(testbed.uses), step * min(wanted, _AT_ONCE))
    sound = [sha256 for sha256 in sorted(testbed.uses) if sha256 not in chosen]
    tally.planted += len(chosen) // step
    try:
        with testbed.location.open() as registry:
            for number in range(0, len(chosen), step):
                other = chosen[number + 1] if step == 2 else rng.choice(sound)
                path = _object_path(store, chosen[number])
                file_faults.STORE_FAULTS[tally.kind](path, _object_path(store, other), rng)
            tally.detected += _count_detected(testbed, registry, chosen, tally) // step
            _read_damaged(testbed, registry, set(chosen), tally, rng)
            _read_undamaged(testbed, registry, set(chosen), tally, rng)
    finally:
        shutil.rmtree(store)
        aside.rename(store)


def _object_path(store: Path, sha256: str) -> Path:
    return store / "objects" / sha256[:2] / f"{sha256}.npy"


def _count_detected(
    testbed: StoreTestbed, registry: Registry, damaged: Sequence[str], tally: FaultTally
) -> int:
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
    testbed: StoreTestbed, registry: Registry, damaged: set[str], tally: FaultTally, rng: random.Random
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
    testbed: StoreTestbed, registry: Registry, use: Use, format_name: str, output: Path
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
        settings = (testbed.location.database, testbed.location.store_folder)
        yield partial(replay, testbed.documents[panel], output, *settings)
        yield partial(_verify_document, testbed.documents[panel], *settings)


def _build_format_options(format_name: str) -> dict[str, Any]:
    """Return the further options that an export of a panel in this format needs."""
    options: dict[str, Any] = {}
    if format_name in {"psana", "lcls2"}:
        options = {"source": SOURCE, "first_run": 1}
    if format_name == "lcls2":
        options |= {"experiment": "xcs1", "short_name": SHORT_NAME}
    return options


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


def _names_damage(message: str, damaged: set[str], testbed: StoreTestbed) -> bool:
    """Return whether a message names a damaged file with the panel and version for which it is read."""
    return any(
        sha256 in message and f"panel {testbed.uses[sha256][2]}, version {testbed.uses[sha256][3]}" in message
        for sha256 in damaged
    )


def _read_undamaged(
    testbed: StoreTestbed, registry: Registry, damaged: set[str], tally: FaultTally, rng: random.Random
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
            export.provenance, testbed.location.database, testbed.location.store_folder
        ).problems
        tally.problems += [f"{name} of {panel}: {problem.problem}" for problem in problems]
        tally.unchanged += 1
        shutil.rmtree(output)


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
