"""Commands are killed at random instants; what they leave must be the state before them or after them."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from harnesses.commands import AddVersion, Command, ImportTree, Init, Look, Rows, Scene, Upgrade
from harnesses.copies import Backup, Copy, Restore
from harnesses.exports import Export, ExportHdf5, ExportPsana
from harnesses.moments import Counting, Ending, at_moment, watching
from harnesses.moments import after as endings_after
from harnesses.places import Ground
from harnesses.processes import KILLED, run
from registry.errors import ConflictError, RegistryError

CONFLICT = ConflictError.code
_LITTLE_LATER = 0.003  # seconds

COMMANDS: tuple[type[Command], ...] = (
    *(ImportTree, AddVersion, Export, ExportPsana, ExportHdf5),
    *(Init, Upgrade, Backup, Copy, Restore),
)


@dataclass(slots=True)
class Tally:
    """What the rounds of one command on one database came to.

    Attributes
    ----------
    seconds, moments
        An unkilled run, and how many moments of it others can see; from these the instants are drawn.
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
    moments: int = 0
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
    run(
        ("--version",), {}, ground.folder / "said"
    )  # the server of processes starts: that is no command's time
    for dialect in databases:
        for command in COMMANDS:
            if command.name in names:
                yield tally(command(ground, dialect), rounds, seed, measured)


def tally(command: Command, rounds: int, seed: int, measured: int = 3) -> Tally:
    """Kill a command so many times; each command and database has instants of its own from a seed.

    Every other time it is a moment that others can see: a log that grows, a name that appears, a statement.
    """
    drawn = random.Random(f"{seed} {command.name} {command.dialect}")  # noqa: S311 - repeatable on purpose
    seconds, moments, after = _measured(command, measured)
    found = Tally(command.name, command.dialect, seconds, moments)
    for number in range(rounds):
        scene = command.scene(number)
        with watching(scene.watched) as watch:
            if number // 2 % 2 and moments:
                at = moments - int(
                    drawn.random() ** 2 * moments
                )  # more of the last: the commit is among them
                ending = at_moment(watch, at, drawn.choice((0, drawn.uniform(0, _LITTLE_LATER))))
                when = f"at moment {at} of {moments}"
            else:
                instant = drawn.uniform(0, seconds)
                ending, when = endings_after(instant), f"after {instant * 1000:.1f} ms"
            said = _round(command, scene, ending, after, found)
        found.problems += [f"round {number}, killed {when}: {each}" for each in said]
        found.rounds += 1
        command.drop(scene)
    return found


def _measured(command: Command, runs: int) -> tuple[float, int, Rows]:
    """Return how long the command runs, how many moments it has, and what it leads to."""
    times, moments = [], []
    after = Rows()
    for number in range(runs):
        scene = command.scene(number)
        with watching(scene.watched) as watch:
            counting = Counting(watch)
            begun = time.perf_counter()
            code = run(scene.arguments, scene.place.environment, scene.place.folder / "said", counting)
            times.append(time.perf_counter() - begun)
            moments.append(counting.moments)
        if code:
            raise RuntimeError(f"{command.name} fails unkilled: {_said(scene)}")
        after = command.state(scene)
        command.drop(scene)
    return median(times), round(median(moments)), after


def _round(command: Command, scene: Scene, ending: Ending, after: Rows, found: Tally) -> list[str]:
    """Kill the command once, count what became of it, and return what is wrong."""
    before = command.state(scene)
    code = run(scene.arguments, scene.place.environment, scene.place.folder / "said", ending)
    scene.watched.wait_for_writers()
    problems = [] if code in (0, KILLED) else [f"exit code {code}: {_said(scene)}"]
    rows = command.state(scene)
    if code == 0:
        found.finished += 1
    elif rows == after:
        found.after += 1
    else:
        found.before += 1
    if rows not in command.between(before, after):
        tables = [table for table in rows.keys() | after.keys() if rows.get(table) != after.get(table)]
        problems.append(f"neither whole nor absent: {', '.join(sorted(tables))}")
    look = _look(command, scene)
    found.left += look.left
    problems += look.problems
    again, refused = command.again(scene), command.may_be_refused(scene)
    code = run(again, scene.place.environment, scene.place.folder / "said")
    if code == CONFLICT and refused:
        found.left["conflict when repeated"] += 1
        code = run(command.insisting(again), scene.place.environment, scene.place.folder / "said")
    if code and not (code == CONFLICT and refused):
        problems.append(f"again: exit code {code}: {_said(scene)}")
    elif (rows := command.state(scene)) != after and not _recorded_twice(command, rows, after):
        problems.append("again: the rows are not those of a run that nobody killed")
    return problems + [f"again: {problem}" for problem in _look(command, scene).problems]


def _recorded_twice(command: Command, rows: Rows, after: Rows) -> bool:
    """Return whether the rows differ in the record of a second export only, which is one more."""
    exports = {"export", "export_output", "export_input"}
    return command.name.startswith("export") and all(
        rows[table] == after[table] for table in after.keys() - exports
    )


def _look(command: Command, scene: Scene) -> Look:
    try:
        return command.look(scene)
    except RegistryError as error:
        return Look([str(error)])


def _said(scene: Scene) -> str:
    lines = (scene.place.folder / "said").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was said"
