"""Print a table, each row as soon as it is known, with its problems below it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from harnesses.kill import KillTally
from harnesses.servers import ServerTally
from harnesses.tallies import FaultTally
from harnesses.writers import WriterResult

KILLS = (
    ("command", 23),
    ("database", 10),
    ("ms", 5),
    ("changes", 7),
    ("rounds", 6),
    ("before", 6),
    ("after", 5),
    ("ended", 5),
    ("problems", 8),
    ("left behind", 0),
)
WRITERS = (
    ("database", 10),
    ("tried", 6),
    ("landed", 6),
    ("same", 5),
    ("conflict", 8),
    ("duels", 5),
    ("reads", 6),
    ("meanwhile", 9),
    ("collected", 9),
    ("followed", 8),
    ("workers", 7),
    ("seconds", 7),
    ("problems", 8),
)
FAULTS = (
    ("fault", 37),
    ("database", 10),
    ("planted", 7),
    ("unused", 6),
    ("detected", 8),
    ("reads", 5),
    ("refused", 7),
    ("same", 5),
    ("changed", 7),
    ("problems", 8),
)
SERVERS = (
    ("server", 34),
    ("look up", 7),
    ("export", 6),
    ("backup", 6),
    ("verify", 6),
    ("record", 6),
    ("init", 4),
    ("problems", 8),
)
_MAX_SHOWN = 20


def print_headings(columns: Sequence[tuple[str, int]]) -> None:
    """Print the headings."""
    _print_row(columns, [name for name, _ in columns])


def print_kills(tally: KillTally) -> int:
    """Print the row of a killed command; return the number of problems."""
    leftovers = ", ".join(f"{name} {count}" for name, count in sorted(tally.leftovers.items()))
    cells = [
        tally.command,
        tally.database,
        f"{tally.seconds * 1000:.0f}",
        tally.changes,
        tally.rounds,
        tally.before,
        tally.after,
        tally.finished,
        len(tally.problems),
        leftovers or "nothing",
    ]
    _print_row(KILLS, cells)
    return _print_problems(tally.problems)


def print_writers(result: WriterResult) -> int:
    """Print the row of the writers of one database; return the number of problems."""
    cells = [
        result.database,
        result.results.total(),
        result.results["landed"],
        result.results["unchanged"],
        result.results["conflict"],
        result.duels.total(),
        result.reader_result.answers,
        result.reader_result.during_commit,
        result.collected,
        result.followed,
        result.worker_writes,
        f"{result.seconds:.0f}",
        len(result.problems),
    ]
    _print_row(WRITERS, cells)
    return _print_problems(result.problems)


def print_faults(tally: FaultTally) -> int:
    """Print the row of one kind of faults; return the number of problems."""
    cells = [
        tally.kind,
        tally.database,
        tally.planted,
        tally.without_effect,
        tally.detected,
        tally.reads,
        tally.refused,
        tally.unchanged,
        tally.changed,
        len(tally.problems),
    ]
    _print_row(FAULTS, cells)
    return _print_problems(tally.problems)


def print_servers(tally: ServerTally) -> int:
    """Print the exit codes of an arrangement of a server; return the number of problems."""
    codes = [tally.codes.get(name, "-") for name, _ in SERVERS[1:-1]]
    _print_row(SERVERS, [tally.arrangement, *codes, len(tally.problems)])
    return _print_problems(tally.problems)


def _print_row(columns: Sequence[tuple[str, int]], cells: Sequence[object]) -> None:
    padded = (
        str(cell).ljust(width) if isinstance(cell, str) and not cell.isdecimal() else str(cell).rjust(width)
        for (_, width), cell in zip(columns, cells, strict=True)
    )
    sys.stdout.write("  ".join(padded).rstrip() + "\n")
    sys.stdout.flush()


def _print_problems(problems: Sequence[str]) -> int:
    for problem in problems[:_MAX_SHOWN]:
        sys.stdout.write(f"  {problem}\n")
    if len(problems) > _MAX_SHOWN:
        sys.stdout.write(f"  ... and {len(problems) - _MAX_SHOWN} more\n")
    return len(problems)
