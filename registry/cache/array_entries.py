"""The format of an entry with an array of several stored files: payloads, then what is needed to verify them.

::

    <payload of the first file> <payload of the second file> ...      at the start, so that a mapping is aligned
    <JSON: dtype, shape, the start of the system, and by part the file's SHA-256 and what it has before its payload>
    calreg array 1 <length of the JSON, 10 digits> <BLAKE3 of the JSON> <line end>

With what stands before its payload, each part is its stored file again, so it is verified by the digests of that file,
which are recorded in the database, and not by what the entry says of itself. The name of the entry is a digest, too:
of dtype, shape, and the SHA-256 of the files in their order. So whoever wants these files gets just these.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from registry.cache.names import EntryKind, EntryName
from registry.files import blake3_of

_TITLE = "calreg array 1"
_FOOTER_SIZE = len(_TITLE) + 1 + 10 + 1 + 64 + 1
_MAX_JSON_SIZE = 64 << 20
_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ArrayContent:
    """The content of an array: its dtype as numpy writes it, and the SHA-256 of its files, None for zeros.

    The last two of `shape` are the rows and columns of a part.
    """

    dtype: str
    item_size: int
    shape: tuple[int, ...]
    files: tuple[str | None, ...]

    @property
    def name(self) -> EntryName:
        """The name of the entry."""
        lines = [_TITLE, f"dtype {self.dtype}", f"shape {' '.join(map(str, self.shape))}"]
        lines += [file or "-" for file in self.files]
        text = "".join(f"{line}\n" for line in lines)
        return EntryName(EntryKind.ARRAY, hashlib.sha256(text.encode()).hexdigest())

    @property
    def part_size(self) -> int:
        """The bytes of the payload of a part."""
        return math.prod(self.shape[-2:]) * self.item_size

    @property
    def size(self) -> int:
        """The bytes of all payloads."""
        return math.prod(self.shape) * self.item_size


class ArrayRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON of an entry; ``starts`` has what files have before their payloads, ``start_of`` its index by part."""

    dtype: str
    item_size: int
    shape: tuple[int, ...]
    files: tuple[str | None, ...]
    boot: str
    starts: tuple[bytes, ...]
    start_of: tuple[int, ...]

    @property
    def content(self) -> ArrayContent:
        """The content of the array."""
        return ArrayContent(self.dtype, self.item_size, self.shape, self.files)

    def find_start(self, part: int) -> bytes:
        """Return what the file of a part has before its payload."""
        return self.starts[self.start_of[part]]


def encode_record(content: ArrayContent, starts: Sequence[bytes]) -> bytes:
    """Return what follows the payloads, from what each file has before its own."""
    distinct = tuple(dict.fromkeys(starts))
    places = {start: place for place, start in enumerate(distinct)}
    record = ArrayRecord(
        content.dtype,
        content.item_size,
        content.shape,
        content.files,
        find_boot(),
        distinct,
        tuple(places[start] for start in starts),
    )
    text = msgspec.json.encode(record)
    return text + f"{_TITLE} {len(text):010d} {blake3_of(text)}\n".encode()


def read_record(handle: int) -> ArrayRecord | None:
    """Return what an open entry says of itself, None where it is not whole."""
    size = os.fstat(handle).st_size
    footer = os.pread(handle, _FOOTER_SIZE, max(0, size - _FOOTER_SIZE))
    length = parse_footer(footer)
    if length is None or length > size - _FOOTER_SIZE:
        return None
    record = parse_record(os.pread(handle, length, size - _FOOTER_SIZE - length), footer)
    is_whole = record is not None and record.content.size == size - _FOOTER_SIZE - length
    return record if is_whole else None


def parse_footer(footer: bytes) -> int | None:
    """Return the length of the JSON before a footer, None for what is not a footer."""
    words = footer.decode("latin-1").rsplit(" ", 2)
    if len(footer) != _FOOTER_SIZE or len(words) != 3 or words[0] != _TITLE:
        return None
    length = words[1]
    is_number = len(length) == 10 and length.isascii() and length.isdigit()
    return int(length) if is_number and int(length) <= _MAX_JSON_SIZE else None


def parse_record(text: bytes, footer: bytes) -> ArrayRecord | None:
    """Return the JSON of an entry, None where it is damaged or contradicts itself."""
    if footer != f"{_TITLE} {len(text):010d} {blake3_of(text)}\n".encode():
        return None
    try:
        record = msgspec.json.decode(text, type=ArrayRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    parts = math.prod(record.shape[:-2])
    is_consistent = (
        len(record.shape) >= 2
        and min(record.shape) >= 0
        and record.item_size > 0
        and parts == len(record.files) == len(record.start_of)
        and all(0 <= place < len(record.starts) for place in record.start_of)
    )
    return record if is_consistent else None


def find_boot() -> str:
    """Return the Id of the start of this system; empty where it is not known.

    What was written before the machine went down may have been lost in part, although it was complete.
    """
    try:
        return _BOOT_FILE.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def is_sound(handle: int, name: EntryName) -> bool:
    """Tell whether an entry is what its name says, by the SHA-256 of every file in it."""
    record = read_record(handle)
    if record is None or record.content.name != name:
        return False
    size = record.content.part_size
    return all(
        _is_part_sound(os.pread(handle, size, part * size), file, record.find_start(part))
        for part, file in enumerate(record.files)
    )


def _is_part_sound(payload: bytes, file: str | None, start: bytes) -> bool:
    if file is None:
        return not any(payload)
    return hashlib.sha256(start + payload).hexdigest() == file
