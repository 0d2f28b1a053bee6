"""The page that shows what ``calreg demo`` prints."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from documentation.placeholders import use_placeholders

PAGE = Path(__file__).parent.parent / "docs" / "demo-recording.md"


def record_demo() -> str:
    """Run the demo, and return the page that shows what it prints."""
    with tempfile.TemporaryDirectory(prefix="calreg-") as folder:
        demo = subprocess.run(
            [sys.executable, "-m", "registry", "demo", "demo"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        return build_page(demo.stdout, Path(folder).resolve())


def build_page(printed: str, folder: Path) -> str:
    """Return the page that shows what the demo printed in a folder."""
    return f"""# Recording of `calreg demo`

`calreg demo DIR` makes a small directory of links with its constants, and runs the real commands on it. It prints this:

```text
$ calreg demo demo
{use_placeholders(printed.replace(str(folder), "/home/ana"))}```
"""


def write_page() -> Path:
    """Write the page, and return its path."""
    PAGE.write_text(record_demo())
    return PAGE
