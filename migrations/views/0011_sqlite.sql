-- v_validity
CREATE VIEW v_validity AS
SELECT version.id AS version,
    panel.identifier AS panel,
    (SELECT alias.m_number FROM alias WHERE alias.panel_id = version.panel_id
        AND alias.valid_from <= version.valid_from AND alias.withdrawn_in IS NULL
        ORDER BY alias.valid_from DESC LIMIT 1) AS alias,
    panel.detector_type,
    version.kind,
    CASE WHEN version.valid_from <> -9223372036854775808 THEN strftime('%Y-%m-%dT%H:%M:%S', (version.valid_from - ((version.valid_from % 1000000 + 1000000) % 1000000)) / 1000000, 'unixepoch') || printf('.%06dZ', ((version.valid_from % 1000000 + 1000000) % 1000000)) END AS valid_from,
    CASE WHEN next_version.valid_from <> -9223372036854775808 THEN strftime('%Y-%m-%dT%H:%M:%S', (next_version.valid_from - ((next_version.valid_from % 1000000 + 1000000) % 1000000)) / 1000000, 'unixepoch') || printf('.%06dZ', ((next_version.valid_from % 1000000 + 1000000) % 1000000)) END AS valid_to,
    CASE WHEN version.constants_id IS NULL THEN 1 ELSE 0 END AS is_gap,
    constants.sha256 AS constants,
    version.source_path,
    version.comment,
    version.recorded_in,
    CASE WHEN revision.recorded_at <> -9223372036854775808 THEN strftime('%Y-%m-%dT%H:%M:%S', (revision.recorded_at - ((revision.recorded_at % 1000000 + 1000000) % 1000000)) / 1000000, 'unixepoch') || printf('.%06dZ', ((revision.recorded_at % 1000000 + 1000000) % 1000000)) END AS recorded_at,
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
    CASE WHEN run.begin_at <> -9223372036854775808 THEN strftime('%Y-%m-%dT%H:%M:%S', (run.begin_at - ((run.begin_at % 1000000 + 1000000) % 1000000)) / 1000000, 'unixepoch') || printf('.%06dZ', ((run.begin_at % 1000000 + 1000000) % 1000000)) END AS begin_at,
    CASE WHEN run.end_at <> -9223372036854775808 THEN strftime('%Y-%m-%dT%H:%M:%S', (run.end_at - ((run.end_at % 1000000 + 1000000) % 1000000)) / 1000000, 'unixepoch') || printf('.%06dZ', ((run.end_at % 1000000 + 1000000) % 1000000)) END AS end_at,
    configuration.source,
    (SELECT count(*) FROM configuration_panel
        WHERE configuration_panel.configuration_id = configuration.id) AS panels,
    (SELECT group_concat(identifier, '_') FROM (SELECT panel.identifier FROM configuration_panel JOIN panel ON panel.id = configuration_panel.panel_id WHERE configuration_panel.configuration_id = configuration.id ORDER BY configuration_panel.position)) AS detector_id,
    run.recorded_in,
    CASE WHEN revision.recorded_at <> -9223372036854775808 THEN strftime('%Y-%m-%dT%H:%M:%S', (revision.recorded_at - ((revision.recorded_at % 1000000 + 1000000) % 1000000)) / 1000000, 'unixepoch') || printf('.%06dZ', ((revision.recorded_at % 1000000 + 1000000) % 1000000)) END AS recorded_at,
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
    CASE WHEN revision.recorded_at <> -9223372036854775808 THEN strftime('%Y-%m-%dT%H:%M:%S', (revision.recorded_at - ((revision.recorded_at % 1000000 + 1000000) % 1000000)) / 1000000, 'unixepoch') || printf('.%06dZ', ((revision.recorded_at % 1000000 + 1000000) % 1000000)) END AS recorded_at,
    revision.author,
    revision.database_role,
    revision.host,
    revision.command,
    revision.comment,
    (SELECT group_concat(name, ', ') FROM (SELECT tag.name FROM tag WHERE tag.revision = revision.number ORDER BY tag.name)) AS tags,
    (SELECT count(*) FROM version WHERE version.recorded_in = revision.number) AS versions_recorded,
    (SELECT count(*) FROM version WHERE version.withdrawn_in = revision.number) AS versions_withdrawn,
    revision.software,
    seal.digest AS seal
FROM revision
    LEFT JOIN seal ON seal.revision = revision.number;
