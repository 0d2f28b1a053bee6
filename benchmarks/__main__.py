"""``python -m benchmarks``: measure, print the table, keep the results."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks import exports, importing, lookups, machine, registering, startup, table
from benchmarks.bench import FULL, QUICK, Bench
from benchmarks.places import DATABASES, Ground
from benchmarks.rows import Results, Row

GROUPS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "npy": exports.npy,
    "text": exports.text,
    "memory": exports.memory,
    "register": registering.register,
    "lookup": lookups.look_ups,
    "worst": lookups.worst,
    "import": importing.import_tree,
    "start": startup.start_up,
}
_RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the suite."""
    given = _parser().parse_args(arguments)
    results = _kept(given.again) if given.again else _measured(given)
    table.show(results)
    if given.markdown:
        table.write_into(given.markdown, results)


def _kept(file: Path) -> Results:
    return msgspec.json.decode(file.read_bytes(), type=Results)


def _measured(given: argparse.Namespace) -> Results:
    date = datetime.now(UTC).isoformat(timespec="seconds")
    kept = given.results or _RESULTS / f"{date[:16].replace(':', '')}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as closing:
        # Removed after PostgreSQL, which lives in it, has ended.
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="calreg-", dir=given.folder))
        ground = Ground(Path(folder), closing)
        bench = Bench(ground, QUICK if given.quick else FULL, tuple(given.database), given.repetitions)
        results = Results(
            date=date,
            command=" ".join(["python -m benchmarks", *sys.argv[1:]]),
            software=machine.software(),
            machine=machine.describe(ground, bench.databases),
            rows=(),
        )
        for name in given.groups or GROUPS:
            for row in GROUPS[name](bench):
                sys.stderr.write(f"{' '.join(filter(None, table.cells(row)))}\n")
                results = replace(results, rows=(*results.rows, row))
                # At once: a run that is interrupted has measured something, too.
                kept.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    sys.stderr.write(f"kept in {kept}\n")
    return results


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds: a minute")
    parser.add_argument("--repetitions", type=int, metavar="N", help="rounds of every row")
    parser.add_argument("--database", nargs="+", choices=DATABASES, default=list(DATABASES))
    parser.add_argument("--folder", type=Path, help="where to work; 5 GB on a local disk")
    parser.add_argument("--results", type=Path, metavar="FILE", help="keep the results there, as JSON")
    parser.add_argument("--again", type=Path, metavar="FILE", help="show kept results, measure nothing")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="put the table into a page")
    return parser


if __name__ == "__main__":
    main()
