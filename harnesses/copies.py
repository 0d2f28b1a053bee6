"""Registries that are killed on the way to another place: backup, copy, restore."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from harnesses.arrays import PANELS, panel_folder
from harnesses.commands import Command, Look, Rows, Scene
from harnesses.places import Place
from registry.api.backups import FILE_NAME, read_description
from registry.api.restoring import restore_registry
from registry.database import Database
from registry.database.engine import at_rest
from registry.errors import NotFoundError, RegistryError


@dataclass(frozen=True, slots=True)
class Arrival(Scene):
    """A scene in which a registry arrives at another place."""

    target: Place

    @property
    def watched(self) -> Place:
        return self.target


class _Filled(Command):
    """A registry of two panels and their constants."""

    def prepare(self) -> None:
        super().prepare()
        with self.template.open() as registry:
            for seed, panel in enumerate(PANELS[:2]):
                registry.panels.add(panel)
                folder = panel_folder(self.material / panel, seed)
                registry.versions.add(panel, folder, valid_from="beginning")


class Backup(_Filled):
    """A backup into a new folder or, every other round, after an older one."""

    name = "backup"

    def prepare(self) -> None:
        super().prepare()
        with self.template.open() as registry:
            registry.backup(self.material / "older")
            registry.versions.gap(PANELS[0], valid_from="2020-01-01T00:00:00Z", comment="warm")

    def scene(self, number: int) -> Scene:
        place = self.ground.copy(self.template)
        if number % 2:
            shutil.copytree(self.material / "older", place.folder / "out")
        return Scene(place, ("backup", str(place.folder / "out")))

    def arguments(self) -> tuple[str, ...]:
        return ("backup",)

    def state(self, scene: Scene) -> Rows:
        return {**super().state(scene), "backup": _revision_of(scene.output)}

    def look(self, scene: Scene) -> Look:
        found = super().look(scene)
        if _revision_of(scene.output):
            file = scene.place.folder / "again" / "registry.sqlite"
            restored = Place(file.parent, f"sqlite:///{file}")
            restore_registry(scene.output, restored.database, restored.store)
            with restored.open() as registry:
                found.problems.extend(f"restored: {each.problem}" for each in registry.verify().problems)
            shutil.rmtree(restored.folder)
        found.left["temporary file"] = len(list(scene.output.rglob(".arriving-*")))
        found.left["database of no backup"] = max(len(list(scene.output.glob("*.sqlite"))) - 1, 0)
        return found


def _revision_of(folder: Path) -> list[str]:
    """Return of which revision the backup in a folder is; nothing where there is none."""
    try:
        description = read_description(folder)
    except NotFoundError:
        return []
    with at_rest(folder / description.database) as connection:
        count = connection.execute(sa.text("SELECT count(*) FROM revision")).scalar_one()
    return [f"{FILE_NAME} {description.revision}, {count} revisions"]


class Copy(_Filled):
    """A move to an empty database of the same sort, and to another store."""

    name = "copy"

    def scene(self, number: int) -> Arrival:  # noqa: ARG002
        place, target = self.ground.copy(self.template), self.ground.empty(self.dialect)
        arguments = ("copy", "--to", target.database, "--to-store", str(target.store))
        return Arrival(place, arguments, target)

    def arguments(self) -> tuple[str, ...]:
        return ("copy",)

    def state(self, scene: Scene) -> Rows:
        """Return the rows of the target, and of either database whether it takes writes."""
        target = _target(scene)
        rows = {f"new {table}": found for table, found in target.rows().items() if _takes_writes(target)}
        return {**rows, "open": [name for name, place in _both(scene) if _takes_writes(place)]}

    def between(self, before: Rows, after: Rows) -> tuple[Rows, ...]:
        """Neither is open for the moment between the closing of the old and the opening of the new one."""
        return before, after, {"open": []}

    def may_be_refused(self, scene: Scene) -> bool:
        return _takes_writes(_target(scene))

    def look(self, scene: Scene) -> Look:
        found = super().look(scene)
        if _takes_writes(_target(scene)):
            with _target(scene).open() as registry:
                found.problems.extend(f"new: {each.problem}" for each in registry.verify().problems)
        taking = [name for name, place in _both(scene) if _takes_writes(place)]
        if len(taking) > 1:
            found.problems.append("both databases take writes")
        found.left["neither takes writes"] = int(not taking)
        return found

    def drop(self, scene: Scene) -> None:
        super().drop(scene)
        self.ground.drop(_target(scene))


def _target(scene: Scene) -> Place:
    if not isinstance(scene, Arrival):
        raise TypeError("a scene without a target")
    return scene.target


def _both(scene: Scene) -> tuple[tuple[str, Place], ...]:
    return ("old", scene.place), ("new", _target(scene))


def _takes_writes(place: Place) -> bool:
    try:
        with closing(Database(place.database)) as database:
            return database.closure is None
    except RegistryError:
        return False


class Restore(_Filled):
    """A backup becomes a registry where none is."""

    name = "restore"

    def prepare(self) -> None:
        super().prepare()
        with self.template.open() as registry:
            registry.backup(self.material / "backup")

    def scene(self, number: int) -> Scene:  # noqa: ARG002
        return Scene(self.ground.empty(self.dialect), self.arguments())

    def arguments(self) -> tuple[str, ...]:
        return ("restore", str(self.material / "backup"))

    def may_be_refused(self, scene: Scene) -> bool:
        return bool(scene.place.rows())

    def look(self, scene: Scene) -> Look:
        if scene.place.rows():
            return super().look(scene)
        left = Counter(
            {"file without tables": int(scene.place.file is not None and scene.place.file.exists())}
        )
        left["temporary file"] = len(list(scene.place.store.rglob(".arriving-*")))
        return Look([], left)
