"""Faults to plant: in the files of a store, in the rows of a database, in the pages of a SQLite file."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import sqlalchemy as sa

from registry.database.engine import make_engine
from testing.registries import RegistryLocation

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

_A_FILE = "(SELECT min(sha256) FROM constants_file WHERE constants_id = 1)"
_OTHER_FILE = "(SELECT max(sha256) FROM constants_file WHERE constants_id = 3)"
_UNKNOWN_DIGEST = "0" * 64
# Statements executed while the guards are off.
ROW_FAULTS: Mapping[str, tuple[str, ...]] = {
    "checksum of a file": (
        f"UPDATE constants_file SET sha256 = {_OTHER_FILE} WHERE constants_id = 1 AND gain_range = 0",
    ),
    "files of other gain ranges": (
        "UPDATE constants_file SET gain_range = gain_range + 3 WHERE constants_id = 1",
    ),
    "a file of constants deleted": ("DELETE FROM constants_file WHERE constants_id = 1 AND gain_range = 2",),
    "name of constants": (f"UPDATE constants SET sha256 = '{_UNKNOWN_DIGEST}' WHERE id = 1",),
    "kind of constants": ("UPDATE constants SET kind = 'offset' WHERE id = 1",),
    "type of constants": ("UPDATE constants SET detector_type = 'epix10ka' WHERE id = 1",),
    "size": (f"UPDATE blob SET size = size + 1 WHERE sha256 = {_A_FILE}",),
    "minimum": (f"UPDATE blob SET minimum = minimum - 1 WHERE sha256 = {_A_FILE}",),
    "median": (f"UPDATE blob SET median = median + 1e-9 WHERE sha256 = {_A_FILE}",),
    "maximum": (f"UPDATE blob SET maximum = NULL WHERE sha256 = {_A_FILE}",),
    "zeros": (f"UPDATE blob SET zeros = 7 WHERE sha256 = {_A_FILE}",),
    "non-finite": (f"UPDATE blob SET nonfinite = 7 WHERE sha256 = {_A_FILE}",),
    "dtype": (f"UPDATE blob SET dtype = '<f8' WHERE sha256 = {_A_FILE}",),
    "shape": (f"UPDATE blob SET shape = '1024,512' WHERE sha256 = {_A_FILE}",),
    "second checksum": (f"UPDATE blob SET blake3 = '{_UNKNOWN_DIGEST}' WHERE sha256 = {_A_FILE}",),
    "a file deleted": (f"DELETE FROM blob WHERE sha256 = {_A_FILE}",),
    "constants deleted": ("DELETE FROM constants WHERE id = 2",),
    "version deleted": ("DELETE FROM version WHERE id = 2",),
    "last version deleted": ("DELETE FROM version WHERE id = (SELECT max(id) FROM version)",),
    "constants of a version": ("UPDATE version SET constants_id = 3 WHERE id = 1",),
    "kind of a version": ("UPDATE version SET kind = 'rms' WHERE id = 1",),
    "unknown kind": ("UPDATE version SET kind = 'gian' WHERE id = 1",),
    "start after it was used": ("UPDATE version SET valid_from = valid_from + 94608000000000 WHERE id = 1",),
    "start before it was used": ("UPDATE version SET valid_from = valid_from - 1000000 WHERE id = 1",),
    "start that was not used": ("UPDATE version SET valid_from = valid_from + 1000000 WHERE id = 5",),
    "latest start": ("UPDATE version SET latest_start = latest_start - 1 WHERE id = 1",),
    "start out of range": ("UPDATE version SET valid_from = 9000000000000000000 WHERE id = 1",),
    "two at one start": ("UPDATE version SET panel_id = 1, withdrawn_in = 1 + recorded_in WHERE id = 3",),
    "panel of a version": ("UPDATE version SET panel_id = 77 WHERE id = 1",),
    "revision of a version": ("UPDATE version SET recorded_in = 1 WHERE id = 3",),
    "withdrawn in no revision": ("UPDATE version SET withdrawn_in = 99 WHERE id = 1",),
    "withdrawn, which was used": ("UPDATE version SET withdrawn_in = 3 WHERE id = 1",),
    "panel Id": ("UPDATE panel SET identifier = '170505-149520170815-3d00b1' WHERE id = 1",),
    "serial number": ("UPDATE panel SET serial_number = '3d00b1' WHERE id = 1",),
    "panel deleted": ("DELETE FROM panel WHERE id = 1",),
    "revision deleted": ("DELETE FROM revision WHERE number = 2",),
    "instant of a revision": (
        "UPDATE revision SET recorded_at = recorded_at - 86400000000 WHERE number = 2",
    ),
    "export without inputs": ("DELETE FROM export_input WHERE export_id = 1",),
    "export deleted": (
        "DELETE FROM export_input WHERE export_id = 1",
        "DELETE FROM export_output WHERE export_id = 1",
        "DELETE FROM export WHERE id = 1",
    ),
}
# SQLite keeps any value in any column.
SQLITE_ROW_FAULTS: Mapping[str, tuple[str, ...]] = {
    "size that is a text": (f"UPDATE blob SET size = 'large' WHERE sha256 = {_A_FILE}",),
    "start that is a text": ("UPDATE version SET valid_from = 'early' WHERE id = 1",),
    "text that is not UTF-8": ("UPDATE version SET comment = CAST(x'ff' AS TEXT) WHERE id = 1",),
}
# Facts that no other row or file repeats: verify does not promise to detect these.
UNDETECTABLE_FAULTS: Mapping[str, tuple[str, ...]] = {
    "undetectable: comment": ("UPDATE version SET comment = 'as good as new' WHERE id = 1",),
    "undetectable: author": ("UPDATE revision SET author = 'somebody else' WHERE number = 1",),
    "undetectable: constants exchanged": (
        "UPDATE version SET constants_id = CASE id WHEN 1 THEN 3 ELSE 1 END WHERE id IN (1, 3)",
    ),
}
STATEMENTS = {**ROW_FAULTS, **SQLITE_ROW_FAULTS, **UNDETECTABLE_FAULTS}


def tamper(location: RegistryLocation, statements: tuple[str, ...]) -> None:
    """Execute the statements with guards and foreign keys off, then switch the guards on again."""
    if location.file is not None:
        _tamper_sqlite(location.file, statements)
        return
    engine = make_engine(location.database)
    with engine.begin() as connection:
        tables = (
            connection.execute(sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
            .scalars()
            .all()
        )
        guards = connection.execute(
            sa.text(
                "SELECT tgrelid::regclass AS table_name, tgname AS name FROM pg_trigger WHERE NOT tgisinternal"
            )
        ).all()
        for table in tables:
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for statement in statements:
            connection.exec_driver_sql(statement)
        for table in tables:
            connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE TRIGGER ALL")
        for trigger in guards:
            connection.exec_driver_sql(
                f"ALTER TABLE {trigger.table_name} ENABLE ALWAYS TRIGGER {trigger.name}"
            )
    engine.dispose()


def _tamper_sqlite(file: Path, statements: tuple[str, ...]) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)
    finally:
        connection.close()


PAGE_FAULTS = ("page of zeros", "page of ones", "page of noise", "page of another table")
SQLITE_BIT_FAULT = "undetectable: bit of the file"


def overwrite_page(file: Path, kind: str, rng: random.Random) -> None:
    """Overwrite a page of a SQLite file that nobody has open, or change one bit of it."""
    content = bytearray(file.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    if kind == SQLITE_BIT_FAULT:
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
