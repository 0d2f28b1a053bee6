"""The registry that a worker serves: opened when it is first needed, and anew when its database becomes another one.

Answers that are kept are those of one history. Before any of them is sent, the database has said a moment ago that
it still is that history; a file of SQLite that changes, or is another one, is asked after a thousandth of a second.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from registry.api.registry import Registry
from registry.api.serving import find_newest_head
from registry.errors import ConflictError, RegistryError, RequestError, UnavailableError
from registry.heads import Head
from registry.permissions import list_log_files
from registry.service.kept_answers import KeptAnswers

_MOMENT = 1.0  # seconds
_GLANCE = 0.001  # seconds between two looks at the files of SQLite, a tenth of the time of a kept answer


@dataclass(frozen=True, slots=True)
class Opened:
    """An open registry, and the answers that are kept of its history."""

    registry: Registry
    kept: KeptAnswers


_Stamp = tuple[int, int, int, int] | None


class ServedRegistry:
    """A registry and what is kept of it; safe for threads.

    Parameters
    ----------
    open_registry
        Opens it, or refuses.
    file
        The file of SQLite; None for a database on a server.
    kept_bytes
        The memory of kept answers.
    """

    def __init__(self, open_registry: Callable[[], Registry], file: Path | None, kept_bytes: int) -> None:
        self._open, self._kept_bytes = open_registry, kept_bytes
        self._files = None if file is None else (str(file), str(list_log_files(file)[0]))
        self._lock = Lock()
        self._opened: Opened | None = None
        self._newest: Head | None = None
        self._refusal: RegistryError | None = None
        self._stamps: tuple[_Stamp, _Stamp] = (None, None)
        self._asked_at = self._looked_at = float("-inf")

    def get(self) -> Opened | None:
        """Return the registry, None where its database has to be asked before: `confirm` does."""
        return self._opened if self._refusal is None and self._is_fresh() else None

    def confirm(self) -> Opened:
        """Return the registry, after its database has said that it still is the one that was opened, or is now.

        Raises
        ------
        RegistryError
            It cannot be read; for a moment the same refusal is repeated, so that many requests wait for one attempt.
        """
        with self._lock:
            if self._is_fresh():
                if self._refusal is not None:
                    raise self._refusal.with_traceback(None)
                if self._opened is not None:
                    return self._opened
            stamps = self._read_stamps()
            try:
                opened = self._ask(is_same_file=stamps[0] == self._stamps[0])
            except RegistryError as error:
                self._refusal = error
                raise
            else:
                self._refusal = None
                return opened
            finally:
                self._stamps, self._asked_at = stamps, time.monotonic()
                self._looked_at = self._asked_at

    def close(self) -> None:
        """Close the registry."""
        if self._opened is not None:
            self._opened.registry.close()

    def _is_fresh(self) -> bool:
        now = time.monotonic()
        if now - self._asked_at >= _MOMENT:
            return False
        if now - self._looked_at >= _GLANCE:
            if self._read_stamps() != self._stamps:
                return False
            self._looked_at = now
        return True

    def _ask(self, *, is_same_file: bool) -> Opened:
        if self._opened is not None and self._refusal is None and is_same_file:
            with suppress(RegistryError):  # its connections may be gone; what else is wrong, opening it says
                newest = find_newest_head(self._opened.registry, self._newest)
                if newest is not None:
                    self._newest = newest
                    return self._opened
        return self._open_anew()

    def _open_anew(self) -> Opened:
        former = self._opened
        try:
            registry = self._open()
        except (ConflictError, RequestError) as error:  # nothing is wrong with what a client asks
            raise UnavailableError(f"the registry cannot be served: {error}") from error
        try:
            newest = find_newest_head(registry, None)
            is_same = (
                former is not None
                and registry.id == former.registry.id
                and find_newest_head(registry, self._newest) is not None
            )
        except BaseException:
            registry.close()
            raise
        kept = former.kept if former is not None and is_same else KeptAnswers(self._kept_bytes)
        self._opened, self._newest = Opened(registry, kept), newest
        if former is not None:
            former.registry.close()
        return self._opened

    def _read_stamps(self) -> tuple[_Stamp, _Stamp]:
        """Return what changes with the file of SQLite, and with the log beside it."""
        if self._files is None:
            return None, None
        file, log = self._files
        return _read_stamp(file), _read_stamp(log)


def _read_stamp(path: str) -> _Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116 - for every request: half the time of Path.stat
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns
