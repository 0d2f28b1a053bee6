"""Peak memory of a process that does the work, minus that of a process which does everything else.

``python -m benchmarks.memory REQUEST`` is such a process; `measure_peak` starts it.
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from testing.registries import RegistryLocation

_ROOT = Path(__file__).parent.parent


def measure_peak(
    work: Callable[..., object], arguments: Sequence[Any], location: RegistryLocation | None = None
) -> float:
    """Return the peak resident memory that `work` needs, in MiB.

    Parameters
    ----------
    work
        A function of this package; with `location` the open registry is its first argument.
    """
    function = f"{work.__module__}:{work.__qualname__}"
    registry = [location.database, str(location.store)] if location else None
    request = {"function": function, "arguments": arguments, "registry": registry, "modules": []}
    busy = _run_process(request)
    idle = _run_process({**request, "arguments": None, "modules": busy["modules"]})
    peak: int = busy["peak"] - idle["peak"]
    return peak / 2**20


def _run_process(request: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory"],
        input=json.dumps(request),
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the process that measures memory failed:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _main() -> None:
    request = json.load(sys.stdin)
    module, _, name = request["function"].partition(":")
    for imported in [*request["modules"], module]:
        with suppress(ImportError):  # modules that packages create at run time
            importlib.import_module(imported)
    work = getattr(sys.modules[module], name)
    first = []
    if request["registry"]:
        from registry import open_registry

        first = [open_registry(*request["registry"])]
    if request["arguments"] is not None:
        work(*first, *request["arguments"])
    json.dump({"peak": _read_peak(), "modules": sorted(sys.modules)}, sys.stdout)


def _read_peak() -> int:
    """Return the greatest resident size so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss may be that of the process which started this one
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    _main()
