"""The script of the page about seals computes every seal, without calreg."""

import ast
import json
import math
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry import schema
from registry.api import Registry
from registry.authorship import build_signature
from registry.database import seal_text, sealed_tables
from registry.database.guards.installation import disable_guards
from registry.lookup.broken_seals import find_broken_seals
from registry.lookup.sealed_rows import read_facts
from registry.parallel import no_progress
from testing.panels import PANEL_A
from testing.registries import RegistryLocation
from tests.copies import AT, fill_registry, read_rows
from tests.seal_script import PAGE, list_seals, read_script, run_script

pytestmark = pytest.mark.small_panels

# Every character that JSON escapes, those around them, those of which other encodings and languages make something.
TEXT = (
    "".join(map(chr, range(1, 0x250))) + "\u2028\u2029\ufeff\uffff\U0001f600 \\u0041 e\u0301 \u00e9 </script>"
)


def _record(registry: Registry, table: sa.Table, *rows: dict[str, Any], comment: str = "by hand") -> int:
    with registry._backend.database.write_transaction(build_signature(), comment) as change:
        change.record(table, rows)
    assert change.revision is not None
    return change.revision


def _seal_late(registry: Registry) -> None:
    """Record a revision by hand, and seal it as one that was not sealed by its writer."""
    with registry._backend.database.exclusive_transaction() as connection:
        newest = connection.execute(
            sa.select(schema.revision).order_by(schema.revision.c.number.desc())
        ).first()
        head = connection.execute(sa.select(schema.seal).order_by(schema.seal.c.revision.desc())).first()
        assert newest is not None
        assert head is not None
        number = newest.number + 1
        connection.execute(schema.revision.insert(), dict(newest._mapping) | {"number": number})
        run = {"experiment": "late", "number": 1}
        ids = connection.execute(sa.select(sa.func.max(schema.run.c.id))).scalar_one()
        connection.execute(schema.run.insert(), run | {"id": ids + 1, "recorded_in": number})
        *_, (_, facts) = read_facts(connection, lambda _rows=1: None)
        link = connection.execute(
            sa.select(schema.export_seal.c.link).where(schema.export_seal.c.export == 2)
        )
        late = json.dumps({"comment": TEXT}, ensure_ascii=False)
        text = str(seal_text.SealText(number, head.digest, facts, (2, link.scalar_one()), late))
        row = {
            "revision": number,
            "digest": seal_text.seal_text(text),
            "text": text,
            "export": 2,
            "late": late,
        }
        connection.execute(schema.seal.insert(), row)


def _fill(registry: Registry, folder: Path) -> None:
    """Record rows of every table, withdrawals, exports, texts and numbers of every sort, and a late seal."""
    fill_registry(registry, folder)
    ancestor = {
        "ancestor": "8e4589ff-a4af-4bf8-800e-af7423380273",
        "head_revision": 7,
        "head_seal": "0f" * 32,
    }
    _record(registry, schema.lineage, {"reason": "loss", **ancestor})
    _record(registry, schema.run, {"experiment": TEXT[:32], "number": -(2**31)}, comment=TEXT)
    blob = {"size": 2**63 - 1, "dtype": "<f4", "shape": "1", "zeros": 0, "nonfinite": 0}
    numbers = (
        (-0.0, 0.0, 5e-324),
        (math.inf, -math.inf, math.nan),
        (1 / 3, -1.7976931348623157e308, 1e22),
        (None, 1.0, 2.0**53),
    )
    blobs = [
        {
            "sha256": f"{65536 * (7 - index) + index:064x}",
            "minimum": one,
            "median": two,
            "maximum": three,
            **blob,
        }
        for index, (one, two, three) in enumerate(numbers)
    ]
    _record(registry, schema.blob, *blobs)
    patterns = [
        {"blob": blobs[0]["sha256"], "algorithm": 2, "signs": b"\xff\x00", "samples": bytes(range(256))},
        {"blob": blobs[0]["sha256"], "algorithm": 10, "signs": None, "samples": None},
        {"blob": blobs[1]["sha256"], "algorithm": 1, "signs": b"", "samples": b"\x80"},
    ]
    _record(registry, schema.blob_pattern, *patterns)
    registry.detectors.name("xcs", PANEL_A)
    registry.detectors.withdraw_name("xcs", comment=TEXT)
    registry.export(PANEL_A, folder / "second", at=AT, types=["pixel_gain"], as_of=15)
    _seal_late(registry)
    registry.export(PANEL_A, folder / "third", at=AT, types=["pixel_gain"], as_of=15)


@pytest.mark.slow
def test_the_script_of_the_page_computes_every_seal(
    location: RegistryLocation, registry: Registry, tmp_path: Path
) -> None:
    _fill(registry, tmp_path / "made")
    rows = read_rows(location.database)
    assert [name for name, table in rows.items() if not table] == ["closure"]
    assert run_script(location.database) == list_seals(location.database)
    with registry._backend.database.read_transaction() as connection:
        assert list(find_broken_seals(connection, no_progress)) == []
    registry.tags.add("earlier", as_of=15)
    for as_of in ("earlier", 4, None):
        file = tmp_path / f"{as_of}.sqlite"
        taken = RegistryLocation(f"sqlite:///{file}", location.store)
        if as_of is None:  # of the blobs that were recorded by hand there are no files
            registry.export(PANEL_A, tmp_path / "fourth", at=AT, types=["pixel_gain"], as_of=15)
        registry.snapshot(file, as_of=as_of, store=location.store)
        ours, theirs = run_script(location.database), run_script(taken.database)
        assert theirs == list_seals(taken.database) == [line for line in ours if line in theirs]
        assert len(read_rows(taken.database)["export"]) == ({"earlier": 2, 4: 0, None: 4}[as_of])


CHANGES = {
    "UPDATE run SET begin_at = begin_at + 1 WHERE id = 1": "revision",
    "UPDATE tag SET name = 'thirdB' WHERE name = 'thirdA'": "revision",
    "UPDATE version SET withdrawn_in = NULL": "revision",
    "DELETE FROM configuration_panel WHERE position = 1": "revision",
    "UPDATE revision SET comment = comment || ' ' WHERE number = 2": "revision",
    "UPDATE blob SET median = 1 WHERE recorded_in = 7": "revision",
    "UPDATE registry SET created_at = created_at + 1": "export",
    "UPDATE export_output SET size = size + 1": "export",
    "DELETE FROM export_input": "export",
    "DELETE FROM seal WHERE revision = 3": "revision",
}


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_the_script_finds_what_was_changed(
    location: RegistryLocation, registry: Registry, tmp_path: Path
) -> None:
    fill_registry(registry, tmp_path / "made")
    seals = run_script(location.database)
    engine = location.engine()
    for change, what in CHANGES.items():
        with engine.begin() as connection, disable_guards(connection):
            saved = {
                name: connection.execute(sa.select(table)).mappings().all()
                for name, table in schema.metadata.tables.items()
            }
            assert connection.execute(sa.text(change)).rowcount, change
        first = next(line for line in run_script(location.database) if line.endswith("DIFFERS"))
        assert first.split()[0] == what
        assert not set(seals) & {first}
        with engine.begin() as connection, disable_guards(connection):
            for table in reversed(schema.metadata.sorted_tables):
                connection.execute(table.delete())
            for table in schema.metadata.sorted_tables:
                if saved[table.name]:
                    connection.execute(table.insert(), [dict(row) for row in saved[table.name]])
    engine.dispose()
    assert run_script(location.database) == seals


def test_the_script_is_short_and_needs_nothing_of_calreg() -> None:
    script = read_script()
    assert len(script.splitlines()) <= 100
    imported = {
        name
        for node in ast.walk(ast.parse(script))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported == {
        *("collections", "hashlib", "json", "math", "pathlib", "psycopg", "sqlite3", "struct", "sys")
    }


def test_the_page_names_every_table_and_shows_a_line_as_it_is() -> None:
    page = PAGE.read_text()
    names: dict[str, Any] = {}
    tree = ast.parse(read_script())
    constants = ast.Module([node for node in tree.body if isinstance(node, ast.Assign | ast.AugAssign)], [])
    exec(compile(constants, "seals.py", "exec"), names)  # noqa: S102 - the page's own
    assert {*names["KEYS"], *names["PARTS"]} == set(sealed_tables.RECORDED_TABLES)
    assert set(names["EXPORTS"]) == set(sealed_tables.EXPORT_TABLES)
    facts = {table.name for table in schema.metadata.sorted_tables if table.info.get("fact")}
    assert set(names["FACTS"]) == facts
    derived = {column.name for table in schema.metadata.sorted_tables for column in table.c if column.info}
    assert derived == {"latest_start"}
    assert all(f"`{name}`" in page for name in schema.metadata.tables)
    run = {"id": 1, "recorded_in": 4, "experiment": "xcsls3716", "number": 12, "begin_at": 1496268000000000}
    assert f"```json\n{seal_text.lines_of('run').encode_mappings([run]).decode()}```" in page


@pytest.mark.parametrize("word", ["number", "previous", "withdrawn", "exports", "late"])
def test_no_table_is_named_as_another_line_of_the_text(word: str) -> None:
    assert word not in schema.metadata.tables


@pytest.mark.parametrize(
    ("table", "one", "other"),
    [
        ("run", {"experiment": "aGk="}, {"experiment": b"hi"}),
        ("run", {"experiment": "['6869']"}, {"experiment": b"hi"}),
        ("run", {"begin_at": 1}, {"begin_at": "1"}),
        ("run", {"begin_at": 1}, {"begin_at": 1.0}),
        ("run", {"begin_at": 1}, {"end_at": 1}),
        ("run", {"experiment": ""}, {"experiment": None}),
        ("run", {"experiment": 'a","number":1'}, {"experiment": "a", "number": 1}),
        ("run", {"experiment": "e\u0301"}, {"experiment": "\u00e9"}),
        ("run", {"experiment": "\\u0041"}, {"experiment": "A"}),
        ("run", {"begin_at": 2**53}, {"begin_at": 2**53 + 1}),
        ("blob", {"minimum": 1.0}, {"minimum": "3ff0000000000000"}),
        ("blob", {"minimum": 1.0}, {"minimum": b"\x3f\xf0\0\0\0\0\0\0"}),
        ("blob", {"minimum": 1.0}, {"minimum": math.nextafter(1, 2)}),
        ("blob", {"minimum": 0.0}, {"minimum": None}),
        ("version", {"odd_allowed": True}, {"odd_allowed": 2}),
        ("version", {"odd_allowed": True}, {"odd_allowed": "1"}),
        ("version", {"odd_allowed": False}, {"odd_allowed": None}),
    ],
)
def test_two_rows_have_two_lines(table: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    lines = seal_text.lines_of(table)
    names = [column.name for column in lines.columns]
    first, second = (lines.encode_read_rows([[row.get(name) for name in names]]) for row in (one, other))
    assert first != second
    assert (first.count(b"\n"), second.count(b"\n")) == (1, 1)


def test_two_tables_have_two_lines() -> None:
    row = {"id": 1, "recorded_in": 1}
    lines = {seal_text.lines_of(name).encode_mappings([row]) for name in sealed_tables.RECORDED_TABLES}
    assert len(lines) == len(sealed_tables.RECORDED_TABLES)


def test_a_line_is_that_of_every_json_encoder() -> None:
    text = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    line = json.dumps(
        {"table": "run", "experiment": text, "number": 2**63 - 1}, ensure_ascii=False, separators=(",", ":")
    )
    encoded = seal_text.lines_of("run").encode_mappings([{"experiment": text, "number": 2**63 - 1}])
    assert encoded == line.encode() + b"\n"
