"""The file in which a detector's maker delivers maps: stages one after the other, without a header.

Its size alone says which stages are there; at most one of them is in memory at a time.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from registry.detectors import MakerFormat
from registry.errors import ArrayError, NotFoundError, UnavailableError


@contextmanager
def open_makers_file(path: Path, maps: MakerFormat, shape: tuple[int, int]) -> Iterator[MakersFile]:
    """Open the maker's file of maps of that shape (row, column).

    Raises
    ------
    NotFoundError
        There is no such file.
    ArrayError
        It is no regular file, or has another size.
    UnavailableError
        It cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise ArrayError(f"{str(path)!r} is no regular file, so not the maker's maps", path=str(path))
        file = path.open("rb")
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {str(path)!r}", path=str(path)) from None
    except OSError as error:
        raise _unreadable_error(path, error) from None
    with file:
        yield MakersFile(path, file, maps, shape)


def _unreadable_error(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"{str(path)!r} cannot be read: {error.strerror}", path=str(path))


class MakersFile:
    """The stages of an open file, read one at a time, and the checksum of all that was read.

    Attributes
    ----------
    left_out
        The names of the stages after those that become gain ranges.
    digest
        The SHA-256 of what was read so far.
    """

    def __init__(self, path: Path, file: BinaryIO, maps: MakerFormat, shape: tuple[int, int]) -> None:
        self.path = path
        self.digest = hashlib.sha256()
        self.size = os.fstat(file.fileno()).st_size
        self._file = file
        self._dtype = np.dtype(maps.dtype)
        self._shape = shape
        self._stage_size = math.prod(self._shape) * self._dtype.itemsize
        layouts = {
            len(names) * self._stage_size: names
            for names in (maps.stages, maps.stages + maps.optional_stages)
        }
        if self.size not in layouts:
            expected = " or ".join(f"{size} ({', '.join(names)})" for size, names in layouts.items())
            raise ArrayError(
                f"{str(path)!r} has {self.size} bytes; the maker's maps have {expected}",
                path=str(path),
            )
        self.left_out = layouts[self.size][len(maps.stages) :]

    def read_stage(self) -> NDArray[np.float64]:
        """Read the next stage, shape (row, column).

        Raises
        ------
        ArrayError
            The file was cut since it was opened.
        UnavailableError
            It cannot be read.
        """
        try:
            content = self._file.read(self._stage_size)
        except OSError as error:
            raise _unreadable_error(self.path, error) from None
        if len(content) != self._stage_size:
            raise ArrayError(f"{str(self.path)!r} was changed while it was read", path=str(self.path))
        self.digest.update(content)
        return np.frombuffer(content, self._dtype).reshape(self._shape)
