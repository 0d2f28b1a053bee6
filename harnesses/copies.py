"""Registries that are killed on the way to another place: backup, copy, restore."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from harnesses.commands import Command, Inspection, Rows, Trial
from harnesses.rows import read_rows
from registry.api.backups import FILE_NAME, read_description, restore_registry
from registry.database.engine import read_immutable_file
from registry.database.transactions import Database
from registry.errors import NotFoundError, RegistryError
from testing.panels import PANELS, write_panel_folder
from testing.registries import RegistryLocation


@dataclass(frozen=True, slots=True)
class TransferTrial(Trial):
    """A trial in which a registry arrives at another place."""

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

    def make_trial(self, number: int) -> Trial:
        location = self.factory.copy(self.template)
        if number % 2:
            shutil.copytree(self.material / "older", location.folder / "out")
        return Trial(location, ("backup", str(location.folder / "out")))

    def build_arguments(self) -> tuple[str, ...]:
        return ("backup",)

    def read_state(self, trial: Trial) -> Rows:
        return {**super().read_state(trial), "backup": _read_backup_state(trial.output)}

    def inspect(self, trial: Trial) -> Inspection:
        found = super().inspect(trial)
        if _read_backup_state(trial.output):
            restored = RegistryLocation.in_folder(trial.location.folder / "again")
            restore_registry(trial.output, restored.database, restored.store)
            with restored.open() as registry:
                found.problems.extend(f"restored: {each.problem}" for each in registry.verify().problems)
            shutil.rmtree(restored.folder)
        found.leftovers["temporary file"] = len(list(trial.output.rglob(".arriving-*")))
        found.leftovers["database of no backup"] = max(len(list(trial.output.glob("*.sqlite"))) - 1, 0)
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

    def make_trial(self, number: int) -> TransferTrial:  # noqa: ARG002
        location, target = self.factory.copy(self.template), self.factory.make_empty(self.dialect)
        arguments = ("copy", "--to", target.database, "--to-store", str(target.store))
        return TransferTrial(location, arguments, target)

    def build_arguments(self) -> tuple[str, ...]:
        return ("copy",)

    def read_state(self, trial: Trial) -> Rows:
        """Return the rows of the target, and of either database whether it takes writes."""
        target = _find_target(trial)
        rows = {f"new {table}": found for table, found in read_rows(target).items() if _is_writable(target)}
        return {**rows, "open": [name for name, location in _list_locations(trial) if _is_writable(location)]}

    def list_allowed_states(self, before: Rows, after: Rows) -> tuple[Rows, ...]:
        """Neither is open for the moment between the closing of the old and the opening of the new one."""
        return before, after, {"open": []}

    def can_conflict(self, trial: Trial) -> bool:
        return _is_writable(_find_target(trial))

    def inspect(self, trial: Trial) -> Inspection:
        found = super().inspect(trial)
        if _is_writable(_find_target(trial)):
            with _find_target(trial).open() as registry:
                found.problems.extend(f"new: {each.problem}" for each in registry.verify().problems)
        taking = [name for name, location in _list_locations(trial) if _is_writable(location)]
        if len(taking) > 1:
            found.problems.append("both databases take writes")
        found.leftovers["neither takes writes"] = int(not taking)
        return found

    def remove(self, trial: Trial) -> None:
        super().remove(trial)
        self.factory.remove(_find_target(trial))


def _find_target(trial: Trial) -> RegistryLocation:
    if not isinstance(trial, TransferTrial):
        raise TypeError("a trial without a target")
    return trial.target


def _list_locations(trial: Trial) -> tuple[tuple[str, RegistryLocation], ...]:
    return ("old", trial.location), ("new", _find_target(trial))


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

    def make_trial(self, number: int) -> Trial:  # noqa: ARG002
        return Trial(self.factory.make_empty(self.dialect), self.build_arguments())

    def build_arguments(self) -> tuple[str, ...]:
        return ("restore", str(self.material / "backup"))

    def can_conflict(self, trial: Trial) -> bool:
        return bool(read_rows(trial.location))

    def inspect(self, trial: Trial) -> Inspection:
        if read_rows(trial.location):
            return super().inspect(trial)
        left = Counter(
            {"file without tables": int(trial.location.file is not None and trial.location.file.exists())}
        )
        left["temporary file"] = len(list(trial.location.store.rglob(".arriving-*")))
        return Inspection([], left)
