"""The script of ``docs/seals.md``, which computes every seal without calreg, for tests that run it."""

import subprocess
import sys
from pathlib import Path

from registry.settings import sqlite_file
from tests.copies import read_rows
from tests.sessions import find_blocks

PAGE = Path(__file__).parent.parent / "docs" / "seals.md"


def read_script() -> str:
    """Return the text of the script in the page."""
    (text,) = find_blocks(PAGE, "python")
    return text


def run_script(database: str) -> list[str]:
    """Run the script on a database, and return the lines that it prints."""
    file = sqlite_file(database)
    command = [sys.executable, "-I", "-c", read_script(), database if file is None else str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    different = sum(line.endswith("DIFFERS") for line in lines)
    assert (done.stderr, done.returncode) == (f"{different} differ\n", 1) if different else ("", 0)
    return [line.rstrip() for line in lines]


def list_seals(database: str) -> list[str]:
    """Return the links and seals that a database has, as the script prints them."""
    rows = read_rows(database)
    exports = sorted((row["export"], row["link"]) for row in rows["export_seal"])
    seals = sorted((row["revision"], row["digest"]) for row in rows["seal"])
    return [
        *(f"export {number} {link}" for number, link in exports),
        *(f"revision {number} {seal}" for number, seal in seals),
    ]
