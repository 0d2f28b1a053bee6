"""The commands that are killed: where each begins, and what must hold wherever it was ended."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from harnesses.rows import read_rows
from registry.api import create_registry
from registry.database import migrations
from registry.database.engine import make_engine
from testing.panels import PANELS, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation

Rows = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Trial:
    """One registry, and the command that is to be killed in it."""

    location: RegistryLocation
    arguments: tuple[str, ...]

    @property
    def watched_location(self) -> RegistryLocation:
        """Where something is to be seen while the command works."""
        return self.location

    @property
    def output(self) -> Path:
        """The folder of an export, or of a backup."""
        return self.location.folder / "out"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is found in a trial: what is wrong, and what lies about that nobody asked for and harms nobody."""

    problems: list[str] = field(default_factory=list)
    leftovers: Counter[str] = field(default_factory=Counter)


class Command(ABC):
    """A command of calreg on one sort of database."""

    name: str

    def __init__(self, factory: RegistryFactory, dialect: str) -> None:
        self.factory = factory
        self.dialect = dialect
        self.template = factory.make_empty(dialect)
        self.material = self.template.folder / "material"
        self.prepare()

    def prepare(self) -> None:
        """Make what every trial begins with."""
        create_registry(self.template.database, self.template.store)

    def make_trial(self, number: int) -> Trial:  # noqa: ARG002 - some commands have scenes of two sorts
        """Return the trial of a round."""
        return Trial(self.factory.copy(self.template), self.build_arguments())

    @abstractmethod
    def build_arguments(self) -> tuple[str, ...]:
        """Return the command line."""

    def read_state(self, trial: Trial) -> Rows:
        """Return what the command changes, without what depends on the moment."""
        return read_rows(trial.location)

    def list_allowed_states(self, before: Rows, after: Rows) -> tuple[Rows, ...]:
        """Return the states that a kill may leave: whole, or absent."""
        return before, after

    def again(self, trial: Trial) -> tuple[str, ...]:
        """Return the command that is to succeed after the kill: the same."""
        return trial.arguments

    def can_conflict(self, trial: Trial) -> bool:  # noqa: ARG002
        """Tell whether the same command may be a conflict after the kill, with what it had done already."""
        return False

    def add_force(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that succeeds after such a conflict."""
        return arguments

    def remove(self, trial: Trial) -> None:
        """Remove a trial."""
        self.factory.remove(trial.location)

    def inspect(self, trial: Trial) -> Inspection:
        """Return what is found, wherever the command was ended."""
        with trial.location.open() as registry:
            found = registry.verify()
        return Inspection(
            [f"{problem.path}: {problem.problem}" for problem in found.problems],
            Counter(
                "temporary file" if Path(file.path).name.startswith(".") else "unreferenced file"
                for file in found.unreferenced
            ),
        )


class ImportTree(Command):
    """A directory of links to a module, into an empty registry."""

    name = "import"

    def prepare(self) -> None:
        super().prepare()
        write_panel_folder(self.material / "M068", 0)
        for panel in (PANELS[0], PANELS[2]):
            (self.material / f"{panel}-20171025000000").symlink_to("M068")

    def build_arguments(self) -> tuple[str, ...]:
        return ("import", str(self.material))


class AddVersion(Command):
    """Constants replace others at the same start: one row is withdrawn and one recorded, for two kinds."""

    name = "version add"

    def prepare(self) -> None:
        super().prepare()
        for seed in (0, 1):
            write_panel_folder(self.material / str(seed), seed)
        with self.template.open() as registry:
            registry.panels.add(PANELS[0])
            registry.versions.add(PANELS[0], self.material / "0", valid_from="beginning")

    def build_arguments(self) -> tuple[str, ...]:
        new, why = str(self.material / "1"), ("--supersede", "--comment", "measured again")
        return ("version", "add", PANELS[0], new, "--valid-from", "beginning", *why)


class Init(Command):
    """A registry where nothing was."""

    name = "init"

    def prepare(self) -> None:
        """Nothing is there."""

    def make_trial(self, number: int) -> Trial:  # noqa: ARG002
        return Trial(self.factory.make_empty(self.dialect), self.build_arguments())

    def build_arguments(self) -> tuple[str, ...]:
        return ("init",)

    def inspect(self, trial: Trial) -> Inspection:
        location, left = trial.location, Counter[str]()
        made, paired = bool(read_rows(location)), (location.store / "registry.json").exists()
        left["database without a store"] = int(made and not paired)
        left["file without tables"] = int(not made and location.file is not None and location.file.exists())
        left["temporary file"] = len(list(location.store.glob(".arriving-*")))
        # What is not made yet cannot be opened, and every other verb says so.
        return Inspection(super().inspect(trial).problems if made and paired else [], left)


class Upgrade(Command):
    """The first schema, with panels and versions in it, becomes the newest."""

    name = "database upgrade"

    def prepare(self) -> None:
        super().prepare()
        with self.template.open() as registry:
            for seed, panel in enumerate(PANELS):
                registry.panels.add(panel)
                folder = write_panel_folder(self.material / panel, seed, ("gain",))
                registry.versions.add(panel, folder, valid_from="beginning", kinds=["gain"])
            registry.versions.withdraw(1, comment="measured warm")
        engine = make_engine(self.template.database)
        migrations.downgrade(engine, "0001")
        engine.dispose()
        self.before = read_rows(self.template)

    def build_arguments(self) -> tuple[str, ...]:
        return ("database", "upgrade")

    def inspect(self, trial: Trial) -> Inspection:
        return Inspection() if read_rows(trial.location) == self.before else super().inspect(trial)
