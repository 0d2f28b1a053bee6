"""The commands that are killed: where each begins, and what must hold wherever it was ended."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from harnesses.arrays import PANELS, panel_folder
from harnesses.places import Ground, Place
from registry.api import create_registry
from registry.database import migrations
from registry.database.engine import make_engine

Rows = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Scene:
    """One registry, and the command that is to be killed in it."""

    place: Place
    arguments: tuple[str, ...]

    @property
    def watched(self) -> Place:
        """Where something is to be seen while the command works."""
        return self.place

    @property
    def output(self) -> Path:
        """The folder of an export, or of a backup."""
        return self.place.folder / "out"


@dataclass(frozen=True, slots=True)
class Look:
    """What is found in a scene: what is wrong, and what lies about that nobody asked for and harms nobody."""

    problems: list[str] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)


class Command(ABC):
    """A command of calreg on one sort of database."""

    name: str

    def __init__(self, ground: Ground, dialect: str) -> None:
        self.ground = ground
        self.dialect = dialect
        self.template = ground.empty(dialect)
        self.material = self.template.folder / "material"
        self.prepare()

    def prepare(self) -> None:
        """Make what every scene begins with."""
        create_registry(self.template.database, self.template.store)

    def scene(self, number: int) -> Scene:  # noqa: ARG002 - some commands have scenes of two sorts
        """Return the scene of a round."""
        return Scene(self.ground.copy(self.template), self.arguments())

    @abstractmethod
    def arguments(self) -> tuple[str, ...]:
        """Return the command line."""

    def state(self, scene: Scene) -> Rows:
        """Return what the command changes, without what depends on the moment."""
        return scene.place.rows()

    def between(self, before: Rows, after: Rows) -> tuple[Rows, ...]:
        """Return the states that a kill may leave: whole, or absent."""
        return before, after

    def again(self, scene: Scene) -> tuple[str, ...]:
        """Return the command that is to succeed after the kill: the same."""
        return scene.arguments

    def may_be_refused(self, scene: Scene) -> bool:  # noqa: ARG002
        """Tell whether the same command may be a conflict after the kill, with what it had done already."""
        return False

    def insisting(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that succeeds after such a conflict."""
        return arguments

    def drop(self, scene: Scene) -> None:
        """Remove a scene."""
        self.ground.drop(scene.place)

    def look(self, scene: Scene) -> Look:
        """Return what is found, wherever the command was ended."""
        with scene.place.open() as registry:
            found = registry.verify()
        return Look(
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
        panel_folder(self.material / "M068", 0)
        for panel in (PANELS[0], PANELS[2]):
            (self.material / f"{panel}-20171025000000").symlink_to("M068")

    def arguments(self) -> tuple[str, ...]:
        return ("import", str(self.material))


class AddVersion(Command):
    """Constants replace others at the same start: one row is withdrawn and one recorded, for two kinds."""

    name = "version add"

    def prepare(self) -> None:
        super().prepare()
        for seed in (0, 1):
            panel_folder(self.material / str(seed), seed)
        with self.template.open() as registry:
            registry.panels.add(PANELS[0])
            registry.versions.add(PANELS[0], self.material / "0", valid_from="beginning")

    def arguments(self) -> tuple[str, ...]:
        new, why = str(self.material / "1"), ("--supersede", "--comment", "measured again")
        return ("version", "add", PANELS[0], new, "--valid-from", "beginning", *why)


class Init(Command):
    """A registry where nothing was."""

    name = "init"

    def prepare(self) -> None:
        """Nothing is there."""

    def scene(self, number: int) -> Scene:  # noqa: ARG002
        return Scene(self.ground.empty(self.dialect), self.arguments())

    def arguments(self) -> tuple[str, ...]:
        return ("init",)

    def look(self, scene: Scene) -> Look:
        place, left = scene.place, Counter[str]()
        made, paired = bool(place.rows()), (place.store / "registry.json").exists()
        left["database without a store"] = int(made and not paired)
        left["file without tables"] = int(not made and place.file is not None and place.file.exists())
        left["temporary file"] = len(list(place.store.glob(".arriving-*")))
        # What is not made yet cannot be opened, and every other verb says so.
        return Look(super().look(scene).problems if made and paired else [], left)


class Upgrade(Command):
    """The first schema, with panels and versions in it, becomes the newest."""

    name = "database upgrade"

    def prepare(self) -> None:
        super().prepare()
        with self.template.open() as registry:
            for seed, panel in enumerate(PANELS):
                registry.panels.add(panel)
                folder = panel_folder(self.material / panel, seed, ("gain",))
                registry.versions.add(panel, folder, valid_from="beginning", kinds=["gain"])
            registry.versions.withdraw(1, comment="measured warm")
        engine = make_engine(self.template.database)
        migrations.downgrade(engine, "0001")
        engine.dispose()
        self.before = self.template.rows()

    def arguments(self) -> tuple[str, ...]:
        return ("database", "upgrade")

    def look(self, scene: Scene) -> Look:
        return Look() if scene.place.rows() == self.before else super().look(scene)
