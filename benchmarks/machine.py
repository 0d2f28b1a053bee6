"""Describe the machine of a run as far as it explains the times, without its name."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from registry.authorship import software_version
from testing.registries import RegistryFactory

_LIBRARIES = ("numpy", "sqlalchemy", "typer", "msgspec", "psycopg")
_ROOT = Path(__file__).parent.parent


def describe_machine(factory: RegistryFactory, databases: tuple[str, ...]) -> dict[str, str]:
    """Return the processor, memory, system and versions of a run."""
    machine = {
        "processor": f"{_find_processor()}, {os.cpu_count()} cores",
        "memory": _find_memory(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
    }
    if "postgresql" in databases:
        machine["postgresql"] = _find_postgresql_version(factory)
    return machine | {name: _find_library_version(name) for name in _LIBRARIES}


def find_software() -> str:
    """Return the measured version of calreg, with its commit in a checkout."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    commit = f" at {done.stdout.strip()}" if done.returncode == 0 else ""
    return f"{software_version()}{commit}"


def _find_processor() -> str:
    lines = _read_pairs("/proc/cpuinfo")
    return lines.get("model name") or platform.processor() or platform.machine()


def _find_memory() -> str:
    total = _read_pairs("/proc/meminfo").get("MemTotal")
    return f"{int(total.split()[0]) / 2**20:.0f} GiB" if total else "not known"


def _read_pairs(path: str) -> dict[str, str]:
    if not Path(path).exists():
        return {}
    pairs = (line.partition(":") for line in Path(path).read_text().splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _find_postgresql_version(factory: RegistryFactory) -> str:
    import psycopg

    with psycopg.connect(factory.server) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else "not known"


def _find_library_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
