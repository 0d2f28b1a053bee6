"""Seals of revisions and of exports; guards with one text; the lineage of a registry; names of snapshots.

Frozen once released: it describes the schema of its time, and imports nothing of the software.

The revisions that are there are sealed in their order, from their rows as they are; ``docs/seals.md`` describes the
texts. No export is in their seals: which ones were there before a revision was not recorded. So an older copy of the
registry gets the same seals whenever it is upgraded. Back to schema 0007 it goes only where the same upgrade would make
the same seals again.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import math
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import context, op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

GUARDS = Path(__file__).parent.parent / "guards"
# The names of guards, in this schema and in those before it; other triggers are not calreg's.
GUARD_NAME = re.compile("[a-z_]+_(insert|update|delete|truncate|closed_insert|closed_update|sealed)")

BATCH_SIZE = 1000

# The columns that are sealed, by table, in the order of their names; "~" marks booleans and floats, whose values differ
# between the databases. ``withdrawn_in`` is sealed by the revision that sets it, ``version.latest_start`` is derived.
COLUMNS = {
    "revision": "author command comment database_role host number recorded_at software",
    "alias": "id m_number panel_id recorded_in ~same_module valid_from",
    "blob": "blake3 dtype ~maximum ~median ~minimum nonfinite recorded_in sha256 shape size zeros",
    "configuration": "experiment first_run id last_run object_name recorded_in source",
    "configuration_panel": "configuration_id panel_id position segment",
    "constants": "detector_type id kind recorded_in sha256",
    "constants_file": "constants_id gain_range sha256",
    "panel": "detector_type firmware_version id identifier module_version recorded_in serial_number",
    "run": "begin_at end_at experiment id number recorded_in",
    "tag": "name recorded_in revision",
    "timezone": "id name recorded_in",
    "version": (
        "carried_from comment constants_id conversion id kind ~nonfinite_allowed ~odd_allowed panel_id recorded_in"
        " source_path valid_from"
    ),
    "export": (
        "author command database_role detector_id experiment first_run host id instant last_run provenance_path"
        " provenance_sha256 recorded_at revision run software source"
    ),
    "export_output": "export_id path sha256 size type",
    "export_input": "export_id version_id",
}
# What a row belongs to, in which rows come: (revision or export, then key), texts bytewise.
ORDERS = {
    "revision": ("number",),
    "alias": ("recorded_in", "id"),
    "blob": ("recorded_in", "sha256"),
    "configuration": ("recorded_in", "id"),
    "constants": ("recorded_in", "id"),
    "panel": ("recorded_in", "id"),
    "run": ("recorded_in", "id"),
    "tag": ("recorded_in", "name"),
    "timezone": ("recorded_in", "id"),
    "version": ("recorded_in", "id"),
    "export": ("id",),
    "export_output": ("export_id", "type"),
    "export_input": ("export_id", "version_id"),
}
CHILDREN = {
    "configuration_panel": ("configuration", "configuration_id", "position"),
    "constants_file": ("constants", "constants_id", "gain_range"),
}
TEXT_KEYS = {"sha256", "name", "type"}
FACTS = ("alias", "configuration", "run", "timezone", "version")
EXPORTS = ("export", "export_output", "export_input")


def upgrade() -> None:
    _refuse_other_types()
    _drop_guards()
    _create_tables()
    # The caller may say how far it is.
    progress = context.config.attributes.get("progress") or (lambda *_: nullcontext(lambda _rows: None))
    with progress("sealing revisions", _count_rows()) as advance:
        _seal_exports(advance)
        _seal_revisions(advance)
    _create_guards("0008")


def _refuse_other_types() -> None:
    """Refuse values of other types than their columns, which only SQLite takes: no seal can tell what they are."""
    if op.get_bind().dialect.name == "postgresql":
        return
    for table in ("registry", *COLUMNS):
        wrong = [
            f"typeof({column.name}) NOT IN ('{_sqlite_type(column.type)}', 'null')"
            for column in op.get_bind().exec_driver_sql(f"PRAGMA table_info({table})")
        ]
        query = sa.text(f"SELECT count(*) FROM {table} WHERE {' OR '.join(wrong)}")
        count = op.get_bind().execute(query).scalar_one()
        if count:
            raise RuntimeError(
                f"{count} rows of {table} hold values of other types than their columns: the database is damaged, and"
                " cannot be sealed"
            )


def _sqlite_type(declared: str) -> str:
    if declared == "TEXT" or declared.startswith("VARCHAR"):
        return "text"
    return "real" if declared.startswith("DOUBLE") else "integer"


def _count_rows() -> int:
    counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in COLUMNS)
    return sum(op.get_bind().execute(sa.text(f"SELECT {counts}")).one())


def downgrade() -> None:
    _refuse_loss()
    _drop_guards()
    for table in ("lineage", "seal", "export_seal"):
        op.drop_table(table)
    for table, column in (("tag", "seal"), ("closure", "tag"), ("closure", "timezone")):
        op.drop_column(table, column)
    _create_guards("0007")


def _create_tables() -> None:
    op.create_table(
        "export_seal",
        sa.Column("export", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("link", sa.String(length=64), nullable=False),
        _digest_rule("export_seal", "digest"),
        _digest_rule("export_seal", "link"),
        sa.PrimaryKeyConstraint("export", name=op.f("pk_export_seal")),
    )
    op.create_table(
        "seal",
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("export", sa.Integer(), nullable=True),
        sa.Column("late", sa.Text(), nullable=True),
        _digest_rule("seal", "digest"),
        sa.ForeignKeyConstraint(["export"], ["export_seal.export"], name=op.f("fk_seal_export")),
        sa.ForeignKeyConstraint(["revision"], ["revision.number"], name=op.f("fk_seal_revision")),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_seal")),
    )
    op.create_table(
        "lineage",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recorded_in", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("registry", sa.String(length=36), nullable=True),
        sa.Column("ancestor", sa.String(length=36), nullable=False),
        sa.Column("head_revision", sa.Integer(), nullable=False),
        sa.Column("head_seal", sa.String(length=64), nullable=False),
        _digest_rule("lineage", "head_seal"),
        sa.CheckConstraint(
            "(reason = 'fork' AND registry IS NOT NULL) OR (reason = 'loss' AND registry IS NULL)",
            name=op.f("ck_lineage_reason_is_known"),
        ),
        sa.ForeignKeyConstraint(["recorded_in"], ["revision.number"], name=op.f("fk_lineage_recorded_in")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lineage")),
    )
    op.execute(
        "ALTER TABLE tag ADD COLUMN seal VARCHAR(64)"
        " CONSTRAINT ck_tag_seal_is_digest CHECK (length(seal) = 64 AND seal = lower(seal))"
    )
    op.add_column("closure", sa.Column("tag", sa.String(length=64), nullable=True))
    op.add_column("closure", sa.Column("timezone", sa.String(length=64), nullable=True))


def _digest_rule(table: str, column: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(
        f"length({column}) = 64 AND {column} = lower({column})", name=op.f(f"ck_{table}_{column}_is_digest")
    )


def _refuse_loss() -> None:
    bind = op.get_bind()
    unsealed = "SELECT count(*) FROM revision WHERE number NOT IN (SELECT revision FROM seal)"
    count = bind.execute(sa.text(unsealed)).scalar_one()
    if count:
        raise RuntimeError(
            f"this registry has {count} revisions without a seal; going below schema 0008 would conceal them"
        )
    lost = {
        "seals that quote exports": "seal WHERE export IS NOT NULL",
        "revisions that were sealed later": "seal WHERE late IS NOT NULL",
        "tags with the seals of their revisions": "tag WHERE seal IS NOT NULL",
        "forks or losses in its history": "lineage",
        "closures of a snapshot with its name or time zone": (
            "closure WHERE tag IS NOT NULL OR timezone IS NOT NULL"
        ),
    }
    for rows_name, rows in lost.items():
        count = op.get_bind().execute(sa.text(f"SELECT count(*) FROM {rows}")).scalar_one()
        if count:
            raise RuntimeError(
                f"this registry has {count} {rows_name}; going below schema 0008 would lose them"
            )


def _seal_exports(advance: Callable[[int], None]) -> None:
    """Seal the exports in their order, and link each to the one before."""
    parts = [_join_lines(order, _group_lines(table, advance)) for order, table in enumerate(EXPORTS)]
    _insert("export_seal", _link_exports(heapq.merge(*parts)))


def _join_lines(
    order: int, groups: Iterable[tuple[int, Iterable[bytes]]]
) -> Iterator[tuple[int, int, bytes]]:
    for number, lines in groups:
        yield number, order, b"".join(lines)


def _link_exports(parts: Iterable[tuple[int, int, bytes]]) -> Iterator[dict[str, Any]]:
    link = _seal_registry()
    for number, group in groupby(parts, key=itemgetter(0)):
        digest = hashlib.sha256(b"".join(lines for _, _, lines in group)).hexdigest()
        link = _sha256(f"calreg export 1\nnumber {number}\nprevious {link}\ndigest {digest}\n")
        yield {"export": number, "digest": digest, "link": link}


def _seal_revisions(advance: Callable[[int], None]) -> None:
    """Seal the revisions in their order; only a batch of rows is in memory."""
    _insert("seal", _make_seals(_merge_facts(advance)))


def _make_seals(facts: Iterable[tuple[int, int, str, str]]) -> Iterator[dict[str, Any]]:
    previous = _seal_registry()
    for number, group in groupby(facts, key=itemgetter(0)):
        # "revision" is before every table, "withdrawn ..." after them.
        lines = "".join(f"{name} {digest}\n" for _, _, name, digest in group)
        if not lines.startswith("revision ") or not previous:
            missing = f"revision {number}" if previous else "the registry's own row"
            raise RuntimeError(
                f"there are rows of revision {number}, and {missing} is missing: the database is damaged, and cannot be"
                " sealed"
            )
        text = f"calreg seal 1\nnumber {number}\nprevious {previous}\n{lines}"
        previous = _sha256(text)
        yield {"revision": number, "digest": previous, "text": text}


def _merge_facts(advance: Callable[[int], None]) -> Iterator[tuple[int, int, str, str]]:
    """Yield (revision, place, what it changed, number and SHA-256 of the lines) in the order of the texts."""
    recorded = [name for name in COLUMNS if name not in EXPORTS]
    return heapq.merge(
        *(_digest_rows(int(name != "revision"), name, _group_lines(name, advance)) for name in recorded),
        *(_digest_rows(2, f"withdrawn {name}", _group_withdrawn(name)) for name in FACTS),
    )


def _digest_rows(
    place: int, name: str, groups: Iterable[tuple[int, Iterable[bytes]]]
) -> Iterator[tuple[int, int, str, str]]:
    for number, lines in groups:
        count, digest = 0, hashlib.sha256()
        for line in lines:
            count += 1
            digest.update(line)
        yield number, place, name, f"{count} {digest.hexdigest()}"


def _group_lines(table: str, advance: Callable[[int], None]) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Yield the lines of a table's rows by the revision, or the export, that they belong to."""
    marked = COLUMNS[table].split()
    names = [name.lstrip("~") for name in marked]
    converted = [index for index, name in enumerate(marked) if name.startswith("~")]
    if table in CHILDREN:
        parent, key, number = CHILDREN[table]
        source, order = f"{table} c JOIN {parent} p ON p.id = c.{key}", [f"c.{key}", f"c.{number}"]
        selected, first = [f"c.{name}" for name in names], "p.recorded_in"
    else:
        first, *order = ORDERS[table]
        source, selected = table, names
    keys = ", ".join([first, *map(_bytewise, order)])
    query = sa.text(f"SELECT {', '.join([first, *selected])} FROM {source} ORDER BY {keys}")
    rows = _read_rows(query, advance)
    for number, group in groupby(rows, key=itemgetter(0)):
        yield number, (_encode_row(table, names, converted, row[1:]) for row in group)


def _read_rows(query: sa.TextClause, advance: Callable[[int], None]) -> Iterator[Any]:
    options = {"stream_results": True, "max_row_buffer": BATCH_SIZE}
    with op.get_bind().execute(query, execution_options=options) as result:
        for batch in result.partitions(BATCH_SIZE):
            advance(len(batch))
            yield from batch


def _group_withdrawn(table: str) -> Iterator[tuple[int, Iterator[bytes]]]:
    query = sa.text(
        f"SELECT withdrawn_in, id FROM {table} WHERE withdrawn_in IS NOT NULL ORDER BY withdrawn_in, id"
    )
    rows = _read_rows(query, lambda _rows: None)
    for number, group in groupby(rows, key=itemgetter(0)):
        yield number, (b"%d\n" % row[1] for row in group)


def _bytewise(column: str) -> str:
    collated = column in TEXT_KEYS and op.get_bind().dialect.name == "postgresql"
    return f'{column} COLLATE "C"' if collated else column


def _encode_row(table: str, names: list[str], converted: list[int], row: Iterable[Any]) -> bytes:
    values = list(row)
    for index in converted:
        values[index] = _as_canonical(values[index])
    line = {"table": table} | {
        name: value for name, value in zip(names, values, strict=True) if value is not None
    }
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _as_canonical(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return None if math.isnan(value) else struct.pack(">d", value + 0.0).hex()
    return value


def _seal_registry() -> str:
    row = op.get_bind().execute(sa.text("SELECT id, created_at FROM registry")).one_or_none()
    return "" if row is None else _sha256(f"calreg registry 1\nid {row.id}\ncreated {row.created_at}\n")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _insert(table: str, rows: Iterator[dict[str, Any]]) -> None:
    while batch := list(islice(rows, BATCH_SIZE)):
        columns = ", ".join(batch[0])
        marks = ", ".join(f":{name}" for name in batch[0])
        op.get_bind().execute(sa.text(f"INSERT INTO {table} ({columns}) VALUES ({marks})"), batch)


def _drop_guards() -> None:
    """Drop every trigger and function of calreg in this schema, in whatever state it is."""
    if op.get_bind().dialect.name == "postgresql":
        _drop_guards_on_postgresql()
        return
    query = sa.text("SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'")
    for name, table in op.get_bind().execute(query).all():
        if _is_guard(name, table):
            op.get_bind().exec_driver_sql(f'DROP TRIGGER "{name}"')


def _drop_guards_on_postgresql() -> None:
    triggers = sa.text("""
        SELECT tgname, quote_ident(tgname), relname, quote_ident(relname), proname
        FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE NOT tgisinternal AND relnamespace = quote_ident(current_schema())::regnamespace""")
    for name, quoted, table, quoted_table, function in op.get_bind().execute(triggers).all():
        if _is_guard(name, table) or function.startswith("calreg_"):
            op.get_bind().exec_driver_sql(f"DROP TRIGGER {quoted} ON {quoted_table}")
    # One that a trigger elsewhere executes cannot be dropped: it is replaced.
    functions = sa.text(r"""
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = quote_ident(current_schema())::regnamespace AND proname LIKE 'calreg\_%'
              AND NOT EXISTS (SELECT 1 FROM pg_trigger WHERE tgfoid = pg_proc.oid)""")
    for function in op.get_bind().execute(functions).scalars().all():
        op.get_bind().exec_driver_sql(f"DROP ROUTINE {function}")


def _is_guard(name: str, table: str) -> bool:
    return name.startswith(f"{table}_") and GUARD_NAME.fullmatch(name) is not None


def _create_guards(schema: str) -> None:
    """Create the guards of a schema from their frozen text."""
    dialect = op.get_bind().dialect.name
    text = (GUARDS / f"{schema}_{dialect}.sql").read_text(encoding="utf-8")
    if dialect == "postgresql":
        ours = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
        text = text.replace("@schema@", ours).replace("%", "%%")
    for statement in re.split("^-- .*\n", text, flags=re.MULTILINE):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
