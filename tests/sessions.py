"""Run the console sessions that a document shows, and hold what is printed against what it shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

_CALREG = f'calreg() {{ "{sys.executable}" -m registry "$@"; }}\n'


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", document.read_text(), re.DOTALL)


def run_session(session: str, folder: Path) -> None:
    """Run each command of a session in `folder`; instants of the clock, user and host may be others."""
    environment = {**os.environ, "CALREG_DATABASE": "sqlite:///registry.sqlite"}
    for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        command, _, shown = step.partition("\n")
        done = subprocess.run(
            ["bash", "-c", _CALREG + command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert _alike(done.stdout) == _alike(shown), command


def _alike(text: str) -> str:
    """Write what differs from machine to machine in one way."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z(, by| ) *[^\s:]+", r"TIME\1 USER", text)
    return re.sub(r"^  on [^:]+:", "  on HOST:", text, flags=re.MULTILINE)
