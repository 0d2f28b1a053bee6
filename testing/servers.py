"""Real servers as facilities have them: one that others follow, a hot standby, and PgBouncer before it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from testing.programs import MissingProgramError
from testing.registries import PostgresServer

_PORT = 5432  # the number in the name of a socket: no server here listens in the network
_SERVER_USER = "pgserver"  # as whom the wheel starts a server for root, whom PostgreSQL refuses
_MAX_WAIT_SECONDS = 30


class _Process:
    """A program with a folder of its own, run as a user whom servers accept; both end with it."""

    def __init__(self, prefix: str) -> None:
        self._stack = ExitStack()
        # Not below pytest's folder, which other users cannot enter; and a socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix=f"calreg-{prefix}-"))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        if os.geteuid() == 0:
            user = pwd.getpwnam(_SERVER_USER)
            os.chown(self.folder, user.pw_uid, user.pw_gid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_class: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        user = _SERVER_USER if os.geteuid() == 0 else None
        done = subprocess.run(  # noqa: S603 - programs of PostgreSQL
            command,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise MissingProgramError(f"{Path(command[0]).name} failed here: {done.stderr.strip()[-300:]}")
        return done


class Standby(_Process):
    """A hot standby of a server, made with ``pg_basebackup``; it follows the server all the time."""

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__("standby")
        self._primary = primary
        programs = Path(primary.wheel.bin_path)
        data, socket = self.folder / "data", Path(str(sa.make_url(primary.url).query["host"]))
        self.run(
            programs / "pg_basebackup", "-h", socket, "-U", "postgres", "-D", data, "-R", "-X", "stream",
            "-c", "fast",
        )  # fmt: skip
        options = f"-h '' -k {self.folder}"
        self.run(programs / "pg_ctl", "-D", data, "-o", options, "-l", self.folder / "log", "-w", "start")
        self._stack.callback(self.run, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")

    def find_url(self, url: str) -> str:
        """Return the URL of a database of the primary server, here."""
        return _with_socket(url, self.folder)

    def follow(self) -> None:
        """Wait until everything is here that the primary server has committed."""
        end = _ask(self._primary.url, "SELECT pg_current_wal_insert_lsn()")
        limit = time.monotonic() + _MAX_WAIT_SECONDS
        while not _ask(self.find_url(self._primary.url), f"SELECT pg_last_wal_replay_lsn() >= '{end}'"):
            if time.monotonic() > limit:
                raise TimeoutError("the standby does not follow its server")


class Pooler(_Process):
    """PgBouncer before a server.

    Parameters
    ----------
    mode
        What it pools: ``session``, ``transaction`` or ``statement``.
    settings
        Other lines of its configuration.
    """

    def __init__(self, server: PostgresServer, mode: str = "transaction", *settings: str) -> None:
        super().__init__("pooler")
        program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise MissingProgramError("pgbouncer is not installed: apt-get install pgbouncer")
        socket = str(sa.make_url(server.url).query["host"])
        (self.folder / "users").write_text('"postgres" ""\n')
        (self.folder / "pgbouncer.ini").write_text(
            "\n".join(
                [
                    "[databases]",
                    f"* = host={socket} port={_PORT}",
                    "[pgbouncer]",
                    f"pool_mode = {mode}",
                    "listen_addr =",
                    f"listen_port = {_PORT}",
                    f"unix_socket_dir = {self.folder}",
                    "auth_type = trust",
                    f"auth_file = {self.folder / 'users'}",
                    # Two connections: clients meet what others have left in them.
                    "default_pool_size = 2",
                    f"logfile = {self.folder / 'log'}",
                    f"pidfile = {self.folder / 'pid'}",
                    *settings,
                    "",
                ]
            )
        )
        self.run(program, "-d", self.folder / "pgbouncer.ini")
        self._stack.callback(self._stop)
        self._wait()

    def _wait(self) -> None:
        limit = time.monotonic() + _MAX_WAIT_SECONDS
        while not (self.folder / f".s.PGSQL.{_PORT}").exists():
            if time.monotonic() > limit:
                raise TimeoutError((self.folder / "log").read_text())

    def _stop(self) -> None:
        os.kill(int((self.folder / "pid").read_text()), 15)
        limit = time.monotonic() + _MAX_WAIT_SECONDS
        while (self.folder / "pid").exists() and time.monotonic() < limit:
            pass

    def find_url(self, url: str, **query: str) -> str:
        """Return the URL of a database of the server, through the pooler."""
        return _with_socket(url, self.folder, **query)


def _with_socket(url: str, folder: Path, **query: str) -> str:
    parsed = sa.make_url(url).update_query_dict({"host": str(folder), **query})
    return parsed.render_as_string(hide_password=False)


def _ask(url: str, query: str) -> Any:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row and row[0]
