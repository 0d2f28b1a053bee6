"""Commands are killed at random instants; what they leave must be the state before them or after them."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from harnesses.commands import AddVersion, Command, ImportTree, Init, Inspection, Rows, Trial, Upgrade
from harnesses.copies import Backup, Copy, Restore
from harnesses.exports import Export, ExportHdf5, ExportPsana
from harnesses.moments import ChangeCounter, KillTimer, kill_at_change, watch_location
from harnesses.moments import kill_after as endings_after
from harnesses.processes import KILLED, run_calreg
from harnesses.rows import wait_for_writers
from registry.errors import ConflictError, RegistryError
from testing.registries import RegistryFactory

CONFLICT = ConflictError.code
_MAX_DELAY_SECONDS = 0.003  # seconds

COMMANDS: tuple[type[Command], ...] = (
    *(ImportTree, AddVersion, Export, ExportPsana, ExportHdf5),
    *(Init, Upgrade, Backup, Copy, Restore),
)


@dataclass(slots=True)
class KillTally:
    """What the rounds of one command on one database came to.

    Attributes
    ----------
    seconds, moments
        An unkilled run, and how many moments of it others can see; from these the instants are rng.
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
    changes: int = 0
    rounds: int = 0
    before: int = 0
    after: int = 0
    finished: int = 0
    leftovers: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def run_kills(
    factory: RegistryFactory,
    databases: Sequence[str],
    names: Sequence[str],
    rounds: int,
    seed: int,
    measured: int = 3,
) -> Iterator[KillTally]:
    """Kill each command so many times on each database, after so many runs that are only measured."""
    run_calreg(
        ("--version",), {}, factory.folder / "said"
    )  # the server of processes starts: that is no command's time
    for dialect in databases:
        for command in COMMANDS:
            if command.name in names:
                yield kill_command(command(factory, dialect), rounds, seed, measured)


def kill_command(command: Command, rounds: int, seed: int, measured: int = 3) -> KillTally:
    """Kill a command so many times; each command and database has instants of its own from a seed.

    Every other time it is a moment that others can see: a log that grows, a name that appears, a statement.
    """
    rng = random.Random(f"{seed} {command.name} {command.dialect}")  # noqa: S311 - repeatable on purpose
    seconds, moments, after = _measure(command, measured)
    found = KillTally(command.name, command.dialect, seconds, moments)
    for number in range(rounds):
        trial = command.make_trial(number)
        with watch_location(trial.watched_location) as watch:
            if number // 2 % 2 and moments:
                at = moments - int(rng.random() ** 2 * moments)  # more of the last: the commit is among them
                ending = kill_at_change(watch, at, rng.choice((0, rng.uniform(0, _MAX_DELAY_SECONDS))))
                when = f"at moment {at} of {moments}"
            else:
                instant = rng.uniform(0, seconds)
                ending, when = endings_after(instant), f"after {instant * 1000:.1f} ms"
            said = _run_round(command, trial, ending, after, found)
        found.problems += [f"round {number}, killed {when}: {each}" for each in said]
        found.rounds += 1
        command.remove(trial)
    return found


def _measure(command: Command, runs: int) -> tuple[float, int, Rows]:
    """Return how long the command runs, how many moments it has, and what it leads to."""
    times, moments = [], []
    after = Rows()
    for number in range(runs):
        trial = command.make_trial(number)
        with watch_location(trial.watched_location) as watch:
            counting = ChangeCounter(watch)
            begun = time.perf_counter()
            code = run_calreg(
                trial.arguments, trial.location.environment, trial.location.folder / "said", counting
            )
            times.append(time.perf_counter() - begun)
            moments.append(counting.changes)
        if code:
            raise RuntimeError(f"{command.name} fails unkilled: {_read_last_line(trial)}")
        after = command.read_state(trial)
        command.remove(trial)
    return median(times), round(median(moments)), after


def _run_round(command: Command, trial: Trial, ending: KillTimer, after: Rows, found: KillTally) -> list[str]:
    """Kill the command once, count what became of it, and return what is wrong."""
    before = command.read_state(trial)
    code = run_calreg(trial.arguments, trial.location.environment, trial.location.folder / "said", ending)
    wait_for_writers(trial.watched_location)
    problems = [] if code in (0, KILLED) else [f"exit code {code}: {_read_last_line(trial)}"]
    rows = command.read_state(trial)
    if code == 0:
        found.finished += 1
    elif rows == after:
        found.after += 1
    else:
        found.before += 1
    if rows not in command.list_allowed_states(before, after):
        tables = [table for table in rows.keys() | after.keys() if rows.get(table) != after.get(table)]
        problems.append(f"neither whole nor absent: {', '.join(sorted(tables))}")
    look = _inspect(command, trial)
    found.leftovers += look.leftovers
    problems += look.problems
    again, refused = command.again(trial), command.can_conflict(trial)
    code = run_calreg(again, trial.location.environment, trial.location.folder / "said")
    if code == CONFLICT and refused:
        found.leftovers["conflict when repeated"] += 1
        code = run_calreg(
            command.add_force(again), trial.location.environment, trial.location.folder / "said"
        )
    if code and not (code == CONFLICT and refused):
        problems.append(f"again: exit code {code}: {_read_last_line(trial)}")
    elif (rows := command.read_state(trial)) != after and not _has_second_export(command, rows, after):
        problems.append("again: the rows are not those of a run that nobody killed")
    return problems + [f"again: {problem}" for problem in _inspect(command, trial).problems]


def _has_second_export(command: Command, rows: Rows, after: Rows) -> bool:
    """Return whether the rows differ in the record of a second export only, which is one more."""
    exports = {"export", "export_output", "export_input"}
    return command.name.startswith("export") and all(
        rows[table] == after[table] for table in after.keys() - exports
    )


def _inspect(command: Command, trial: Trial) -> Inspection:
    try:
        return command.inspect(trial)
    except RegistryError as error:
        return Inspection([str(error)])


def _read_last_line(trial: Trial) -> str:
    lines = (trial.location.folder / "said").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was said"
