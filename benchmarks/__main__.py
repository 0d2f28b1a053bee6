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

from benchmarks import (
    buckets,
    consequences,
    copying,
    delivering,
    exports,
    growth,
    importing,
    lookups,
    machine,
    mirroring,
    paging,
    patterns,
    proxies,
    registering,
    scenario,
    serving,
    sharing,
    startup,
    table,
    verifying,
)
from benchmarks.bench import FULL, QUICK, Bench
from benchmarks.rows import Results, Row
from testing.registries import DATABASES, RegistryFactory

GROUPS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "npy": exports.measure_npy,
    "text": exports.measure_text,
    "memory": exports.measure_arrays,
    "shared": sharing.measure_sharing,
    "register": registering.measure_registration,
    "delivery": delivering.measure_deliveries,
    "consequences": consequences.measure_consequences,
    "lookup": lookups.measure_look_ups,
    "worst": lookups.measure_worst,
    "growth": growth.measure_growth,
    "copies": copying.measure_copies,
    "scenario": scenario.measure_scenario,
    "pages": paging.measure_pages,
    "patterns": patterns.measure_patterns,
    "verify": verifying.measure_verification,
    "mirror": mirroring.measure_mirrors,
    "import": importing.measure_import,
    "loading": importing.measure_loading,
    "start": startup.measure_start_up,
    "program": exports.measure_programs,
    "store": buckets.measure_stores,
    "service": serving.measure_service,
    "proxies": proxies.measure_proxies,
}
_RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the suite."""
    options = _build_parser().parse_args(arguments)
    results = _read_results(options.again) if options.again else _measure(options)
    table.print_table(results)
    if options.markdown:
        table.update_page(options.markdown, results)


def _read_results(file: Path) -> Results:
    return msgspec.json.decode(file.read_bytes(), type=Results)


def _measure(options: argparse.Namespace) -> Results:
    date = datetime.now(UTC).isoformat(timespec="seconds")
    file = options.results or _RESULTS / f"{date[:16].replace(':', '')}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as closing:
        # Entered first and so removed last: PostgreSQL works in it.
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="calreg-", dir=options.folder))
        factory = closing.enter_context(RegistryFactory(Path(folder), prefix="benchmark"))
        scale = QUICK if options.quick else FULL
        bench = Bench(factory, scale, tuple(options.database), options.repetitions)
        results = Results(
            date=date,
            command=" ".join(["python -m benchmarks", *sys.argv[1:]]),
            software=machine.find_software(),
            machine=machine.describe_machine(factory, bench.databases),
            rows=(),
            left_out=tuple(name for name in GROUPS if options.groups and name not in options.groups),
        )
        for name in options.groups or GROUPS:
            for row in GROUPS[name](bench):
                sys.stderr.write(f"{' '.join(filter(None, table.format_cells(row)))}\n")
                results = replace(results, rows=(*results.rows, row))
                # Written after every row, so that an interrupted run keeps what it measured.
                file.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    sys.stderr.write(f"results written to {file}\n")
    return results


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
    parser.add_argument("--repetitions", type=int, metavar="N", help="rounds of every row")
    parser.add_argument("--database", nargs="+", choices=DATABASES, default=list(DATABASES))
    parser.add_argument("--folder", type=Path, help="work folder; 5 GB on a local disk")
    parser.add_argument("--results", type=Path, metavar="FILE", help="write the results there, as JSON")
    parser.add_argument("--again", type=Path, metavar="FILE", help="show the results of an earlier run")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="put the table into a page")
    return parser


if __name__ == "__main__":
    main()
