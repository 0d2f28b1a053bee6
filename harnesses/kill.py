"""Kill commands at random instants and between any two steps: the state is that before them or after them."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from statistics import median

from harnesses.commands import AddVersion, Command, ImportTree, Init, Inspection, Rows, Trial, Upgrade
from harnesses.copies import Backup, Copy, Restore
from harnesses.exports import Export, ExportHdf5, ExportPsana
from harnesses.heads import Fork, Recover, SealRevision
from harnesses.mirrors import Mirror
from harnesses.moments import ChangeCounter, KillTimer, kill_after, kill_at_change, watch_location
from harnesses.processes import KILLED, run_calreg
from harnesses.rows import wait_for_writers
from harnesses.steps import Tracing, choose_steps
from registry.database.engine import make_engine, read_transaction
from registry.database.seals import read_head
from registry.errors import ConflictError, RegistryError
from registry.heads import Head, HeadFile, StoreHead
from testing.registries import RegistryFactory, RegistryLocation

CONFLICT = ConflictError.code
_ACKNOWLEDGED = re.compile("revision [0-9]")
_MAX_DELAY_SECONDS = 0.003

COMMANDS: tuple[type[Command], ...] = (
    *(ImportTree, AddVersion, Export, ExportPsana, ExportHdf5),
    *(Init, Upgrade, Backup, Copy, Restore),
    *(Fork, Recover, SealRevision, Mirror),
)


@dataclass(slots=True)
class KillTally:
    """The result of the rounds of one command on one database.

    Attributes
    ----------
    seconds, changes
        Duration of a run without a kill, and its number of visible changes, or of steps; the instants of the kills
        are drawn from these.
    before, after
        Number of kills before and after the commit.
    finished
        Number of rounds in which the command had ended by itself.
    leftovers
        Number of harmless leftovers, by sort.
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
    steps: int = 0,
) -> Iterator[KillTally]:
    """Kill each command `rounds` times at random, after `measured` runs without a kill, and then at `steps`."""
    run_calreg(
        ("--version",), {}, factory.folder / "said"
    )  # starts the fork server, outside of what is timed
    for dialect in databases:
        for command in COMMANDS:
            if command.name in names:
                prepared = command(factory, dialect)
                if rounds:
                    yield kill_command(prepared, rounds, seed, measured)
                if steps:
                    yield kill_at_steps(prepared, steps, seed)


def kill_command(command: Command, rounds: int, seed: int, measured: int = 3) -> KillTally:
    """Kill a command `rounds` times, at instants drawn from the seed, the command's name and the database.

    Half of the rounds kill it at a visible change: a log that grows, a name that appears, a statement.
    """
    rng = random.Random(f"{seed} {command.name} {command.dialect}")  # noqa: S311 - repeatable on purpose
    seconds, changes, after = _measure(command, measured)
    tally = KillTally(command.name, command.dialect, seconds, changes)
    for number in range(rounds):
        trial = command.make_trial(number)
        with watch_location(trial.watched_location) as watch:
            if number // 2 % 2 and changes:
                at = changes - int(rng.random() ** 2 * changes)  # mostly late: the commit is among the last
                timer = kill_at_change(watch, at, rng.choice((0, rng.uniform(0, _MAX_DELAY_SECONDS))))
                when = f"at moment {at} of {changes}"
            else:
                instant = rng.uniform(0, seconds)
                timer, when = kill_after(instant), f"after {instant * 1000:.1f} ms"
            problems = _run_round(command, trial, timer, after, tally)
        tally.problems += [f"round {number}, killed {when}: {problem}" for problem in problems]
        tally.rounds += 1
        command.remove(trial)
    return tally


def kill_at_steps(command: Command, wanted: int, seed: int) -> KillTally:
    """Kill a command at each step of the writers' protocol, and at others up to the number that is wanted."""
    rng = random.Random(f"{seed} {command.name} {command.dialect} steps")  # noqa: S311 - repeatable on purpose
    trial = command.make_trial(0)
    log = trial.location.folder / "steps"
    start = time.perf_counter()
    code = _run(trial, tracing=Tracing(log))
    seconds = time.perf_counter() - start
    steps = log.read_text().splitlines()
    if code:
        raise RuntimeError(f"{command.name} fails without a kill: {_read_last_line(trial)}")
    after = command.read_state(trial)
    command.remove(trial)
    tally = KillTally(f"{command.name}, steps", command.dialect, seconds, len(steps))
    for number in choose_steps(steps, wanted, rng):
        trial = command.make_trial(0)
        tracing = Tracing(trial.location.folder / "steps", number)
        problems = _run_round(command, trial, BaseProcess.join, after, tally, tracing)
        where = f"step {number} of {len(steps)}, {steps[number - 1]}"
        tally.problems += [f"{where}: {problem}" for problem in problems]
        tally.rounds += 1
        command.remove(trial)
    return tally


def _measure(command: Command, runs: int) -> tuple[float, int, Rows]:
    """Return the median duration and number of visible changes of the command, and the rows that it leads to."""
    times, changes = [], []
    after = Rows()
    for number in range(runs):
        trial = command.make_trial(number)
        with watch_location(trial.watched_location) as watch:
            counter = ChangeCounter(watch)
            start = time.perf_counter()
            code = _run(trial, timer=counter)
            times.append(time.perf_counter() - start)
            changes.append(counter.changes)
        if code:
            raise RuntimeError(f"{command.name} fails without a kill: {_read_last_line(trial)}")
        after = command.read_state(trial)
        command.remove(trial)
    return median(times), round(median(changes)), after


def _run(
    trial: Trial,
    arguments: tuple[str, ...] | None = None,
    timer: KillTimer = BaseProcess.join,
    tracing: Tracing | None = None,
) -> int:
    """Run a command in a trial, by default that of the trial, and return its exit code."""
    location = trial.location
    output = location.folder / "said"
    return run_calreg(arguments or trial.arguments, location.environment, output, timer, tracing)


def _run_round(
    command: Command,
    trial: Trial,
    timer: KillTimer,
    after: Rows,
    tally: KillTally,
    tracing: Tracing | None = None,
) -> list[str]:
    """Kill the command once, count the outcome, and return the problems."""
    before = command.read_state(trial)
    code = _run(trial, timer=timer, tracing=tracing)
    wait_for_writers(trial.watched_location)
    problems = [] if code in (0, KILLED) else [f"exit code {code}: {_read_last_line(trial)}"]
    rows = command.read_state(trial)
    if rows == before != after and _ACKNOWLEDGED.search(_read_output(trial)):
        problems.append(f"what was acknowledged is lost: {_read_output(trial)}")
    if code == 0:
        tally.finished += 1
    elif rows == after:
        tally.after += 1
    else:
        tally.before += 1
    if rows not in command.list_allowed_states(before, after):
        tables = [table for table in rows.keys() | after.keys() if rows.get(table) != after.get(table)]
        problems.append(f"neither whole nor absent: {', '.join(sorted(tables))}")
    inspection = _inspect(command, trial)
    tally.leftovers += inspection.leftovers
    return (
        problems + inspection.problems + [f"again: {text}" for text in _repeat(command, trial, after, tally)]
    )


def _repeat(command: Command, trial: Trial, after: Rows, tally: KillTally) -> list[str]:
    """Repeat the command after it was killed, and return the problems."""
    problems = []
    can_conflict = command.can_conflict(trial)
    code = _run(trial)
    if code == CONFLICT and can_conflict:
        tally.leftovers["conflict when repeated"] += 1
        code = _run(trial, command.add_force(trial.arguments))
    if code and not (code == CONFLICT and can_conflict):
        problems.append(f"exit code {code}: {_read_last_line(trial)}")
    elif (rows := command.read_state(trial)) != after and not _has_second_export(command, rows, after):
        problems.append("the rows are not those of a run without a kill")
    return problems + _inspect(command, trial).problems + list(_find_open_head(trial.watched_location))


def _find_open_head(location: RegistryLocation) -> Iterator[str]:
    """Yield what is wrong with the head of the store after a command that was not killed.

    Where it found everything recorded, and so recorded nothing, what is coming may be the newest revision; then the
    next write makes that the committed one.
    """
    head, newest = _read_heads(location)
    if head is not None and head.coming == newest:
        with location.open() as registry:
            registry.tags.add("next")
        head, newest = _read_heads(location)
    if head is not None and head != StoreHead(newest):
        yield f"the newest revision is {newest}, and the store's head is {head}"


def _read_heads(location: RegistryLocation) -> tuple[StoreHead | None, Head]:
    engine = make_engine(location.database)
    with read_transaction(engine) as connection:
        newest = read_head(connection)
    engine.dispose()
    return HeadFile(location.store).read(), newest


def _has_second_export(command: Command, rows: Rows, after: Rows) -> bool:
    """Return whether the rows differ only in the records of exports: the repeated one is recorded again."""
    exports = {"export", "export_output", "export_input", "export_seal"}
    return command.name.startswith("export") and all(
        rows[table] == after[table] for table in after.keys() - exports
    )


def _inspect(command: Command, trial: Trial) -> Inspection:
    try:
        return command.inspect(trial)
    except RegistryError as error:
        return Inspection([str(error)])


def _read_output(trial: Trial) -> str:
    output = trial.location.folder / "said"
    return output.read_text(errors="replace") if output.exists() else ""


def _read_last_line(trial: Trial) -> str:
    lines = _read_output(trial).strip().splitlines()
    return lines[-1] if lines else "no output"
