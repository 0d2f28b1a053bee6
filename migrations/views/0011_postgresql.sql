-- v_validity
CREATE VIEW v_validity AS
SELECT version.id AS version,
    panel.identifier AS panel,
    (SELECT alias.m_number FROM alias WHERE alias.panel_id = version.panel_id
        AND alias.valid_from <= version.valid_from AND alias.withdrawn_in IS NULL
        ORDER BY alias.valid_from DESC LIMIT 1) AS alias,
    panel.detector_type,
    version.kind,
    CASE WHEN version.valid_from <> '-9223372036854775808'::bigint THEN to_char('1970-01-01 00:00:00'::timestamp without time zone + (version.valid_from / 1000000)::double precision * '00:00:01'::interval + (version.valid_from % 1000000::bigint)::double precision * '00:00:00.000001'::interval, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text) ELSE NULL::text END AS valid_from,
    CASE WHEN next_version.valid_from <> '-9223372036854775808'::bigint THEN to_char('1970-01-01 00:00:00'::timestamp without time zone + (next_version.valid_from / 1000000)::double precision * '00:00:01'::interval + (next_version.valid_from % 1000000::bigint)::double precision * '00:00:00.000001'::interval, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text) ELSE NULL::text END AS valid_to,
    CASE WHEN version.constants_id IS NULL THEN 1 ELSE 0 END AS is_gap,
    constants.sha256 AS constants,
    version.source_path,
    version.comment,
    version.recorded_in,
    CASE WHEN revision.recorded_at <> '-9223372036854775808'::bigint THEN to_char('1970-01-01 00:00:00'::timestamp without time zone + (revision.recorded_at / 1000000)::double precision * '00:00:01'::interval + (revision.recorded_at % 1000000::bigint)::double precision * '00:00:00.000001'::interval, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text) ELSE NULL::text END AS recorded_at,
    revision.author
FROM version
    JOIN panel ON panel.id = version.panel_id
    JOIN revision ON revision.number = version.recorded_in
    LEFT JOIN constants ON constants.id = version.constants_id
    LEFT JOIN version next_version ON next_version.id = (SELECT later.id FROM version later
        WHERE later.panel_id = version.panel_id AND later.kind = version.kind
        AND later.valid_from > version.valid_from AND later.withdrawn_in IS NULL
        ORDER BY later.valid_from LIMIT 1)
WHERE version.withdrawn_in IS NULL;

-- v_runs
CREATE VIEW v_runs AS
SELECT 'exp=' || run.experiment || ':run=' || run.number AS dataset,
    run.experiment,
    run.number AS run,
    CASE WHEN run.begin_at <> '-9223372036854775808'::bigint THEN to_char('1970-01-01 00:00:00'::timestamp without time zone + (run.begin_at / 1000000)::double precision * '00:00:01'::interval + (run.begin_at % 1000000::bigint)::double precision * '00:00:00.000001'::interval, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text) ELSE NULL::text END AS begin_at,
    CASE WHEN run.end_at <> '-9223372036854775808'::bigint THEN to_char('1970-01-01 00:00:00'::timestamp without time zone + (run.end_at / 1000000)::double precision * '00:00:01'::interval + (run.end_at % 1000000::bigint)::double precision * '00:00:00.000001'::interval, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text) ELSE NULL::text END AS end_at,
    configuration.source,
    (SELECT count(*) FROM configuration_panel
        WHERE configuration_panel.configuration_id = configuration.id) AS panels,
    (SELECT string_agg(panel.identifier::text, '_'::text ORDER BY configuration_panel.position) FROM configuration_panel JOIN panel ON panel.id = configuration_panel.panel_id WHERE configuration_panel.configuration_id = configuration.id) AS detector_id,
    run.recorded_in,
    CASE WHEN revision.recorded_at <> '-9223372036854775808'::bigint THEN to_char('1970-01-01 00:00:00'::timestamp without time zone + (revision.recorded_at / 1000000)::double precision * '00:00:01'::interval + (revision.recorded_at % 1000000::bigint)::double precision * '00:00:00.000001'::interval, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text) ELSE NULL::text END AS recorded_at,
    revision.author
FROM run
    JOIN revision ON revision.number = run.recorded_in
    LEFT JOIN configuration ON configuration.experiment = run.experiment
        AND configuration.first_run <= run.number
        AND coalesce(configuration.last_run, run.number) >= run.number
        AND configuration.withdrawn_in IS NULL
WHERE run.withdrawn_in IS NULL;

-- v_log
CREATE VIEW v_log AS
SELECT revision.number AS revision,
    CASE WHEN revision.recorded_at <> '-9223372036854775808'::bigint THEN to_char('1970-01-01 00:00:00'::timestamp without time zone + (revision.recorded_at / 1000000)::double precision * '00:00:01'::interval + (revision.recorded_at % 1000000::bigint)::double precision * '00:00:00.000001'::interval, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text) ELSE NULL::text END AS recorded_at,
    revision.author,
    revision.database_role,
    revision.host,
    revision.command,
    revision.comment,
    (SELECT string_agg(tag.name::text, ', '::text ORDER BY tag.name COLLATE "C") FROM tag WHERE tag.revision = revision.number) AS tags,
    (SELECT count(*) FROM version WHERE version.recorded_in = revision.number) AS versions_recorded,
    (SELECT count(*) FROM version WHERE version.withdrawn_in = revision.number) AS versions_withdrawn,
    revision.software,
    seal.digest AS seal
FROM revision
    LEFT JOIN seal ON seal.revision = revision.number;
