"""The statement that finds what is valid at an instant: for each panel and kind one probe of an index.

See docs/decisions/0008-look-ups-by-one-probe.md. As of an earlier revision the probe also walks over versions recorded
later or withdrawn before, up to the greatest start of that time.

PostgreSQL reads the rest of an index's page with every probe, which takes longer than to find the place. So at the
newest revision it looks nearby first, between the parameters ``near_before`` and ``near_after``, and anywhere else if
nothing starts there: they change how long a look-up takes, not its answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from registry import schema
from registry.database.kept_statements import keep_text
from registry.database.planner import hint_live_index, limit_one
from registry.lookup.m_numbers import instant_parameter, select_borne_aliases, select_m_number
from registry.lookup.revisions import select_revision_number
from registry.lookup.value_lists import is_listed, list_parameter
from registry.lookup.versions import list_version_columns, select_latest_start, select_next_start
from registry.sql import sa

if TYPE_CHECKING:
    _RevisionNumber = sa.ScalarSelect[int] | None
    """``None`` means the newest revision."""


class _Probes(NamedTuple):
    """Pairs of panel and kind joined with their valid version, and what else is asked for each of them."""

    joined: sa.FromClause
    version: sa.FromClause
    m_number: sa.ColumnElement[str | None]
    next_start: sa.ColumnElement[int | None]


@keep_text(
    *(
        {"kinds": kinds, "revision_by": by, "dialect": "sqlite"}
        for kinds in (1, 2)
        for by in ("newest", "number", "instant", "tag")
    )
)
def select_valid_versions(kinds: int, revision_by: str, dialect: str) -> sa.Select[Any]:
    """Return the statement: `list_version_columns`, empty where nothing is valid, and the column ``valid_to``.

    Its parameters are ``panels``, ``kind_0`` and so on, ``instant``, those of the reference to a revision, and where
    it `looks_nearby` the two bounds.
    """
    panel, constants = schema.panel, schema.constants
    revision = select_revision_number(revision_by)
    # Not a VALUES construct: SQLAlchemy would compile the statement anew for every look-up.
    kind_rows = sa.union_all(
        *(sa.select(sa.bindparam(f"kind_{number}", type_=sa.Text).label("kind")) for number in range(kinds))
    ).subquery("kinds")
    is_asked = is_listed(panel.c.identifier, list_parameter("panels", panel.c.identifier.type))
    if looks_nearby(dialect, revision_by):
        probes = _probe_nearby(kind_rows, sa.select(panel.c.id).where(is_asked).correlate(None))
    elif dialect == "postgresql":
        probes = _probe_laterally(kind_rows, revision)
    else:
        probes = _probe_by_number(kind_rows, revision)
    query = (
        sa.select(*list_version_columns(probes.version, probes.m_number), probes.next_start.label("valid_to"))
        .select_from(probes.joined)
        .outerjoin(constants, constants.c.id == probes.version.c.constants_id)
        .where(is_asked)
    )
    return query if revision is None else query.where(panel.c.recorded_in <= revision)


def looks_nearby(dialect: str, revision_by: str) -> bool:
    """Return whether the statement has the parameters ``near_before`` and ``near_after``."""
    return dialect == "postgresql" and revision_by == "newest"


def _probe_nearby(kind_rows: sa.Subquery, panel_ids: sa.Select[Any]) -> _Probes:
    """Join with the live version nearby, else with any before; the M-numbers of all panels are looked up together."""
    panel, version, later = schema.panel, schema.version.alias("probe"), schema.version.alias("later")
    borne = select_borne_aliases(panel_ids, instant_parameter()).subquery("borne_alias")
    pairs = panel.outerjoin(borne, borne.c.panel_id == panel.c.id).join(kind_rows, sa.true())
    near_before, near_after = (
        sa.bindparam(name, type_=sa.BigInteger) for name in ("near_before", "near_after")
    )
    near = _select_last(
        version, kind_rows, version.c.valid_from <= instant_parameter(), version.c.valid_from > near_before
    )
    far = _select_last(version, kind_rows, version.c.valid_from <= near_before)
    valid = sa.union_all(near, far).limit(limit_one()).lateral("valid")
    near_next = _select_first(
        later, kind_rows, later.c.valid_from > instant_parameter(), later.c.valid_from <= near_after
    )
    far_next = _select_first(later, kind_rows, later.c.valid_from > near_after)
    return _Probes(
        pairs.outerjoin(valid, sa.true()),
        valid,
        borne.c.m_number,
        sa.func.coalesce(near_next.scalar_subquery(), far_next.scalar_subquery()),
    )


def _select_last(
    version: sa.FromClause, kind_rows: sa.Subquery, *bounds: sa.ColumnElement[bool]
) -> sa.Select[Any]:
    """Return the live version of a panel and kind with the last start within the bounds."""
    return _select_live(version, kind_rows, *bounds).order_by(version.c.valid_from.desc())


def _select_first(
    version: sa.FromClause, kind_rows: sa.Subquery, *bounds: sa.ColumnElement[bool]
) -> sa.Select[Any]:
    """Return the first live start of a panel and kind within the bounds."""
    first = _select_live(version, kind_rows, *bounds).order_by(version.c.valid_from)
    return first.with_only_columns(version.c.valid_from)


def _select_live(
    version: sa.FromClause, kind_rows: sa.Subquery, *bounds: sa.ColumnElement[bool]
) -> sa.Select[Any]:
    live = _select_of_pair(version, kind_rows).where(*bounds, schema.live_condition(version, None))
    return hint_live_index(live, version, None)


def _select_of_pair(version: sa.FromClause, kind_rows: sa.Subquery) -> sa.Select[Any]:
    return (
        sa.select(version)
        .where(version.c.panel_id == schema.panel.c.id, version.c.kind == kind_rows.c.kind)
        .limit(limit_one())
        .correlate_except(version)
    )


def _probe_laterally(kind_rows: sa.Subquery, revision: _RevisionNumber) -> _Probes:
    """Join with rows: PostgreSQL has LATERAL, and one plan serves any number of panels."""
    panel_id = schema.panel.c.id
    latest = select_latest_start(panel_id, kind_rows.c.kind, revision).lateral("latest")
    pairs = schema.panel.join(kind_rows, sa.true()).outerjoin(latest, sa.true())
    version = _select_last_started(kind_rows, revision, latest.c.latest_start).lateral("valid")
    return _Probes(
        pairs.outerjoin(version, sa.true()),
        version,
        select_m_number(panel_id, instant_parameter(), revision),
        select_next_start(revision, version, latest.c.latest_start),
    )


def _probe_by_number(kind_rows: sa.Subquery, revision: _RevisionNumber) -> _Probes:
    """Join by number, for SQLite, which has no LATERAL."""
    panel_id, version, latest_start = schema.panel.c.id, schema.version, None
    if revision is not None:
        latest_start = select_latest_start(panel_id, kind_rows.c.kind, revision).scalar_subquery()
    last = _select_last_started(kind_rows, revision, latest_start)
    number = last.with_only_columns(last.selected_columns.id).scalar_subquery()
    pairs = schema.panel.join(kind_rows, sa.true())
    return _Probes(
        pairs.outerjoin(version, version.c.id == number),
        version,
        select_m_number(panel_id, instant_parameter(), revision),
        select_next_start(revision, version, latest_start),
    )


def _select_last_started(
    kind_rows: sa.Subquery, revision: _RevisionNumber, latest_start: sa.ColumnElement[int | None] | None
) -> sa.Select[Any]:
    """Return the version of a panel and kind with the last start at or before the instant, and `latest_start`."""
    version = schema.version.alias("probe")
    bound: sa.ColumnElement[Any] = instant_parameter()
    if latest_start is not None:
        # NULL where nothing was recorded yet: no start is at or before that.
        bound = sa.case((bound < latest_start, bound), else_=latest_start)
    last = _select_of_pair(version, kind_rows).where(
        version.c.valid_from <= bound, schema.live_condition(version, revision)
    )
    return hint_live_index(last.order_by(version.c.valid_from.desc()), version, revision)
