"""What ``calreg demo`` prints, as a text: with one instant, user, host and id for those of the day."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

RECORDING = Path(__file__).parent.parent / "docs" / "demo-recording.md"


def steadied(printed: str, folder: Path) -> str:
    """Return what the demo printed in a folder, with all that differs from day to day written in one way."""
    printed = printed.replace(str(folder), "/home/ana")
    for pattern, word in (
        (
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z by \S+ on \S+",
            "2018-03-01T09:30:00.000000Z by ana on beamline",
        ),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z( by|,) \S+", r"2018-03-01T09:30:00.000000Z\1 ana"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "cacd916b-8556-497e-a80a-6925e1aa733f"),
        (r"^software .*", "software      calreg 0.1.0, python 3.11.7, numpy 2.4.6, sqlalchemy 2.1.9"),
    ):
        printed = re.sub(pattern, word, printed, flags=re.MULTILINE)
    return printed


def recorded() -> str:
    """Run the demo, and return what it prints."""
    with tempfile.TemporaryDirectory(prefix="calreg-") as place:
        folder = Path(place).resolve()
        done = subprocess.run(
            [sys.executable, "-m", "registry", "demo", "demo"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        return page(steadied(done.stdout, folder))


def page(printed: str) -> str:
    """Return the page that shows what the demo printed."""
    return f"""# Recording of `calreg demo`

`calreg demo DIR` makes a small directory of links with its constants, and runs the real commands on it. It prints this:

```text
$ calreg demo demo
{printed}```
"""


def write() -> Path:
    """Write the recording, and return its path."""
    RECORDING.write_text(recorded())
    return RECORDING
