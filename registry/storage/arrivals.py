"""Files that are written one by one and get their names together: the disk is waited for once for many of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from registry.files import create_temporary, sync_file, sync_folder
from registry.parallel import parallel_for_each

_MOST_FILES = 1000
_MOST_BYTES = 64 << 20
_SYNCS = 8  # at once: they wait for the disk, which puts what several threads wait for into one transaction


class Arrivals:
    """Files that are whole and have no name yet; threads may share it.

    Attributes
    ----------
    folders
        Those that are ready for files.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._written: dict[Path, Path] = {}
        self._size = 0
        self.folders: set[Path] = set()

    @contextmanager
    def write(self, target: Path, *, stem: str | None = None) -> Iterator[Path]:
        """Hand out a temporary file in the target's folder, which gets the target's name when many are written.

        On an error until then it is removed, and the target stays as it was.
        """
        temporary = create_temporary(target, stem)
        try:
            yield temporary
            size = temporary.stat().st_size
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        with self._lock:
            self._written[temporary] = target
            self._size += size
            is_full = len(self._written) >= _MOST_FILES or self._size >= _MOST_BYTES
            if is_full:  # the others wait: what they write would have to be waited for as well
                self._settle()

    def settle(self) -> None:
        """Put what is written on the disk, and then give every file its name."""
        with self._lock:
            self._settle()

    def _settle(self) -> None:
        if not self._written:
            return
        parallel_for_each(sync_file, list(self._written), _SYNCS)
        folders = {target.parent for target in self._written.values()}
        for temporary, target in list(self._written.items()):
            temporary.replace(target)
            del self._written[temporary]
        self._size = 0
        parallel_for_each(sync_folder, folders, _SYNCS)

    def discard(self) -> None:
        """Remove what has no name yet."""
        for temporary in self._written:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        self._written.clear()
