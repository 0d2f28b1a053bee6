"""The script of ``docs/seals.md``, which computes every seal without calreg, for tests that run it."""

import subprocess
import sys
from pathlib import Path

from registry.settings import sqlite_file
from tests.sessions import find_blocks

PAGE = Path(__file__).parent.parent / "docs" / "seals.md"


def read_script() -> str:
    """Return the text of the script in the page."""
    (block,) = find_blocks(PAGE, "python")
    return block.text


def compare_seals(database: str) -> list[str]:
    """Run the script on a database; return its lines about what differs."""
    file = sqlite_file(database)
    place = str(file) if file is not None else database
    done = subprocess.run(
        [sys.executable, "-I", "-c", read_script(), place], capture_output=True, text=True, check=False
    )
    *lines, last = done.stdout.splitlines() or [""]
    differing = [line for line in (*lines, last) if line.endswith("DIFFERS")]
    expected = f"{len(differing)} differ\n" if differing else ""
    assert (done.stderr, done.returncode) == (expected, 1 if differing else 0)
    return differing
