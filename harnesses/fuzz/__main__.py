"""``python -m harnesses.fuzz``: feed parsers with what atheris thinks of; exit code 1 where one broke.

Needs the extra ``fuzz``, on Linux. Without it the tests feed the same targets with less thought.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from harnesses.fuzz.targets import TARGETS

_MEGABYTES = 1024  # of memory that a target may use, most of it Python's own and the instrumentation's
_TIMEOUT_SECONDS = 300  # for one input: by the clock, on machines that stand still at times
_MAX_INPUT_BYTES = 1 << 14  # bytes of one input
_LINES, _WIDTH = 60, 200  # of what is told of a broken target
_STATISTIC = re.compile(r"^stat::(\w+):\s+(\d+)$", re.MULTILINE)
_COVERAGE = re.compile(r"\bcov: (\d+)")
_COLUMNS = "{:15} {:>7} {:>9} {:>8} {:>6}  {}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the targets that are asked for; return the exit code."""
    given = _build_parser().parse_args(arguments)
    if find_spec("atheris") is None:
        sys.stderr.write("atheris is not installed: pip install 'calreg[fuzz]'\n")
        return 2
    sys.stdout.write(_COLUMNS.format("target", "seconds", "inputs", "branches", "MB", "found"))
    broken = [
        name
        for name in given.target or TARGETS
        if not _run_target(name, given.seconds, given.seed, given.keep)
    ]
    return 1 if broken else 0


def _run_target(name: str, seconds: int, seed: int, keep: Path) -> bool:
    """Run one target and print its row; return whether it held."""
    with _make_work_folder() as folder:
        options = [
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            f"-timeout={_TIMEOUT_SECONDS}",
            f"-rss_limit_mb={_MEGABYTES}",
            f"-max_len={_MAX_INPUT_BYTES}",
            f"-artifact_prefix={folder}/found-",
            "-print_final_stats=1",
        ]
        command = [sys.executable, "-m", "harnesses.fuzz.guided", name, str(folder), *options]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        numbers = dict(_STATISTIC.findall(done.stderr))
        branches = _COVERAGE.findall(done.stderr)
        row = (name, seconds, numbers.get("number_of_executed_units", "?"), (branches or ["?"])[-1])
        sys.stdout.write(
            _COLUMNS.format(
                *row, numbers.get("peak_rss_mb", "?"), _keep_inputs(done.returncode, folder, keep, name)
            )
        )
        if done.returncode:
            sys.stdout.write(_select_error_lines(done.stdout + done.stderr))
        sys.stdout.flush()
    return done.returncode == 0


@contextmanager
def _make_work_folder() -> Iterator[Path]:
    """Hand out a folder, in memory where there is one: a target writes a file for every input."""
    memory = Path("/dev/shm")  # noqa: S108 - whose folders are made for nobody else
    with tempfile.TemporaryDirectory(prefix="calreg-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def _keep_inputs(code: int, folder: Path, keep: Path, name: str) -> str:
    """Keep the input that broke the target; return what to print of it."""
    inputs = sorted(folder.glob("found-*"))
    for path in inputs:
        shutil.copy(path, keep / f"{name}-{path.name}")
    if not code:
        return "nothing"
    return ", ".join(str(keep / f"{name}-{path.name}") for path in inputs) or f"exit code {code}"


def _select_error_lines(said: str) -> str:
    """Return the lines that say how a target broke: Python's traceback, or what libFuzzer says of it."""
    lines = said.splitlines()
    starts = [
        number
        for number, line in enumerate(lines)
        if "Uncaught Python exception" in line or "ERROR: libFuzzer" in line
    ]
    shown = lines[starts[0] :] if starts else lines
    told = [line for line in shown if not line.startswith(("INFO: ", "WARNING: ", "#", "stat::"))]
    return "".join(f"  {line[:_WIDTH]}\n" for line in told[:_LINES])


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harnesses.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", choices=[*TARGETS, []], help="default: all, one after the other")
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="for each target")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument(
        "--keep", type=Path, default=Path(), metavar="DIR", help="for inputs that break a target"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
