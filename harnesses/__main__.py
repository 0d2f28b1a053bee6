"""``python -m harnesses``: try to break a registry, print what came of it; exit code 1 where something broke."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from harnesses import corruption, kill, report, writers
from testing.panels import use_small_panels
from testing.registries import DATABASES, RegistryFactory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a harness; return the exit code."""
    given = _build_parser().parse_args(arguments)
    problems = 0
    with ExitStack() as closing:
        # Removed after PostgreSQL, which lives in it, has ended.
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="calreg-", dir=given.folder))
        factory = closing.enter_context(RegistryFactory(Path(folder), given.server, prefix="harness"))
        if given.harness == "kill":
            if given.small:
                closing.enter_context(use_small_panels())
            report.print_headings(report.KILLS)
            asked = (given.database, given.command, given.rounds, given.seed, given.measured)
            for tally in kill.run_kills(factory, *asked):
                problems += report.print_kills(tally)
        elif given.harness == "corruption":
            report.print_headings(report.FAULTS)
            for counted in corruption.run_faults(factory, given.database, given.faults, given.seed):
                problems += report.print_faults(counted)
        else:
            report.print_headings(report.WRITERS)
            for dialect in given.database:
                counts = (given.writers, given.registrations, given.readers, given.duels, given.collections)
                plan = writers.Plan(*counts, given.seed)
                problems += report.print_writers(writers.run_writers(factory, dialect, plan))
    if problems:
        sys.stderr.write(
            f"{problems} problems; again: {shlex.join(['python', '-m', 'harnesses', *sys.argv[1:]])}\n"
        )
    return min(problems, 1)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harnesses", description=__doc__)
    harnesses = parser.add_subparsers(dest="harness", required=True)
    one = harnesses.add_parser("kill", help="SIGKILL at random instants")
    one.add_argument("--rounds", type=int, default=300, metavar="N", help="of each command on each database")
    one.add_argument("--measured", type=int, default=3, metavar="N", help="unkilled runs before them")
    one.add_argument(
        "--small", action="store_true", help="panels of 4 x 6 pixels: more falls about the commit"
    )
    names = [command.name for command in kill.COMMANDS]
    one.add_argument("--command", nargs="+", choices=names, default=names)
    many = harnesses.add_parser("writers", help="many writers and readers at once")
    many.add_argument("--writers", type=int, default=8, metavar="N", help="processes that register")
    many.add_argument("--registrations", type=int, default=200, metavar="N", help="of each")
    many.add_argument("--readers", type=int, default=2, metavar="N", help="processes that ask meanwhile")
    many.add_argument("--duels", type=int, default=50, metavar="N", help="two at once, for one start")
    many.add_argument("--collections", type=int, default=50, metavar="N", help="beside a collector")
    faults = harnesses.add_parser("corruption", help="faults planted in files and rows")
    faults.add_argument("--faults", type=int, default=1000, metavar="N", help="dealt out over their kinds")
    for each in (one, many, faults):
        each.add_argument("--seed", type=int, default=1, metavar="N")
        each.add_argument("--database", nargs="+", choices=DATABASES, default=list(DATABASES))
        each.add_argument("--folder", type=Path, metavar="DIR", help="where to work; 300 MB on a local disk")
        each.add_argument("--server", metavar="URL", help="a PostgreSQL database; default: one is started")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # who stops it wants its folder away, too
    sys.exit(main())
