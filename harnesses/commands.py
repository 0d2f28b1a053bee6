"""The commands to kill: the registry each starts from, and what must hold wherever it was killed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from harnesses.rows import read_rows
from registry.api import create_registry
from registry.database import migrations
from registry.database.engine import make_engine
from registry.storage import open_storage
from testing.panels import PANELS, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation
from testing.stores import count_temporary_files, has_marker

Rows = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Trial:
    """A registry and the command to kill in it."""

    location: RegistryLocation
    arguments: tuple[str, ...]

    @property
    def watched_location(self) -> RegistryLocation:
        """The registry that changes while the command works."""
        return self.location

    @property
    def output(self) -> Path:
        """The folder of an export, or of a backup."""
        return self.location.folder / "out"


@dataclass(frozen=True, slots=True)
class Inspection:
    """The problems of a trial, and the harmless leftovers, counted by sort."""

    problems: list[str] = field(default_factory=list)
    leftovers: Counter[str] = field(default_factory=Counter)


class Command(ABC):
    """A command of calreg on one database."""

    name: str

    def __init__(self, factory: RegistryFactory, dialect: str) -> None:
        self.factory = factory
        self.dialect = dialect
        self.template = factory.make_empty(dialect)
        self.material = self.template.folder / "material"
        self.prepare()

    def prepare(self) -> None:
        """Make the registry that every trial is a copy of."""
        create_registry(self.template.database, str(self.template.store))

    def make_trial(self, number: int) -> Trial:  # noqa: ARG002 - some commands have trials of two sorts
        """Return the trial of a round."""
        return Trial(self.factory.copy(self.template), self.build_arguments())

    @abstractmethod
    def build_arguments(self) -> tuple[str, ...]:
        """Return the command line."""

    def read_state(self, trial: Trial) -> Rows:
        """Return the rows that the command changes, without columns that depend on the time."""
        return read_rows(trial.location)

    def list_allowed_states(self, before: Rows, after: Rows) -> tuple[Rows, ...]:
        """Return the states that a kill may leave: all of the change, or none of it."""
        return before, after

    def can_conflict(self, trial: Trial) -> bool:  # noqa: ARG002
        """Return whether the repeated command may conflict with what it did before it was killed."""
        return False

    def add_force(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that succeeds after such a conflict."""
        return arguments

    def remove(self, trial: Trial) -> None:
        """Remove a trial."""
        self.factory.remove(trial.location)

    def inspect(self, trial: Trial) -> Inspection:
        """Return the problems and leftovers, wherever the command was killed."""
        with trial.location.open() as registry:
            verification = registry.verify()
        return Inspection(
            [f"{problem.path}: {problem.problem}" for problem in verification.problems],
            Counter(
                "temporary file" if Path(file.path).name.startswith(".") else "unreferenced file"
                for file in verification.unreferenced
            ),
        )


class ImportTree(Command):
    """Import a directory of links to a module into an empty registry."""

    name = "import"

    def prepare(self) -> None:
        super().prepare()
        write_panel_folder(self.material / "M068", 0)
        for panel in (PANELS[0], PANELS[2]):
            (self.material / f"{panel}-20171025000000").symlink_to("M068")

    def build_arguments(self) -> tuple[str, ...]:
        return ("import", str(self.material))


class AddVersion(Command):
    """Replace constants at the same start: for each of two kinds one row is withdrawn and one recorded."""

    name = "version add"

    def prepare(self) -> None:
        super().prepare()
        for seed in (0, 1):
            write_panel_folder(self.material / str(seed), seed)
        with self.template.open() as registry:
            registry.panels.add(PANELS[0])
            registry.versions.add(PANELS[0], self.material / "0", valid_from="beginning")

    def build_arguments(self) -> tuple[str, ...]:
        supersede = ("--supersede", "--comment", "measured again")
        return (
            "version",
            "add",
            PANELS[0],
            str(self.material / "1"),
            "--valid-from",
            "beginning",
            *supersede,
        )


class Init(Command):
    """Create a registry."""

    name = "init"

    def prepare(self) -> None:
        """Make nothing: the command does."""

    def make_trial(self, number: int) -> Trial:  # noqa: ARG002
        return Trial(self.factory.make_empty(self.dialect), self.build_arguments())

    def build_arguments(self) -> tuple[str, ...]:
        return ("init",)

    def inspect(self, trial: Trial) -> Inspection:
        location, leftovers = trial.location, Counter[str]()
        has_rows, has_store = bool(read_rows(location)), has_marker(location.store)
        leftovers["database without a store"] = int(has_rows and not has_store)
        leftovers["file without tables"] = int(
            not has_rows and location.file is not None and location.file.exists()
        )
        leftovers["temporary file"] = count_temporary_files(location.store)
        # Half a registry cannot be opened, and every other verb says so.
        return Inspection(super().inspect(trial).problems if has_rows and has_store else [], leftovers)


class Upgrade(Command):
    """Upgrade the first schema, with panels and versions in it, to the newest."""

    name = "database upgrade"

    def prepare(self) -> None:
        super().prepare()
        with self.template.open() as registry:
            for seed, panel in enumerate(PANELS):
                registry.panels.add(panel)
                # With the pattern of a gain map no registry goes back.
                folder = write_panel_folder(self.material / panel, seed, ("offset",))
                registry.versions.add(panel, folder, valid_from="beginning", kinds=["offset"])
            registry.versions.withdraw(1, comment="measured warm")
        engine = make_engine(self.template.database)
        migrations.downgrade(engine, "0001")
        engine.dispose()
        open_storage(self.template.store).remove("head.json")  # such stores have none
        self.before = read_rows(self.template)

    def build_arguments(self) -> tuple[str, ...]:
        return ("database", "upgrade")

    def inspect(self, trial: Trial) -> Inspection:
        return Inspection() if read_rows(trial.location) == self.before else super().inspect(trial)
