"""Backup, copy and restore, killed while the registry arrives at another location."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from harnesses.commands import Command, Inspection, Rows, Trial
from harnesses.rows import read_rows
from registry.api.backup_descriptions import FILE_NAME, read_description
from registry.api.backups import restore_registry
from registry.database.engine import read_immutable_file
from registry.database.transactions import Database
from registry.errors import NotFoundError, RegistryError
from registry.identifiers import format_count
from testing.panels import PANELS, write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import count_temporary_files


@dataclass(frozen=True, slots=True)
class TransferTrial(Trial):
    """A trial in which a registry is copied to a second location."""

    target: RegistryLocation

    @property
    def watched_location(self) -> RegistryLocation:
        return self.target


class FilledCommand(Command):
    """A command on a registry of two panels and their constants."""

    def prepare(self) -> None:
        super().prepare()
        with self.template.open() as registry:
            for seed, panel in enumerate(PANELS[:2]):
                registry.panels.add(panel)
                folder = write_panel_folder(self.material / panel, seed)
                registry.versions.add(panel, folder, valid_from="beginning")


class Backup(FilledCommand):
    """Back up into a new folder or, every other round, over an older backup."""

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
        inspection = super().inspect(trial)
        if _read_backup_state(trial.output):
            restored = RegistryLocation.in_folder(trial.location.folder / "again")
            restore_registry(trial.output, restored.database, str(restored.store))
            with restored.open() as registry:
                inspection.problems.extend(
                    f"restored: {problem.problem}" for problem in registry.verify().problems
                )
            shutil.rmtree(restored.folder)
        inspection.leftovers["temporary file"] = len(list(trial.output.rglob(".arriving-*")))
        inspection.leftovers["database of no backup"] = max(len(list(trial.output.glob("*.sqlite"))) - 1, 0)
        return inspection


def _read_backup_state(folder: Path) -> list[str]:
    """Return the revision of the backup in a folder; an empty list without a backup."""
    try:
        description = read_description(folder)
    except NotFoundError:
        return []
    with read_immutable_file(folder / description.database) as connection:
        count = connection.execute(sa.text("SELECT count(*) FROM revision")).scalar_one()
    return [f"{FILE_NAME} {description.revision}, {format_count(count, 'revision')}"]


class Copy(FilledCommand):
    """Move to an empty database of the same sort and to another store."""

    name = "copy"

    def make_trial(self, number: int) -> TransferTrial:  # noqa: ARG002
        location, target = self.factory.copy(self.template), self.factory.make_empty(self.dialect)
        arguments = ("copy", "--to", target.database, "--to-store", str(target.store))
        return TransferTrial(location, arguments, target)

    def build_arguments(self) -> tuple[str, ...]:
        return ("copy",)

    def read_state(self, trial: Trial) -> Rows:
        """Return the rows of the target, and which of the two databases accept writes."""
        target = find_target(trial)
        rows = {f"new {table}": rows for table, rows in read_rows(target).items() if _is_writable(target)}
        return {**rows, "open": [name for name, location in _list_locations(trial) if _is_writable(location)]}

    def list_allowed_states(self, before: Rows, after: Rows) -> tuple[Rows, ...]:
        """Return also the state between the closing of the old database and the opening of the new one."""
        return before, after, {"open": []}

    def can_conflict(self, trial: Trial) -> bool:
        return _is_writable(find_target(trial))

    def inspect(self, trial: Trial) -> Inspection:
        inspection = super().inspect(trial)
        if _is_writable(find_target(trial)):
            with find_target(trial).open() as registry:
                inspection.problems.extend(
                    f"new: {problem.problem}" for problem in registry.verify().problems
                )
        writable = [name for name, location in _list_locations(trial) if _is_writable(location)]
        if len(writable) > 1:
            inspection.problems.append("both databases take writes")
        inspection.leftovers["neither takes writes"] = int(not writable)
        return inspection

    def remove(self, trial: Trial) -> None:
        super().remove(trial)
        self.factory.remove(find_target(trial))


def find_target(trial: Trial) -> RegistryLocation:
    """Return the second location of a trial."""
    if not isinstance(trial, TransferTrial):
        raise TypeError("a trial without a target")
    return trial.target


def _list_locations(trial: Trial) -> tuple[tuple[str, RegistryLocation], ...]:
    return ("old", trial.location), ("new", find_target(trial))


def _is_writable(location: RegistryLocation) -> bool:
    try:
        with closing(Database(location.database)) as database:
            return database.closure is None
    except RegistryError:
        return False


class Restore(FilledCommand):
    """Restore a backup into an empty database and store."""

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
        leftovers = Counter(
            {"file without tables": int(trial.location.file is not None and trial.location.file.exists())}
        )
        leftovers["temporary file"] = count_temporary_files(trial.location.store)
        return Inspection([], leftovers)
