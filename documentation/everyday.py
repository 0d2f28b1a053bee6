"""The page that shows a session in a terminal of 80 columns and 24 lines."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from documentation.placeholders import use_placeholders
from testing.terminal import run_in_terminal

PAGE = Path(__file__).parent.parent / "docs" / "everyday-recording.md"

_RUN = "exp=xcsls3716:run=631"
_COMMANDS = (
    f"calreg show {_RUN}",
    "calreg detector name xcs 170505-149520170815-3d00b0 170505-149520170815-3d00f7",
    "calreg version gap M068 --valid-from 2018-02-01 -m 'measured with a cold module'",
    f"calreg show {_RUN}",
    "calreg affected --since -1",
    "calreg revert 6 -m 'it was another module'",
    "calreg validity M068 --kind gain --at '2018-02-10 14:30'",
    "calreg log -1.. --local",
)


def record_session(folder: Path) -> str:
    """Run the commands on the sample data, in an empty folder, and return the page that shows what they print."""
    environment = {**os.environ, "CALREG_PAGER": "cat"}
    subprocess.run(
        [sys.executable, "-m", "registry", "demo", "demo", "-q"], cwd=folder, env=environment, check=True
    )
    printed = []
    for command in _COMMANDS:
        words = shlex.split(command)[1:]
        output = run_in_terminal(
            ["-m", "registry", *words],
            {"CALREG_DATABASE": "sqlite:///registry.sqlite", "CALREG_PAGER": "cat"},
            folder=folder / "demo",
        )
        printed.append(f"$ {command}\n{output}")
    return build_page("\n".join(printed))


def build_page(printed: str) -> str:
    """Return the page that shows what was printed."""
    local_times = r"\d{4}-\d\d-\d\dT[\d:]+\.\d{6}[+-]\d\d:\d\d( +)\S+"
    printed = re.sub(local_times, r"2018-03-01T01:30:00.000000-08:00\1ana", printed)
    printed = re.sub(r"\d{4}-\d\d-\d\d, by [^\s:]+", "2018-03-01, by ana", printed)
    return f"""# Recording of a day's commands

In a terminal of 80 columns and 24 lines, on the data that `calreg demo` makes: look at a run, give its detector a name,
record a gap, see what it means, and take it back.

```text
{use_placeholders(printed)}```
"""


def write_page() -> Path:
    """Write the page, and return its path."""
    with tempfile.TemporaryDirectory(prefix="calreg-") as folder:
        PAGE.write_text(record_session(Path(folder)))
    return PAGE
