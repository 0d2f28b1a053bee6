"""What is printed: a table, a row as soon as it is there, and every problem below its row."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from harnesses.corruption import FaultTally as Faults
from harnesses.kill import KillTally
from harnesses.writers import WriterResult

KILLS = (
    ("command", 16),
    ("database", 10),
    ("ms", 5),
    ("moments", 7),
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
    ("seconds", 7),
    ("problems", 8),
)
FAULTS = (
    ("fault", 33),
    ("database", 10),
    ("planted", 7),
    ("found", 5),
    ("reads", 5),
    ("refused", 7),
    ("as ever", 7),
    ("otherwise", 9),
    ("problems", 8),
)
_MAX_SHOWN = 20


def print_headings(columns: Sequence[tuple[str, int]]) -> None:
    """Print the headings."""
    _print_row(columns, [name for name, _ in columns])


def print_kills(tally: KillTally) -> int:
    """Print what killing a command came to; return how many problems there are."""
    left = ", ".join(f"{name} {count}" for name, count in sorted(tally.leftovers.items()))
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
        left or "nothing",
    ]
    _print_row(KILLS, cells)
    return _print_problems(tally.problems)


def print_writers(found: WriterResult) -> int:
    """Print what the writers of one database came to; return how many problems there are."""
    cells = [
        found.database,
        found.results.total(),
        found.results["landed"],
        found.results["unchanged"],
        found.results["conflict"],
        found.duels.total(),
        found.reader_result.answers,
        found.reader_result.during_commit,
        found.collected,
        f"{found.seconds:.0f}",
        len(found.problems),
    ]
    _print_row(WRITERS, cells)
    return _print_problems(found.problems)


def print_faults(tally: Faults) -> int:
    """Print what became of the faults of one kind; return how many problems there are."""
    cells = [
        tally.kind,
        tally.database,
        tally.planted,
        tally.found,
        tally.reads,
        tally.refused,
        tally.unchanged,
        tally.changed,
        len(tally.problems),
    ]
    _print_row(FAULTS, cells)
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
