"""The commands that are killed: where each begins, and what must hold wherever it was ended."""

from __future__ import annotations

import hashlib
import shutil
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from harnesses.arrays import PANELS, panel_folder
from harnesses.places import Ground, Place
from registry.api import create_registry
from registry.api.integrity import verify_export
from registry.database import migrations
from registry.database.engine import make_engine
from registry.provenance import FILE_NAME

_ARRAYS = ("pixel_gain.npy", "pixel_offset.npy")
_OLDER, _NEWER = "2019-01-01T00:00:00Z", "2021-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Scene:
    """One registry, and the command that is to be killed in it."""

    place: Place
    arguments: tuple[str, ...]

    @property
    def output(self) -> Path:
        """The folder of an export."""
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

    def again(self, scene: Scene) -> tuple[str, ...]:
        """Return the command that is to succeed after the kill: the same."""
        return scene.arguments

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


class Export(Command):
    """Two arrays into a new folder or, every other round, over those of an older export with --force."""

    name = "export"

    def prepare(self) -> None:
        super().prepare()
        with self.template.open() as registry:
            registry.panels.add(PANELS[0])
            for seed, start in enumerate(("beginning", "2020-01-01T00:00:00Z")):
                folder = panel_folder(self.material / str(seed), seed)
                registry.versions.add(PANELS[0], folder, valid_from=start)
            self.digests = {
                at: _digests(
                    Path(registry.export(PANELS[0], self.material / at[:4], at=at).provenance).parent
                )
                for at in (_OLDER, _NEWER)
            }

    def scene(self, number: int) -> Scene:
        place = self.ground.copy(self.template)
        if number % 2:
            shutil.copytree(self.material / _OLDER[:4], place.folder / "out")
        force = ("--force",) if number % 2 else ()
        return Scene(place, (*self.arguments(), "--output", str(place.folder / "out"), *force))

    def arguments(self) -> tuple[str, ...]:
        return ("export", PANELS[0], "--at", _NEWER)

    def again(self, scene: Scene) -> tuple[str, ...]:
        """Return the same, which replaces what the killed one had placed already."""
        placed = scene.output.exists() and any(
            not path.name.startswith(".") for path in scene.output.iterdir()
        )
        return (*scene.arguments, "--force") if placed else scene.arguments

    def look(self, scene: Scene) -> Look:
        found = super().look(scene)
        old, new = self.digests[_OLDER], self.digests[_NEWER]
        allowed = (old, new) if "--force" in scene.arguments else (new,)
        present = _digests(scene.output)
        for name in present.keys() - {FILE_NAME}:
            if present[name] not in [each.get(name) for each in allowed]:
                found.problems.append(f"{name} is neither the old array nor the new one")
        if FILE_NAME in present:
            said = verify_export(scene.output / FILE_NAME, scene.place.database, scene.place.store)
            found.problems.extend(f"{problem.path}: {problem.problem}" for problem in said.problems)
        if "--force" in scene.arguments and FILE_NAME not in present:  # the old ones must be there, or aside
            somewhere = {_digest(path) for path in scene.output.rglob("*") if path.is_file()}
            lost = [name for name, sha256 in old.items() if sha256 not in somewhere]
            found.problems.extend(f"the old {name} is lost" for name in lost)
        found.left["hidden folder"] = len(list(scene.place.folder.glob("**/.calreg-*")))
        found.left["folder without a document"] = int(bool(present) and FILE_NAME not in present)
        is_new = FILE_NAME in present and all(present.get(name) == new[name] for name in _ARRAYS)
        exports = len(scene.place.rows()["export"]) - len(self.template.rows()["export"])
        found.left["export not recorded"] = int(is_new and not exports)
        return found


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


COMMANDS: tuple[type[Command], ...] = (ImportTree, AddVersion, Export, Init, Upgrade)


def _digests(folder: Path) -> dict[str, str]:
    """Return the checksums of the files that are there under final names."""
    if not folder.exists():
        return {}
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    return {path.name: _digest(path) for path in files}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
