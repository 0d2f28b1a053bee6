"""Registries that are killed on the way to another place: backup, copy, restore."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from harnesses.arrays import PANELS, write_panel_folder
from harnesses.commands import Command, Inspection, Rows, Trial
from harnesses.places import RegistryLocation
from registry.api.backups import FILE_NAME, read_description
from registry.api.restoring import restore_registry
from registry.database import Database
from registry.database.engine import read_immutable_file
from registry.errors import NotFoundError, RegistryError


@dataclass(frozen=True, slots=True)
class TransferTrial(Trial):
    """A scene in which a registry arrives at another place."""

    target: RegistryLocation

    @property
    def watched(self) -> RegistryLocation:
        return self.target


class _FilledCommand(Command):
    """A registry of two panels and their constants."""

    def prepare(self) -> None:
        super().prepare()
        with self.template.open() as registry:
            for seed, panel in enumerate(PANELS[:2]):
                registry.panels.add(panel)
                folder = write_panel_folder(self.material / panel, seed)
                registry.versions.add(panel, folder, valid_from="beginning")


class Backup(_FilledCommand):
    """A backup into a new folder or, every other round, after an older one."""

    name = "backup"

    def prepare(self) -> None:
        super().prepare()
        with self.template.open() as registry:
            registry.backup(self.material / "older")
            registry.versions.gap(PANELS[0], valid_from="2020-01-01T00:00:00Z", comment="warm")

    def scene(self, number: int) -> Trial:
        place = self.ground.copy(self.template)
        if number % 2:
            shutil.copytree(self.material / "older", place.folder / "out")
        return Trial(place, ("backup", str(place.folder / "out")))

    def arguments(self) -> tuple[str, ...]:
        return ("backup",)

    def state(self, scene: Trial) -> Rows:
        return {**super().read_state(scene), "backup": _read_backup_state(scene.output)}

    def look(self, scene: Trial) -> Inspection:
        found = super().inspect(scene)
        if _read_backup_state(scene.output):
            file = scene.location.folder / "again" / "registry.sqlite"
            restored = RegistryLocation(file.parent, f"sqlite:///{file}")
            restore_registry(scene.output, restored.database, restored.store)
            with restored.open() as registry:
                found.problems.extend(f"restored: {each.problem}" for each in registry.verify().problems)
            shutil.rmtree(restored.folder)
        found.leftovers["temporary file"] = len(list(scene.output.rglob(".arriving-*")))
        found.leftovers["database of no backup"] = max(len(list(scene.output.glob("*.sqlite"))) - 1, 0)
        return found


def _read_backup_state(folder: Path) -> list[str]:
    """Return of which revision the backup in a folder is; nothing where there is none."""
    try:
        description = read_description(folder)
    except NotFoundError:
        return []
    with read_immutable_file(folder / description.database) as connection:
        count = connection.execute(sa.text("SELECT count(*) FROM revision")).scalar_one()
    return [f"{FILE_NAME} {description.revision}, {count} revisions"]


class Copy(_FilledCommand):
    """A move to an empty database of the same sort, and to another store."""

    name = "copy"

    def scene(self, number: int) -> TransferTrial:  # noqa: ARG002
        place, target = self.ground.copy(self.template), self.ground.make_empty(self.dialect)
        arguments = ("copy", "--to", target.database, "--to-store", str(target.store))
        return TransferTrial(place, arguments, target)

    def arguments(self) -> tuple[str, ...]:
        return ("copy",)

    def state(self, scene: Trial) -> Rows:
        """Return the rows of the target, and of either database whether it takes writes."""
        target = _find_target(scene)
        rows = {f"new {table}": found for table, found in target.read_rows().items() if _is_writable(target)}
        return {**rows, "open": [name for name, place in _list_locations(scene) if _is_writable(place)]}

    def between(self, before: Rows, after: Rows) -> tuple[Rows, ...]:
        """Neither is open for the moment between the closing of the old and the opening of the new one."""
        return before, after, {"open": []}

    def may_be_refused(self, scene: Trial) -> bool:
        return _is_writable(_find_target(scene))

    def look(self, scene: Trial) -> Inspection:
        found = super().inspect(scene)
        if _is_writable(_find_target(scene)):
            with _find_target(scene).open() as registry:
                found.problems.extend(f"new: {each.problem}" for each in registry.verify().problems)
        taking = [name for name, place in _list_locations(scene) if _is_writable(place)]
        if len(taking) > 1:
            found.problems.append("both databases take writes")
        found.leftovers["neither takes writes"] = int(not taking)
        return found

    def drop(self, scene: Trial) -> None:
        super().remove(scene)
        self.ground.remove(_find_target(scene))


def _find_target(scene: Trial) -> RegistryLocation:
    if not isinstance(scene, TransferTrial):
        raise TypeError("a scene without a target")
    return scene.target


def _list_locations(scene: Trial) -> tuple[tuple[str, RegistryLocation], ...]:
    return ("old", scene.location), ("new", _find_target(scene))


def _is_writable(location: RegistryLocation) -> bool:
    try:
        with closing(Database(location.database)) as database:
            return database.closure is None
    except RegistryError:
        return False


class Restore(_FilledCommand):
    """A backup becomes a registry where none is."""

    name = "restore"

    def prepare(self) -> None:
        super().prepare()
        with self.template.open() as registry:
            registry.backup(self.material / "backup")

    def scene(self, number: int) -> Trial:  # noqa: ARG002
        return Trial(self.ground.make_empty(self.dialect), self.arguments())

    def arguments(self) -> tuple[str, ...]:
        return ("restore", str(self.material / "backup"))

    def may_be_refused(self, scene: Trial) -> bool:
        return bool(scene.location.read_rows())

    def look(self, scene: Trial) -> Inspection:
        if scene.location.read_rows():
            return super().inspect(scene)
        left = Counter(
            {"file without tables": int(scene.location.file is not None and scene.location.file.exists())}
        )
        left["temporary file"] = len(list(scene.location.store.rglob(".arriving-*")))
        return Inspection([], left)
