"""Views for people with other tools: names instead of keys, and times as ISO 8601 texts in UTC.

This software reads none of them. PostgreSQL gives their texts back as it understood them. They are written so that
`database.catalogue` can compare them, whatever its release: each view reads two tables or more, because of one alone
some releases leave out the prefixes of the columns.
"""

from __future__ import annotations

from collections.abc import Mapping

APPLICATION_ID = int.from_bytes(b"calr", "big")
"""The application id in the header of a registry's SQLite file: bytes 68 to 71, ``calr``, which is 1667329138."""

_BEGINNING = -(2**63)


def build_views(dialect: str) -> Mapping[str, str]:
    """Return the SELECT of each view by its name, for SQLite or PostgreSQL."""
    return {
        "v_validity": _build_validity(dialect),
        "v_runs": _build_runs(dialect),
        "v_log": _build_log(dialect),
    }


def format_views(dialect: str) -> str:
    """Return the statements that make the views, as ``migrations/views`` keeps them."""
    return "\n".join(
        f"-- {name}\nCREATE VIEW {name} AS\n{text};\n" for name, text in build_views(dialect).items()
    )


def _build_validity(dialect: str) -> str:
    """Return the versions that are not withdrawn, each with the start of the next one of its panel and kind."""
    return f"""\
SELECT version.id AS version,
    panel.identifier AS panel,
    (SELECT alias.m_number FROM alias WHERE alias.panel_id = version.panel_id
        AND alias.valid_from <= version.valid_from AND alias.withdrawn_in IS NULL
        ORDER BY alias.valid_from DESC LIMIT 1) AS alias,
    panel.detector_type,
    version.kind,
    {_format_time(dialect, "version.valid_from")} AS valid_from,
    {_format_time(dialect, "next_version.valid_from")} AS valid_to,
    CASE WHEN version.constants_id IS NULL THEN 1 ELSE 0 END AS is_gap,
    constants.sha256 AS constants,
    version.source_path,
    version.comment,
    version.recorded_in,
    {_format_time(dialect, "revision.recorded_at")} AS recorded_at,
    revision.author
FROM version
    JOIN panel ON panel.id = version.panel_id
    JOIN revision ON revision.number = version.recorded_in
    LEFT JOIN constants ON constants.id = version.constants_id
    LEFT JOIN version next_version ON next_version.id = (SELECT later.id FROM version later
        WHERE later.panel_id = version.panel_id AND later.kind = version.kind
        AND later.valid_from > version.valid_from AND later.withdrawn_in IS NULL
        ORDER BY later.valid_from LIMIT 1)
WHERE version.withdrawn_in IS NULL"""


def _build_runs(dialect: str) -> str:
    """Return the runs that are not withdrawn, one row for each source that is configured for them, or one without."""
    return f"""\
SELECT 'exp=' || run.experiment || ':run=' || run.number AS dataset,
    run.experiment,
    run.number AS run,
    {_format_time(dialect, "run.begin_at")} AS begin_at,
    {_format_time(dialect, "run.end_at")} AS end_at,
    configuration.source,
    (SELECT count(*) FROM configuration_panel
        WHERE configuration_panel.configuration_id = configuration.id) AS panels,
    {_join_panels(dialect)} AS detector_id,
    run.recorded_in,
    {_format_time(dialect, "revision.recorded_at")} AS recorded_at,
    revision.author
FROM run
    JOIN revision ON revision.number = run.recorded_in
    LEFT JOIN configuration ON configuration.experiment = run.experiment
        AND configuration.first_run <= run.number
        AND coalesce(configuration.last_run, run.number) >= run.number
        AND configuration.withdrawn_in IS NULL
WHERE run.withdrawn_in IS NULL"""


def _build_log(dialect: str) -> str:
    """Return the revisions, each with its tags and the numbers of versions that it recorded and withdrew."""
    return f"""\
SELECT revision.number AS revision,
    {_format_time(dialect, "revision.recorded_at")} AS recorded_at,
    revision.author,
    revision.database_role,
    revision.host,
    revision.command,
    revision.comment,
    {_join_tags(dialect)} AS tags,
    (SELECT count(*) FROM version WHERE version.recorded_in = revision.number) AS versions_recorded,
    (SELECT count(*) FROM version WHERE version.withdrawn_in = revision.number) AS versions_withdrawn,
    revision.software,
    seal.digest AS seal
FROM revision
    LEFT JOIN seal ON seal.revision = revision.number"""


def _format_time(dialect: str, column: str) -> str:
    """Return the time of a column of microseconds since 1970: always with six digits, so that texts compare as times.

    NULL is the beginning, as in the JSON of this software, and what is not known.
    """
    if dialect == "sqlite":  # whose division of negative numbers rounds up
        digits = f"(({column} % 1000000 + 1000000) % 1000000)"
        seconds = f"({column} - {digits}) / 1000000"
        text = f"strftime('%Y-%m-%dT%H:%M:%S', {seconds}, 'unixepoch') || printf('.%06dZ', {digits})"
        return f"CASE WHEN {column} <> {_BEGINNING} THEN {text} END"
    seconds = f"({column} / 1000000)::double precision * '00:00:01'::interval"
    digits = f"({column} % 1000000::bigint)::double precision * '00:00:00.000001'::interval"
    time = f"'1970-01-01 00:00:00'::timestamp without time zone + {seconds} + {digits}"
    text = f"""to_char({time}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text)"""
    return f"CASE WHEN {column} <> '{_BEGINNING}'::bigint THEN {text} ELSE NULL::text END"


def _join_panels(dialect: str) -> str:
    """Return the panel Ids of the configuration in segment order, joined as a detector Id."""
    rows = (
        "FROM configuration_panel JOIN panel ON panel.id = configuration_panel.panel_id"
        " WHERE configuration_panel.configuration_id = configuration.id"
    )
    order = "ORDER BY configuration_panel.position"
    if dialect == "sqlite":
        return f"(SELECT group_concat(identifier, '_') FROM (SELECT panel.identifier {rows} {order}))"
    return f"(SELECT string_agg(panel.identifier::text, '_'::text {order}) {rows})"


def _join_tags(dialect: str) -> str:
    rows = "FROM tag WHERE tag.revision = revision.number"
    if dialect == "sqlite":
        return f"(SELECT group_concat(name, ', ') FROM (SELECT tag.name {rows} ORDER BY tag.name))"
    return f"(SELECT string_agg(tag.name::text, ', '::text ORDER BY tag.name COLLATE \"C\") {rows})"
