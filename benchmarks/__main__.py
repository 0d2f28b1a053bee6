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
from benchmarks.rows import Results, Row
from testing.registries import DATABASES, RegistryFactory

GROUPS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "npy": exports.measure_npy,
    "text": exports.measure_text,
    "memory": exports.measure_arrays,
    "register": registering.measure_registration,
    "lookup": lookups.measure_look_ups,
    "worst": lookups.measure_worst,
    "import": importing.measure_import,
    "start": startup.measure_start_up,
}
_RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the suite."""
    given = _build_parser().parse_args(arguments)
    results = _read_results(given.again) if given.again else _measure(given)
    table.print_table(results)
    if given.markdown:
        table.update_page(given.markdown, results)


def _read_results(file: Path) -> Results:
    return msgspec.json.decode(file.read_bytes(), type=Results)


def _measure(given: argparse.Namespace) -> Results:
    date = datetime.now(UTC).isoformat(timespec="seconds")
    kept = given.results or _RESULTS / f"{date[:16].replace(':', '')}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as closing:
        # Removed after PostgreSQL, which lives in it, has ended.
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="calreg-", dir=given.folder))
        factory = closing.enter_context(RegistryFactory(Path(folder), prefix="benchmark"))
        bench = Bench(factory, QUICK if given.quick else FULL, tuple(given.database), given.repetitions)
        results = Results(
            date=date,
            command=" ".join(["python -m benchmarks", *sys.argv[1:]]),
            software=machine.find_software(),
            machine=machine.describe_machine(factory, bench.databases),
            rows=(),
        )
        for name in given.groups or GROUPS:
            for row in GROUPS[name](bench):
                sys.stderr.write(f"{' '.join(filter(None, table.format_cells(row)))}\n")
                results = replace(results, rows=(*results.rows, row))
                # At once: a run that is interrupted has measured something, too.
                kept.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    sys.stderr.write(f"kept in {kept}\n")
    return results


def _build_parser() -> argparse.ArgumentParser:
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
