"""Whole outputs, kept in ``tests/golden``; ``CALREG_UPDATE_GOLDEN=1 pytest`` writes them anew."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def assert_golden(name: str, text: str) -> None:
    """Hold a text against the file of that name; what differs from run to run must be replaced before."""
    file = FOLDER / name
    if os.environ.get("CALREG_UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()
