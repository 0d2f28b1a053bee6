"""``python -m harnesses``: try to break a registry and print the outcome; exit code 1 where something broke."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from harnesses import corruption, kill, report, servers, writers
from registry.identifiers import format_count
from testing.buckets import BucketServer, run_seaweed
from testing.panels import use_small_panels
from testing.registries import DATABASES, PostgresServer, RegistryFactory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a harness; return the exit code."""
    options = _build_parser().parse_args(arguments)
    problems = 0
    with ExitStack() as closing:
        # Entered first and so removed last: PostgreSQL works in it.
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="calreg-", dir=options.folder))
        bucket = _run_bucket(closing) if getattr(options, "bucket", False) else None
        factory = closing.enter_context(
            RegistryFactory(Path(folder), options.server, prefix="harness", bucket=bucket)
        )
        if options.harness == "servers":
            problems = _run_servers(closing, Path(folder), short=options.short)
        elif options.harness == "kill":
            problems = _run_kills(closing, factory, options)
        elif options.harness == "corruption":
            report.print_headings(report.FAULTS)
            faulty = corruption.Plan(
                options.files, options.edits, options.forgeries, options.guards, options.seed
            )
            for faults in corruption.run_faults(factory, options.database, faulty):
                problems += report.print_faults(faults)
        else:
            report.print_headings(report.WRITERS)
            plan = writers.Plan(
                options.writers,
                options.registrations,
                options.readers,
                options.duels,
                options.collections,
                options.seed,
                options.workers,
                options.threads,
                options.worker_runs,
                options.mirrors,
            )
            for dialect in options.database:
                problems += report.print_writers(writers.run_writers(factory, dialect, plan))
    if problems:
        sys.stderr.write(
            f"{format_count(problems, 'problem')}; again: {shlex.join(['python', '-m', 'harnesses', *sys.argv[1:]])}\n"
        )
    return min(problems, 1)


def _run_bucket(closing: ExitStack) -> BucketServer:
    """Start a server of objects, which this process and those that it starts use."""
    server = closing.enter_context(run_seaweed())
    os.environ.update(server.list_variables())
    return server


def _run_servers(closing: ExitStack, folder: Path, *, short: bool) -> int:
    """Try the arrangements of servers; return the number of problems."""
    report.print_headings(report.SERVERS)
    server = closing.enter_context(PostgresServer(folder / "pg", durable=False))
    return sum(map(report.print_servers, servers.run_arrangements(server, short=short)))


def _run_kills(closing: ExitStack, factory: RegistryFactory, options: argparse.Namespace) -> int:
    """Kill commands; return the number of problems."""
    if options.small:
        closing.enter_context(use_small_panels())
    report.print_headings(report.KILLS)
    tallies = kill.run_kills(
        factory,
        options.database,
        options.command,
        options.rounds,
        options.seed,
        options.measured,
        options.steps,
    )
    return sum(map(report.print_kills, tallies))


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harnesses", description=__doc__)
    harnesses = parser.add_subparsers(dest="harness", required=True)
    kills = harnesses.add_parser("kill", help="SIGKILL at random instants")
    kills.add_argument("--rounds", type=int, default=300, metavar="N", help="per command and database")
    kills.add_argument("--measured", type=int, default=3, metavar="N", help="runs before them without a kill")
    kills.add_argument(
        "--steps",
        type=int,
        default=100,
        metavar="N",
        help="between two steps, those of the writers' protocol first",
    )
    kills.add_argument(
        "--small", action="store_true", help="panels of 4 x 6 pixels: more kills fall near the commit"
    )
    names = [command.name for command in kill.COMMANDS]
    kills.add_argument("--command", nargs="+", choices=names, default=names)
    races = harnesses.add_parser("writers", help="many writers and readers at once")
    races.add_argument("--writers", type=int, default=8, metavar="N", help="processes that register")
    races.add_argument("--registrations", type=int, default=200, metavar="N", help="by each writer")
    races.add_argument("--readers", type=int, default=2, metavar="N", help="processes that read meanwhile")
    races.add_argument("--duels", type=int, default=50, metavar="N", help="two at once, for one start")
    races.add_argument("--collections", type=int, default=50, metavar="N", help="beside a collector")
    races.add_argument("--workers", type=int, default=8, metavar="N", help="forked, and in each pool")
    races.add_argument("--threads", type=int, default=64, metavar="N", help="on one open registry")
    races.add_argument("--worker-runs", type=int, default=25, metavar="N", help="recorded by each worker")
    races.add_argument("--mirrors", type=int, default=2, metavar="N", help="that follow, and are killed")
    for harness in (kills, races):
        harness.add_argument(
            "--bucket", action="store_true", help="with the stores in SeaweedFS, not in folders"
        )
    faults = harnesses.add_parser("corruption", help="faults planted in files, rows, seals and guards")
    faults.add_argument("--files", type=int, default=140, metavar="N", help="in a store, in all")
    faults.add_argument("--edits", type=int, default=1000, metavar="N", help="of rows, on each database")
    faults.add_argument("--forgeries", type=int, default=25, metavar="N", help="with their seals, on each")
    faults.add_argument("--guards", type=int, default=300, metavar="N", help="weakened, on each database")
    arrangements = harnesses.add_parser("servers", help="standbys, poolers, encodings: exit codes by request")
    arrangements.add_argument("--short", action="store_true", help="only what needs one server and no pooler")
    for harness in (kills, races, faults, arrangements):
        harness.add_argument("--seed", type=int, default=1, metavar="N")
        harness.add_argument("--database", nargs="+", choices=DATABASES, default=list(DATABASES))
        harness.add_argument("--folder", type=Path, metavar="DIR", help="work folder; 300 MB on a local disk")
        harness.add_argument("--server", metavar="URL", help="a PostgreSQL database; default: start a server")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # a stopped run removes its folder, too
    sys.exit(main())
