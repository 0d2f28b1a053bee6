"""Faults of files: of those in a store, and of the pages and bits of a SQLite file."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path

_SECTOR_BYTES = 4096


# In the store: (object, another object, random numbers). Only a swap damages the other object, too.
def _flip_bit(path: Path, first: int, last: int, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(first, min(last, len(content)))] ^= 1 << rng.randrange(8)
    _replace_content(path, content)


def _flip_header_bit(path: Path, _: Path, rng: random.Random) -> None:
    _flip_bit(path, 0, 128, rng)


def _flip_data_bit(path: Path, _: Path, rng: random.Random) -> None:
    _flip_bit(path, 128, 1 << 62, rng)


def _truncate(path: Path, _: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    _replace_content(path, content[: rng.randrange(len(content))])


def _extend(path: Path, _: Path, rng: random.Random) -> None:
    _replace_content(path, path.read_bytes() + rng.randbytes(rng.choice((1, 100, _SECTOR_BYTES))))


def _zero_sector(path: Path, _: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    begin = rng.randrange(len(content) // _SECTOR_BYTES + 1) * _SECTOR_BYTES
    end = min(begin + _SECTOR_BYTES, len(content))
    content[begin:end] = bytes(end - begin)
    _replace_content(path, content)


def _empty(path: Path, _: Path, __: random.Random) -> None:
    _replace_content(path, b"")


def _delete(path: Path, _: Path, __: random.Random) -> None:
    path.unlink()


def _overwrite_with_other(path: Path, other: Path, _: random.Random) -> None:
    _replace_content(path, other.read_bytes())


def _swap(path: Path, other: Path, _: random.Random) -> None:
    one, two = path.read_bytes(), other.read_bytes()
    _replace_content(path, two)
    _replace_content(other, one)


def _replace_with_folder(path: Path, _: Path, __: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _replace_with_pipe(path: Path, _: Path, __: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _replace_with_link(path: Path, other: Path, _: random.Random) -> None:
    path.unlink()
    path.symlink_to(other)


def _replace_with_broken_link(path: Path, _: Path, __: random.Random) -> None:
    path.unlink()
    path.symlink_to("nothing")


def _replace_with_link_to_itself(path: Path, _: Path, __: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _replace_content(path: Path, content: bytes | bytearray) -> None:
    path.unlink()  # the file may be linked from elsewhere
    path.write_bytes(content)
    path.chmod(0o444)  # mode bits prove nothing


StoreFault = Callable[[Path, Path, random.Random], None]
SWAPPED_FILES = "two files swapped"
STORE_FAULTS: Mapping[str, StoreFault] = {
    "a bit of a header": _flip_header_bit,
    "a bit of the data": _flip_data_bit,
    "file cut": _truncate,
    "file longer": _extend,
    "sector of zeros": _zero_sector,
    "file empty": _empty,
    "file deleted": _delete,
    "another file's bytes": _overwrite_with_other,
    SWAPPED_FILES: _swap,
    "folder instead": _replace_with_folder,
    "named pipe instead": _replace_with_pipe,
    "link to another file": _replace_with_link,
    "link to nothing": _replace_with_broken_link,
    "link to itself": _replace_with_link_to_itself,
}

PAGE_FAULTS = ("page of zeros", "page of ones", "page of noise", "page of another table")
BIT_FAULT = "a bit of the file"


def overwrite_page(file: Path, kind: str, rng: random.Random) -> None:
    """Overwrite a page of a SQLite file that nobody has open, or change one bit of it."""
    content = bytearray(file.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    if kind == BIT_FAULT:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    else:
        page = rng.randrange(len(content) // size)
        span = slice(page * size, (page + 1) * size)
        pages = [bytes(content[begin : begin + size]) for begin in range(size, len(content), size)]
        content[span] = {
            "page of zeros": bytes(size),
            "page of ones": b"\xff" * size,
            "page of noise": rng.randbytes(size),
            # The pages of empty tables are equal.
            "page of another table": rng.choice([other for other in pages if other != content[span]]),
        }[kind]
    file.write_bytes(content)
