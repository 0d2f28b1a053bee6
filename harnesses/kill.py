"""Commands are killed at random instants; what they leave must be the state before them or after them."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from harnesses.commands import COMMANDS, Command, Look, Scene
from harnesses.places import Ground
from harnesses.processes import KILLED, run
from registry.errors import RegistryError

Rows = dict[str, list[str]]


@dataclass(slots=True)
class Tally:
    """What the rounds of one command on one database came to.

    Attributes
    ----------
    seconds
        An unkilled run; the instants are drawn from this span.
    before, after
        How often it was killed before and after it committed.
    finished
        How often it had ended by itself.
    left
        How often what lay about afterwards.
    """

    command: str
    database: str
    seconds: float
    rounds: int = 0
    before: int = 0
    after: int = 0
    finished: int = 0
    left: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def tallies(
    ground: Ground, databases: Sequence[str], names: Sequence[str], rounds: int, seed: int, measured: int = 3
) -> Iterator[Tally]:
    """Kill each command so many times on each database, after so many runs that are only measured."""
    for dialect in databases:
        for command in COMMANDS:
            if command.name in names:
                yield tally(command(ground, dialect), rounds, seed, measured)


def tally(command: Command, rounds: int, seed: int, measured: int = 3) -> Tally:
    """Kill a command so many times; each command and database has instants of its own from a seed."""
    drawn = random.Random(f"{seed} {command.name} {command.dialect}")  # noqa: S311 - repeatable on purpose
    seconds, before, after = _measured(command, measured)
    found = Tally(command.name, command.dialect, seconds)
    for number in range(rounds):
        instant = drawn.uniform(0, seconds)
        scene = command.scene(number)
        said = _round(command, scene, instant, before, after, found)
        found.problems += [f"round {number}, killed after {instant * 1000:.1f} ms: {each}" for each in said]
        found.rounds += 1
        command.ground.drop(scene.place)
    return found


def _measured(command: Command, runs: int) -> tuple[float, Rows, Rows]:
    """Return how long the command runs, and the rows before and after it."""
    times = []
    before, after = Rows(), Rows()
    for number in range(runs):
        scene = command.scene(number)
        before = scene.place.rows()
        begun = time.perf_counter()
        code = run(scene.arguments, scene.place.environment, scene.place.folder / "said")
        times.append(time.perf_counter() - begun)
        if code:
            raise RuntimeError(f"{command.name} fails unkilled: {_said(scene)}")
        after = scene.place.rows()
        command.ground.drop(scene.place)
    return median(times), before, after


def _round(
    command: Command, scene: Scene, instant: float, before: Rows, after: Rows, found: Tally
) -> list[str]:
    """Kill the command once, count what became of it, and return what is wrong."""
    code = run(scene.arguments, scene.place.environment, scene.place.folder / "said", instant)
    scene.place.wait_for_writers()
    problems = [] if code in (0, KILLED) else [f"exit code {code}: {_said(scene)}"]
    rows = scene.place.rows()
    if code == 0:
        found.finished += 1
    elif rows == after:
        found.after += 1
    else:
        found.before += 1
    if rows not in (before, after):
        tables = [table for table in rows.keys() | after.keys() if rows.get(table) != after.get(table)]
        problems.append(f"neither whole nor absent: {', '.join(sorted(tables))}")
    look = _look(command, scene)
    found.left += look.left
    problems += look.problems
    code = run(command.again(scene), scene.place.environment, scene.place.folder / "said")
    if code:
        problems.append(f"again: exit code {code}: {_said(scene)}")
    elif (rows := scene.place.rows()) != after and not _recorded_twice(command, rows, after):
        problems.append("again: the rows are not those of a run that nobody killed")
    return problems + [f"again: {problem}" for problem in _look(command, scene).problems]


def _recorded_twice(command: Command, rows: Rows, after: Rows) -> bool:
    """Return whether the rows differ in the record of a second export only, which is one more."""
    exports = {"export", "export_output", "export_input"}
    return command.name == "export" and all(rows[table] == after[table] for table in after.keys() - exports)


def _look(command: Command, scene: Scene) -> Look:
    try:
        return command.look(scene)
    except RegistryError as error:
        return Look([str(error)])


def _said(scene: Scene) -> str:
    lines = (scene.place.folder / "said").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was said"
