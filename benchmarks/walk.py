"""``python -m benchmarks.walk``: count the modules, functions and types that a command passes through.

Each command runs twice on the sample data, the second time under `sys.setprofile`, without imports. A function
counts if it is defined in ``registry``, a type if a value of it is an argument, a local variable or the result
of such a function.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from enum import Enum
from io import StringIO
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

from registry.cli import main as run_calreg
from registry.sample import remeasure_arrays, write_dataset_table, write_legacy_tree

_PANEL = "170505-149520170815-3d00b0"
_COMMANDS = {
    "validity --at": ["validity", _PANEL, "--at", "2018-02-10T08:15:00Z"],
    "export": ["export", "exp=xcsls3716:run=631", "--output", "{output}"],
    "version add": ["version", "add", _PANEL, "remeasured", "--valid-from", "{start}"],
}
_ROUNDS = (
    {"output": "first", "start": "2019-01-01T00:00:00Z"},
    {"output": "second", "start": "2020-01-01T00:00:00Z"},
)


@dataclass
class Walk:
    """The functions and types that one command passed through."""

    codes: set[CodeType] = field(default_factory=set)
    calls: int = 0
    types: set[str] = field(default_factory=set)

    def observe(self, frame: FrameType, event: str, result: Any) -> None:
        """Record a call or a return; see `sys.setprofile`."""
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("registry."):
            return
        if event == "call":
            self.codes.add(frame.f_code)
            self.calls += 1
        elif event == "return":
            for value in (*frame.f_locals.values(), result):
                self.types.update(_types_in(value))

    @property
    def modules(self) -> list[str]:
        """Return the files in which the functions are defined."""
        files = {code.co_filename for code in self.codes}
        return sorted(file for file in files if file.endswith(".py"))  # a named tuple's methods have none


def _types_in(value: Any) -> Iterator[str]:
    """Yield the type of the value, or of the first item of a container, if ``registry`` defines it."""
    if isinstance(value, (list, tuple, set, frozenset, dict)) and not hasattr(value, "_fields"):
        items = value.values() if isinstance(value, dict) else value
        for item in list(items)[:1]:
            yield from _types_in(item)
        return
    kind = type(value)
    if kind.__module__.startswith("registry.") and not isinstance(value, (type, Enum)):
        yield f"{kind.__module__}.{kind.__name__}"


def _call(words: Sequence[str]) -> None:
    """Run a command in this process, quietly."""
    arguments, sys.argv = sys.argv, ["calreg", *words]
    output = StringIO()
    try:
        with redirect_stdout(output), redirect_stderr(output), suppress(SystemExit):
            run_calreg()
    finally:
        sys.argv = arguments
    if "error:" in output.getvalue():
        sys.exit(output.getvalue())


def _make_registry(folder: Path) -> None:
    write_legacy_tree(folder / "tree")
    write_dataset_table(folder / "datasets.txt")
    (folder / "remeasured").mkdir()
    for name, array in remeasure_arrays("M068", "remeasured").items():
        np.save(folder / "remeasured" / name, array)
    for words in (
        ["init"],
        ["import", "tree", "--timezone", "America/Los_Angeles"],
        ["run", "import", "datasets.txt"],
        ["run", "add", "exp=xcsls3716:run=631", "--begin", "2018-02-10T08:15:00Z"],
    ):
        _call(words)


def _profile(command: Sequence[str]) -> Walk:
    walk = Walk()
    for number, values in enumerate(_ROUNDS):
        words = [word.format_map(values) for word in command]
        if number:
            threading.setprofile(walk.observe)
            sys.setprofile(walk.observe)
        try:
            _call(words)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    return walk


def main() -> None:
    """Print a table of all commands; with ``--names`` also the modules and types."""
    with tempfile.TemporaryDirectory(prefix="calreg-walk-") as folder, chdir(folder):
        os.environ["CALREG_DATABASE"] = f"sqlite:///{folder}/registry.sqlite"
        os.environ.pop("CALREG_STORE", None)
        _make_registry(Path(folder))
        print(f"{'command':15}{'modules':>8}{'functions':>10}{'calls':>7}{'types':>7}")  # noqa: T201 - what it is for
        for title, command in _COMMANDS.items():
            walk = _profile(command)
            print(  # noqa: T201
                f"{title:15}{len(walk.modules):8}{len(walk.codes):10}{walk.calls:7}{len(walk.types):7}"
            )
            if "--names" in sys.argv:
                home = str(Path(__file__).parent.parent) + os.sep
                for name in [*(path.removeprefix(home) for path in walk.modules), *sorted(walk.types)]:
                    print(f"  {name}")  # noqa: T201


if __name__ == "__main__":
    main()
