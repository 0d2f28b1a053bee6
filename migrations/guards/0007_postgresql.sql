-- calreg_closed
CREATE OR REPLACE FUNCTION calreg_closed()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
        BEGIN
            IF EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) THEN
                RAISE EXCEPTION 'append-only: %: the registry is closed to writes', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NULL;
        END $function$;

-- calreg_insert_alias
CREATE OR REPLACE FUNCTION calreg_insert_alias()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM revision) THEN RAISE EXCEPTION 'append-only: alias: recorded_in is not the newest revision' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.withdrawn_in IS NOT NULL THEN RAISE EXCEPTION 'append-only: alias: a fact is not withdrawn when it is recorded' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.panel_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM panel WHERE id = NEW.panel_id) THEN RAISE EXCEPTION 'append-only: alias: panel_id refers to no panel' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_blob
CREATE OR REPLACE FUNCTION calreg_insert_blob()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM revision) THEN RAISE EXCEPTION 'append-only: blob: recorded_in is not the newest revision' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_closure
CREATE OR REPLACE FUNCTION calreg_insert_closure()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
        BEGIN
            IF NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM closure) THEN RAISE EXCEPTION 'append-only: closure: closures are numbered without gaps' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) THEN RAISE EXCEPTION 'append-only: closure: the registry is closed already' USING ERRCODE = 'integrity_constraint_violation'; END IF;
            RETURN NEW;
        END $function$;

-- calreg_insert_configuration
CREATE OR REPLACE FUNCTION calreg_insert_configuration()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM revision) THEN RAISE EXCEPTION 'append-only: configuration: recorded_in is not the newest revision' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.withdrawn_in IS NOT NULL THEN RAISE EXCEPTION 'append-only: configuration: a fact is not withdrawn when it is recorded' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_configuration_panel
CREATE OR REPLACE FUNCTION calreg_insert_configuration_panel()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF (SELECT recorded_in FROM configuration WHERE id = NEW.configuration_id) IS DISTINCT FROM (SELECT max(number) FROM revision) THEN RAISE EXCEPTION 'append-only: configuration_panel: the configuration was recorded by an earlier revision' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.panel_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM panel WHERE id = NEW.panel_id) THEN RAISE EXCEPTION 'append-only: configuration_panel: panel_id refers to no panel' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_constants
CREATE OR REPLACE FUNCTION calreg_insert_constants()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM revision) THEN RAISE EXCEPTION 'append-only: constants: recorded_in is not the newest revision' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_constants_file
CREATE OR REPLACE FUNCTION calreg_insert_constants_file()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF (SELECT recorded_in FROM constants WHERE id = NEW.constants_id) IS DISTINCT FROM (SELECT max(number) FROM revision) THEN RAISE EXCEPTION 'append-only: constants_file: the constants was recorded by an earlier revision' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.sha256 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM blob WHERE sha256 = NEW.sha256) THEN RAISE EXCEPTION 'append-only: constants_file: sha256 refers to no blob' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_export
CREATE OR REPLACE FUNCTION calreg_insert_export()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF NEW.revision IS NOT NULL AND NOT EXISTS (SELECT 1 FROM revision WHERE number = NEW.revision) THEN RAISE EXCEPTION 'append-only: export: revision refers to no revision' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_export_input
CREATE OR REPLACE FUNCTION calreg_insert_export_input()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF NEW.export_id IS DISTINCT FROM (SELECT max(id) FROM export) THEN RAISE EXCEPTION 'append-only: export_input: the export is not the newest' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.version_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM version WHERE id = NEW.version_id) THEN RAISE EXCEPTION 'append-only: export_input: version_id refers to no version' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_export_output
CREATE OR REPLACE FUNCTION calreg_insert_export_output()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF NEW.export_id IS DISTINCT FROM (SELECT max(id) FROM export) THEN RAISE EXCEPTION 'append-only: export_output: the export is not the newest' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_panel
CREATE OR REPLACE FUNCTION calreg_insert_panel()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM revision) THEN RAISE EXCEPTION 'append-only: panel: recorded_in is not the newest revision' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_registry
CREATE OR REPLACE FUNCTION calreg_insert_registry()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF EXISTS (SELECT 1 FROM registry) THEN RAISE EXCEPTION 'append-only: registry: a database holds one registry' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_revision
CREATE OR REPLACE FUNCTION calreg_insert_revision()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF NEW.number IS DISTINCT FROM coalesce((SELECT max(number) FROM revision), 0) + 1 THEN RAISE EXCEPTION 'append-only: revision: revisions are numbered without gaps' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.recorded_at < (SELECT recorded_at FROM revision ORDER BY number DESC LIMIT 1) THEN RAISE EXCEPTION 'append-only: revision: the instants of revisions never run backwards' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_run
CREATE OR REPLACE FUNCTION calreg_insert_run()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM revision) THEN RAISE EXCEPTION 'append-only: run: recorded_in is not the newest revision' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.withdrawn_in IS NOT NULL THEN RAISE EXCEPTION 'append-only: run: a fact is not withdrawn when it is recorded' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_tag
CREATE OR REPLACE FUNCTION calreg_insert_tag()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM revision) THEN RAISE EXCEPTION 'append-only: tag: recorded_in is not the newest revision' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.revision IS NOT NULL AND NOT EXISTS (SELECT 1 FROM revision WHERE number = NEW.revision) THEN RAISE EXCEPTION 'append-only: tag: revision refers to no revision' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_insert_timezone
CREATE OR REPLACE FUNCTION calreg_insert_timezone()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
        BEGIN
            IF NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM revision) THEN RAISE EXCEPTION 'append-only: timezone: recorded_in is not the newest revision' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.withdrawn_in IS NOT NULL THEN RAISE EXCEPTION 'append-only: timezone: a fact is not withdrawn when it is recorded' USING ERRCODE = 'integrity_constraint_violation'; END IF;
            RETURN NEW;
        END $function$;

-- calreg_insert_version
CREATE OR REPLACE FUNCTION calreg_insert_version()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
            BEGIN
                IF NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM revision) THEN RAISE EXCEPTION 'append-only: version: recorded_in is not the newest revision' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.withdrawn_in IS NOT NULL THEN RAISE EXCEPTION 'append-only: version: a fact is not withdrawn when it is recorded' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.panel_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM panel WHERE id = NEW.panel_id) THEN RAISE EXCEPTION 'append-only: version: panel_id refers to no panel' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.constants_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM constants WHERE id = NEW.constants_id) THEN RAISE EXCEPTION 'append-only: version: constants_id refers to no constants' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.carried_from IS NOT NULL AND NOT EXISTS (SELECT 1 FROM version WHERE id = NEW.carried_from) THEN RAISE EXCEPTION 'append-only: version: carried_from refers to no version' USING ERRCODE = 'integrity_constraint_violation'; END IF;
IF NEW.latest_start IS DISTINCT FROM (
    SELECT max(start) FROM (
        SELECT NEW.valid_from AS start
        UNION ALL
        SELECT (SELECT v.latest_start FROM version v WHERE v.panel_id = NEW.panel_id AND v.kind = NEW.kind
                ORDER BY v.recorded_in DESC, v.latest_start DESC LIMIT 1)
    ) AS starts) THEN RAISE EXCEPTION 'append-only: version: latest_start is not the greatest start of the panel and kind' USING ERRCODE = 'integrity_constraint_violation'; END IF;
                RETURN NEW;
            END $function$;

-- calreg_open
CREATE OR REPLACE FUNCTION calreg_open()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
        BEGIN
            IF to_jsonb(NEW) - 'opened_at' IS DISTINCT FROM to_jsonb(OLD) - 'opened_at' OR NOT (OLD.reason = 'arrival' AND OLD.opened_at IS NULL AND NEW.opened_at IS NOT NULL) THEN
                RAISE EXCEPTION 'append-only: closure: this UPDATE is refused' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END $function$;

-- calreg_refuse
CREATE OR REPLACE FUNCTION calreg_refuse()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
        BEGIN
            RAISE EXCEPTION 'append-only: %: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
        END $function$;

-- calreg_withdraw
CREATE OR REPLACE FUNCTION calreg_withdraw()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', @schema@, 'pg_temp'
AS $function$
        BEGIN
            IF to_jsonb(NEW) - 'withdrawn_in' IS DISTINCT FROM to_jsonb(OLD) - 'withdrawn_in'
               OR OLD.withdrawn_in IS NOT NULL OR NEW.withdrawn_in IS DISTINCT FROM (SELECT max(number) FROM revision) THEN
                RAISE EXCEPTION 'append-only: %: this UPDATE is refused', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END $function$;

-- alias_closed_insert
CREATE TRIGGER alias_closed_insert BEFORE INSERT ON alias FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE alias ENABLE ALWAYS TRIGGER alias_closed_insert;

-- alias_closed_update
CREATE TRIGGER alias_closed_update BEFORE UPDATE ON alias FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE alias ENABLE ALWAYS TRIGGER alias_closed_update;

-- alias_delete
CREATE TRIGGER alias_delete BEFORE DELETE ON alias FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE alias ENABLE ALWAYS TRIGGER alias_delete;

-- alias_insert
CREATE TRIGGER alias_insert BEFORE INSERT ON alias FOR EACH ROW EXECUTE FUNCTION calreg_insert_alias();
ALTER TABLE alias ENABLE ALWAYS TRIGGER alias_insert;

-- alias_truncate
CREATE TRIGGER alias_truncate BEFORE TRUNCATE ON alias FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE alias ENABLE ALWAYS TRIGGER alias_truncate;

-- alias_update
CREATE TRIGGER alias_update BEFORE UPDATE ON alias FOR EACH ROW EXECUTE FUNCTION calreg_withdraw();
ALTER TABLE alias ENABLE ALWAYS TRIGGER alias_update;

-- blob_closed_insert
CREATE TRIGGER blob_closed_insert BEFORE INSERT ON blob FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE blob ENABLE ALWAYS TRIGGER blob_closed_insert;

-- blob_delete
CREATE TRIGGER blob_delete BEFORE DELETE ON blob FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE blob ENABLE ALWAYS TRIGGER blob_delete;

-- blob_insert
CREATE TRIGGER blob_insert BEFORE INSERT ON blob FOR EACH ROW EXECUTE FUNCTION calreg_insert_blob();
ALTER TABLE blob ENABLE ALWAYS TRIGGER blob_insert;

-- blob_truncate
CREATE TRIGGER blob_truncate BEFORE TRUNCATE ON blob FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE blob ENABLE ALWAYS TRIGGER blob_truncate;

-- blob_update
CREATE TRIGGER blob_update BEFORE UPDATE ON blob FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE blob ENABLE ALWAYS TRIGGER blob_update;

-- closure_delete
CREATE TRIGGER closure_delete BEFORE DELETE ON closure FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE closure ENABLE ALWAYS TRIGGER closure_delete;

-- closure_insert
CREATE TRIGGER closure_insert BEFORE INSERT ON closure FOR EACH ROW EXECUTE FUNCTION calreg_insert_closure();
ALTER TABLE closure ENABLE ALWAYS TRIGGER closure_insert;

-- closure_truncate
CREATE TRIGGER closure_truncate BEFORE TRUNCATE ON closure FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE closure ENABLE ALWAYS TRIGGER closure_truncate;

-- closure_update
CREATE TRIGGER closure_update BEFORE UPDATE ON closure FOR EACH ROW EXECUTE FUNCTION calreg_open();
ALTER TABLE closure ENABLE ALWAYS TRIGGER closure_update;

-- configuration_closed_insert
CREATE TRIGGER configuration_closed_insert BEFORE INSERT ON configuration FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE configuration ENABLE ALWAYS TRIGGER configuration_closed_insert;

-- configuration_closed_update
CREATE TRIGGER configuration_closed_update BEFORE UPDATE ON configuration FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE configuration ENABLE ALWAYS TRIGGER configuration_closed_update;

-- configuration_delete
CREATE TRIGGER configuration_delete BEFORE DELETE ON configuration FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE configuration ENABLE ALWAYS TRIGGER configuration_delete;

-- configuration_insert
CREATE TRIGGER configuration_insert BEFORE INSERT ON configuration FOR EACH ROW EXECUTE FUNCTION calreg_insert_configuration();
ALTER TABLE configuration ENABLE ALWAYS TRIGGER configuration_insert;

-- configuration_truncate
CREATE TRIGGER configuration_truncate BEFORE TRUNCATE ON configuration FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE configuration ENABLE ALWAYS TRIGGER configuration_truncate;

-- configuration_update
CREATE TRIGGER configuration_update BEFORE UPDATE ON configuration FOR EACH ROW EXECUTE FUNCTION calreg_withdraw();
ALTER TABLE configuration ENABLE ALWAYS TRIGGER configuration_update;

-- configuration_panel_closed_insert
CREATE TRIGGER configuration_panel_closed_insert BEFORE INSERT ON configuration_panel FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE configuration_panel ENABLE ALWAYS TRIGGER configuration_panel_closed_insert;

-- configuration_panel_delete
CREATE TRIGGER configuration_panel_delete BEFORE DELETE ON configuration_panel FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE configuration_panel ENABLE ALWAYS TRIGGER configuration_panel_delete;

-- configuration_panel_insert
CREATE TRIGGER configuration_panel_insert BEFORE INSERT ON configuration_panel FOR EACH ROW EXECUTE FUNCTION calreg_insert_configuration_panel();
ALTER TABLE configuration_panel ENABLE ALWAYS TRIGGER configuration_panel_insert;

-- configuration_panel_truncate
CREATE TRIGGER configuration_panel_truncate BEFORE TRUNCATE ON configuration_panel FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE configuration_panel ENABLE ALWAYS TRIGGER configuration_panel_truncate;

-- configuration_panel_update
CREATE TRIGGER configuration_panel_update BEFORE UPDATE ON configuration_panel FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE configuration_panel ENABLE ALWAYS TRIGGER configuration_panel_update;

-- constants_closed_insert
CREATE TRIGGER constants_closed_insert BEFORE INSERT ON constants FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE constants ENABLE ALWAYS TRIGGER constants_closed_insert;

-- constants_delete
CREATE TRIGGER constants_delete BEFORE DELETE ON constants FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE constants ENABLE ALWAYS TRIGGER constants_delete;

-- constants_insert
CREATE TRIGGER constants_insert BEFORE INSERT ON constants FOR EACH ROW EXECUTE FUNCTION calreg_insert_constants();
ALTER TABLE constants ENABLE ALWAYS TRIGGER constants_insert;

-- constants_truncate
CREATE TRIGGER constants_truncate BEFORE TRUNCATE ON constants FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE constants ENABLE ALWAYS TRIGGER constants_truncate;

-- constants_update
CREATE TRIGGER constants_update BEFORE UPDATE ON constants FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE constants ENABLE ALWAYS TRIGGER constants_update;

-- constants_file_closed_insert
CREATE TRIGGER constants_file_closed_insert BEFORE INSERT ON constants_file FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE constants_file ENABLE ALWAYS TRIGGER constants_file_closed_insert;

-- constants_file_delete
CREATE TRIGGER constants_file_delete BEFORE DELETE ON constants_file FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE constants_file ENABLE ALWAYS TRIGGER constants_file_delete;

-- constants_file_insert
CREATE TRIGGER constants_file_insert BEFORE INSERT ON constants_file FOR EACH ROW EXECUTE FUNCTION calreg_insert_constants_file();
ALTER TABLE constants_file ENABLE ALWAYS TRIGGER constants_file_insert;

-- constants_file_truncate
CREATE TRIGGER constants_file_truncate BEFORE TRUNCATE ON constants_file FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE constants_file ENABLE ALWAYS TRIGGER constants_file_truncate;

-- constants_file_update
CREATE TRIGGER constants_file_update BEFORE UPDATE ON constants_file FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE constants_file ENABLE ALWAYS TRIGGER constants_file_update;

-- export_closed_insert
CREATE TRIGGER export_closed_insert BEFORE INSERT ON export FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE export ENABLE ALWAYS TRIGGER export_closed_insert;

-- export_delete
CREATE TRIGGER export_delete BEFORE DELETE ON export FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE export ENABLE ALWAYS TRIGGER export_delete;

-- export_insert
CREATE TRIGGER export_insert BEFORE INSERT ON export FOR EACH ROW EXECUTE FUNCTION calreg_insert_export();
ALTER TABLE export ENABLE ALWAYS TRIGGER export_insert;

-- export_truncate
CREATE TRIGGER export_truncate BEFORE TRUNCATE ON export FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE export ENABLE ALWAYS TRIGGER export_truncate;

-- export_update
CREATE TRIGGER export_update BEFORE UPDATE ON export FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE export ENABLE ALWAYS TRIGGER export_update;

-- export_input_closed_insert
CREATE TRIGGER export_input_closed_insert BEFORE INSERT ON export_input FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE export_input ENABLE ALWAYS TRIGGER export_input_closed_insert;

-- export_input_delete
CREATE TRIGGER export_input_delete BEFORE DELETE ON export_input FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE export_input ENABLE ALWAYS TRIGGER export_input_delete;

-- export_input_insert
CREATE TRIGGER export_input_insert BEFORE INSERT ON export_input FOR EACH ROW EXECUTE FUNCTION calreg_insert_export_input();
ALTER TABLE export_input ENABLE ALWAYS TRIGGER export_input_insert;

-- export_input_truncate
CREATE TRIGGER export_input_truncate BEFORE TRUNCATE ON export_input FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE export_input ENABLE ALWAYS TRIGGER export_input_truncate;

-- export_input_update
CREATE TRIGGER export_input_update BEFORE UPDATE ON export_input FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE export_input ENABLE ALWAYS TRIGGER export_input_update;

-- export_output_closed_insert
CREATE TRIGGER export_output_closed_insert BEFORE INSERT ON export_output FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE export_output ENABLE ALWAYS TRIGGER export_output_closed_insert;

-- export_output_delete
CREATE TRIGGER export_output_delete BEFORE DELETE ON export_output FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE export_output ENABLE ALWAYS TRIGGER export_output_delete;

-- export_output_insert
CREATE TRIGGER export_output_insert BEFORE INSERT ON export_output FOR EACH ROW EXECUTE FUNCTION calreg_insert_export_output();
ALTER TABLE export_output ENABLE ALWAYS TRIGGER export_output_insert;

-- export_output_truncate
CREATE TRIGGER export_output_truncate BEFORE TRUNCATE ON export_output FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE export_output ENABLE ALWAYS TRIGGER export_output_truncate;

-- export_output_update
CREATE TRIGGER export_output_update BEFORE UPDATE ON export_output FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE export_output ENABLE ALWAYS TRIGGER export_output_update;

-- panel_closed_insert
CREATE TRIGGER panel_closed_insert BEFORE INSERT ON panel FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE panel ENABLE ALWAYS TRIGGER panel_closed_insert;

-- panel_delete
CREATE TRIGGER panel_delete BEFORE DELETE ON panel FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE panel ENABLE ALWAYS TRIGGER panel_delete;

-- panel_insert
CREATE TRIGGER panel_insert BEFORE INSERT ON panel FOR EACH ROW EXECUTE FUNCTION calreg_insert_panel();
ALTER TABLE panel ENABLE ALWAYS TRIGGER panel_insert;

-- panel_truncate
CREATE TRIGGER panel_truncate BEFORE TRUNCATE ON panel FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE panel ENABLE ALWAYS TRIGGER panel_truncate;

-- panel_update
CREATE TRIGGER panel_update BEFORE UPDATE ON panel FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE panel ENABLE ALWAYS TRIGGER panel_update;

-- registry_delete
CREATE TRIGGER registry_delete BEFORE DELETE ON registry FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE registry ENABLE ALWAYS TRIGGER registry_delete;

-- registry_insert
CREATE TRIGGER registry_insert BEFORE INSERT ON registry FOR EACH ROW EXECUTE FUNCTION calreg_insert_registry();
ALTER TABLE registry ENABLE ALWAYS TRIGGER registry_insert;

-- registry_truncate
CREATE TRIGGER registry_truncate BEFORE TRUNCATE ON registry FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE registry ENABLE ALWAYS TRIGGER registry_truncate;

-- registry_update
CREATE TRIGGER registry_update BEFORE UPDATE ON registry FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE registry ENABLE ALWAYS TRIGGER registry_update;

-- revision_closed_insert
CREATE TRIGGER revision_closed_insert BEFORE INSERT ON revision FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE revision ENABLE ALWAYS TRIGGER revision_closed_insert;

-- revision_delete
CREATE TRIGGER revision_delete BEFORE DELETE ON revision FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE revision ENABLE ALWAYS TRIGGER revision_delete;

-- revision_insert
CREATE TRIGGER revision_insert BEFORE INSERT ON revision FOR EACH ROW EXECUTE FUNCTION calreg_insert_revision();
ALTER TABLE revision ENABLE ALWAYS TRIGGER revision_insert;

-- revision_truncate
CREATE TRIGGER revision_truncate BEFORE TRUNCATE ON revision FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE revision ENABLE ALWAYS TRIGGER revision_truncate;

-- revision_update
CREATE TRIGGER revision_update BEFORE UPDATE ON revision FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE revision ENABLE ALWAYS TRIGGER revision_update;

-- run_closed_insert
CREATE TRIGGER run_closed_insert BEFORE INSERT ON run FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE run ENABLE ALWAYS TRIGGER run_closed_insert;

-- run_closed_update
CREATE TRIGGER run_closed_update BEFORE UPDATE ON run FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE run ENABLE ALWAYS TRIGGER run_closed_update;

-- run_delete
CREATE TRIGGER run_delete BEFORE DELETE ON run FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE run ENABLE ALWAYS TRIGGER run_delete;

-- run_insert
CREATE TRIGGER run_insert BEFORE INSERT ON run FOR EACH ROW EXECUTE FUNCTION calreg_insert_run();
ALTER TABLE run ENABLE ALWAYS TRIGGER run_insert;

-- run_truncate
CREATE TRIGGER run_truncate BEFORE TRUNCATE ON run FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE run ENABLE ALWAYS TRIGGER run_truncate;

-- run_update
CREATE TRIGGER run_update BEFORE UPDATE ON run FOR EACH ROW EXECUTE FUNCTION calreg_withdraw();
ALTER TABLE run ENABLE ALWAYS TRIGGER run_update;

-- tag_closed_insert
CREATE TRIGGER tag_closed_insert BEFORE INSERT ON tag FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE tag ENABLE ALWAYS TRIGGER tag_closed_insert;

-- tag_delete
CREATE TRIGGER tag_delete BEFORE DELETE ON tag FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE tag ENABLE ALWAYS TRIGGER tag_delete;

-- tag_insert
CREATE TRIGGER tag_insert BEFORE INSERT ON tag FOR EACH ROW EXECUTE FUNCTION calreg_insert_tag();
ALTER TABLE tag ENABLE ALWAYS TRIGGER tag_insert;

-- tag_truncate
CREATE TRIGGER tag_truncate BEFORE TRUNCATE ON tag FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE tag ENABLE ALWAYS TRIGGER tag_truncate;

-- tag_update
CREATE TRIGGER tag_update BEFORE UPDATE ON tag FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE tag ENABLE ALWAYS TRIGGER tag_update;

-- timezone_closed_insert
CREATE TRIGGER timezone_closed_insert BEFORE INSERT ON timezone FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE timezone ENABLE ALWAYS TRIGGER timezone_closed_insert;

-- timezone_closed_update
CREATE TRIGGER timezone_closed_update BEFORE UPDATE ON timezone FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE timezone ENABLE ALWAYS TRIGGER timezone_closed_update;

-- timezone_delete
CREATE TRIGGER timezone_delete BEFORE DELETE ON timezone FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE timezone ENABLE ALWAYS TRIGGER timezone_delete;

-- timezone_insert
CREATE TRIGGER timezone_insert BEFORE INSERT ON timezone FOR EACH ROW EXECUTE FUNCTION calreg_insert_timezone();
ALTER TABLE timezone ENABLE ALWAYS TRIGGER timezone_insert;

-- timezone_truncate
CREATE TRIGGER timezone_truncate BEFORE TRUNCATE ON timezone FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE timezone ENABLE ALWAYS TRIGGER timezone_truncate;

-- timezone_update
CREATE TRIGGER timezone_update BEFORE UPDATE ON timezone FOR EACH ROW EXECUTE FUNCTION calreg_withdraw();
ALTER TABLE timezone ENABLE ALWAYS TRIGGER timezone_update;

-- version_closed_insert
CREATE TRIGGER version_closed_insert BEFORE INSERT ON version FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE version ENABLE ALWAYS TRIGGER version_closed_insert;

-- version_closed_update
CREATE TRIGGER version_closed_update BEFORE UPDATE ON version FOR EACH STATEMENT EXECUTE FUNCTION calreg_closed();
ALTER TABLE version ENABLE ALWAYS TRIGGER version_closed_update;

-- version_delete
CREATE TRIGGER version_delete BEFORE DELETE ON version FOR EACH ROW EXECUTE FUNCTION calreg_refuse();
ALTER TABLE version ENABLE ALWAYS TRIGGER version_delete;

-- version_insert
CREATE TRIGGER version_insert BEFORE INSERT ON version FOR EACH ROW EXECUTE FUNCTION calreg_insert_version();
ALTER TABLE version ENABLE ALWAYS TRIGGER version_insert;

-- version_truncate
CREATE TRIGGER version_truncate BEFORE TRUNCATE ON version FOR EACH STATEMENT EXECUTE FUNCTION calreg_refuse();
ALTER TABLE version ENABLE ALWAYS TRIGGER version_truncate;

-- version_update
CREATE TRIGGER version_update BEFORE UPDATE ON version FOR EACH ROW EXECUTE FUNCTION calreg_withdraw();
ALTER TABLE version ENABLE ALWAYS TRIGGER version_update;
