-- calreg_refuse
CREATE OR REPLACE FUNCTION @schema@.calreg_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'append-only: %: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- calreg_withdraw
CREATE OR REPLACE FUNCTION @schema@.calreg_withdraw() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.withdrawn_in IS NOT NULL OR NEW.withdrawn_in IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN
        RAISE EXCEPTION 'append-only: %: this UPDATE is refused', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    OLD.withdrawn_in := NEW.withdrawn_in;
    IF NEW *<> OLD THEN
        RAISE EXCEPTION 'append-only: %: this UPDATE is refused', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = (SELECT max(number) FROM @schema@.revision)) THEN
        RAISE EXCEPTION 'append-only: %: the revision is sealed', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_open
CREATE OR REPLACE FUNCTION @schema@.calreg_open() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT (OLD.reason = 'arrival' AND OLD.opened_at IS NULL AND NEW.opened_at IS NOT NULL) THEN
        RAISE EXCEPTION 'append-only: %: this UPDATE is refused', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    OLD.opened_at := NEW.opened_at;
    IF NEW *<> OLD THEN
        RAISE EXCEPTION 'append-only: %: this UPDATE is refused', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_closed
CREATE OR REPLACE FUNCTION @schema@.calreg_closed() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM @schema@.closure WHERE opened_at IS NULL) THEN
        RAISE EXCEPTION 'append-only: %: the registry is closed to writes', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

-- calreg_insert_closure
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_closure() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM @schema@.closure) THEN 'closures are numbered without gaps'
        WHEN EXISTS (SELECT 1 FROM @schema@.closure WHERE opened_at IS NULL) THEN 'the registry is closed already'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: closure: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_export_seal
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_export_seal() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.export IS DISTINCT FROM (SELECT max(id) FROM @schema@.export) THEN 'the export is not the newest'
        WHEN EXISTS (SELECT 1 FROM @schema@.export_seal WHERE export = (SELECT max(id) FROM @schema@.export)) THEN 'the export is sealed'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: export_seal: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_registry
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_registry() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN EXISTS (SELECT 1 FROM @schema@.registry) THEN 'a database holds one registry'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: registry: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_revision
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_revision() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.number IS DISTINCT FROM coalesce((SELECT max(number) FROM @schema@.revision), 0) + 1 THEN 'revisions are numbered without gaps'
        WHEN NEW.recorded_at < (SELECT recorded_at FROM @schema@.revision ORDER BY number DESC LIMIT 1) THEN 'the instants of revisions never run backwards'
        WHEN (SELECT max(number) FROM @schema@.revision) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = (SELECT max(number) FROM @schema@.revision)) THEN 'the newest revision is not sealed'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: revision: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_blob
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_blob() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'recorded_in is not the newest revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.recorded_in) THEN 'the revision is sealed'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: blob: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_configuration
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_configuration() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'recorded_in is not the newest revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.recorded_in) THEN 'the revision is sealed'
        WHEN NEW.withdrawn_in IS NOT NULL THEN 'a fact is not withdrawn when it is recorded'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: configuration: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_constants
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_constants() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'recorded_in is not the newest revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.recorded_in) THEN 'the revision is sealed'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: constants: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_detector_name
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_detector_name() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'recorded_in is not the newest revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.recorded_in) THEN 'the revision is sealed'
        WHEN NEW.withdrawn_in IS NOT NULL THEN 'a fact is not withdrawn when it is recorded'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: detector_name: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_export
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_export() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.revision IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.revision WHERE number = NEW.revision) THEN 'revision refers to no revision'
        WHEN NEW.id IS DISTINCT FROM coalesce((SELECT max(number) FROM (
    SELECT max(id) AS number FROM @schema@.export UNION ALL SELECT max(export) FROM @schema@.export_seal
) AS numbers), 0) + 1 THEN 'exports are numbered without gaps'
        WHEN (SELECT max(id) FROM @schema@.export) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.export_seal WHERE export = (SELECT max(id) FROM @schema@.export)) THEN 'the newest export is not sealed'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: export: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_lineage
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_lineage() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'recorded_in is not the newest revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.recorded_in) THEN 'the revision is sealed'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: lineage: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_panel
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_panel() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'recorded_in is not the newest revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.recorded_in) THEN 'the revision is sealed'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: panel: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_run
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_run() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'recorded_in is not the newest revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.recorded_in) THEN 'the revision is sealed'
        WHEN NEW.withdrawn_in IS NOT NULL THEN 'a fact is not withdrawn when it is recorded'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: run: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_seal
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_seal() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.revision IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.revision WHERE number = NEW.revision) THEN 'revision refers to no revision'
        WHEN NEW.export IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.export_seal WHERE export = NEW.export) THEN 'export refers to no export_seal'
        WHEN NEW.revision IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'the revision is not the newest'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = (SELECT max(number) FROM @schema@.revision)) THEN 'the revision is sealed'
        WHEN NEW.export IS DISTINCT FROM (SELECT max(export) FROM @schema@.export_seal) THEN 'export is not the newest that is sealed'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: seal: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_tag
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_tag() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'recorded_in is not the newest revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.recorded_in) THEN 'the revision is sealed'
        WHEN NEW.revision IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.revision WHERE number = NEW.revision) THEN 'revision refers to no revision'
        WHEN NOT EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.revision AND digest = NEW.seal) THEN 'seal is not that of the revision'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: tag: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_timezone
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_timezone() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'recorded_in is not the newest revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.recorded_in) THEN 'the revision is sealed'
        WHEN NEW.withdrawn_in IS NOT NULL THEN 'a fact is not withdrawn when it is recorded'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: timezone: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_alias
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_alias() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'recorded_in is not the newest revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.recorded_in) THEN 'the revision is sealed'
        WHEN NEW.withdrawn_in IS NOT NULL THEN 'a fact is not withdrawn when it is recorded'
        WHEN NEW.panel_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.panel WHERE id = NEW.panel_id) THEN 'panel_id refers to no panel'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: alias: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_blob_pattern
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_blob_pattern() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'recorded_in is not the newest revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.recorded_in) THEN 'the revision is sealed'
        WHEN NEW.blob IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.blob WHERE sha256 = NEW.blob) THEN 'blob refers to no blob'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: blob_pattern: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_configuration_panel
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_configuration_panel() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN (SELECT recorded_in FROM @schema@.configuration WHERE id = NEW.configuration_id) IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'the configuration was recorded by an earlier revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = (SELECT max(number) FROM @schema@.revision)) THEN 'the revision is sealed'
        WHEN NEW.panel_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.panel WHERE id = NEW.panel_id) THEN 'panel_id refers to no panel'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: configuration_panel: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_constants_file
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_constants_file() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN (SELECT recorded_in FROM @schema@.constants WHERE id = NEW.constants_id) IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'the constants was recorded by an earlier revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = (SELECT max(number) FROM @schema@.revision)) THEN 'the revision is sealed'
        WHEN NEW.sha256 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.blob WHERE sha256 = NEW.sha256) THEN 'sha256 refers to no blob'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: constants_file: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_detector_name_panel
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_detector_name_panel() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN (SELECT recorded_in FROM @schema@.detector_name WHERE id = NEW.detector_name_id) IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'the detector_name was recorded by an earlier revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = (SELECT max(number) FROM @schema@.revision)) THEN 'the revision is sealed'
        WHEN NEW.panel_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.panel WHERE id = NEW.panel_id) THEN 'panel_id refers to no panel'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: detector_name_panel: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_export_output
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_export_output() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.export_id IS DISTINCT FROM (SELECT max(id) FROM @schema@.export) THEN 'the export is not the newest'
        WHEN EXISTS (SELECT 1 FROM @schema@.export_seal WHERE export = (SELECT max(id) FROM @schema@.export)) THEN 'the export is sealed'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: export_output: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_version
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_version() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.recorded_in IS DISTINCT FROM (SELECT max(number) FROM @schema@.revision) THEN 'recorded_in is not the newest revision'
        WHEN EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.recorded_in) THEN 'the revision is sealed'
        WHEN NEW.withdrawn_in IS NOT NULL THEN 'a fact is not withdrawn when it is recorded'
        WHEN NEW.panel_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.panel WHERE id = NEW.panel_id) THEN 'panel_id refers to no panel'
        WHEN NEW.constants_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.constants WHERE id = NEW.constants_id) THEN 'constants_id refers to no constants'
        WHEN NEW.carried_from IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.version WHERE id = NEW.carried_from) THEN 'carried_from refers to no version'
        WHEN NEW.latest_start IS DISTINCT FROM greatest(NEW.valid_from, coalesce((
      SELECT v.latest_start FROM @schema@.version v WHERE v.panel_id = NEW.panel_id AND v.kind = NEW.kind
      ORDER BY v.recorded_in DESC, v.latest_start DESC LIMIT 1), NEW.valid_from)) THEN 'latest_start is not the greatest start of the panel and kind'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: version: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_insert_export_input
CREATE OR REPLACE FUNCTION @schema@.calreg_insert_export_input() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := CASE
        WHEN NEW.export_id IS DISTINCT FROM (SELECT max(id) FROM @schema@.export) THEN 'the export is not the newest'
        WHEN EXISTS (SELECT 1 FROM @schema@.export_seal WHERE export = (SELECT max(id) FROM @schema@.export)) THEN 'the export is sealed'
        WHEN NEW.version_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @schema@.version WHERE id = NEW.version_id) THEN 'version_id refers to no version'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: export_input: %', problem USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- calreg_revision_sealed
CREATE OR REPLACE FUNCTION @schema@.calreg_revision_sealed() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM @schema@.seal WHERE revision = NEW.number) THEN
        RAISE EXCEPTION 'append-only: revision: revision % is not sealed', NEW.number USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

-- calreg_export_sealed
CREATE OR REPLACE FUNCTION @schema@.calreg_export_sealed() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM @schema@.export_seal WHERE export = NEW.id) THEN
        RAISE EXCEPTION 'append-only: export: export % is not sealed', NEW.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

-- closure_insert
CREATE TRIGGER closure_insert BEFORE INSERT ON @schema@.closure FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_closure();
ALTER TABLE @schema@.closure ENABLE ALWAYS TRIGGER closure_insert;

-- closure_update
CREATE TRIGGER closure_update BEFORE UPDATE ON @schema@.closure FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_open();
ALTER TABLE @schema@.closure ENABLE ALWAYS TRIGGER closure_update;

-- closure_delete
CREATE TRIGGER closure_delete BEFORE DELETE ON @schema@.closure FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.closure ENABLE ALWAYS TRIGGER closure_delete;

-- closure_truncate
CREATE TRIGGER closure_truncate BEFORE TRUNCATE ON @schema@.closure FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.closure ENABLE ALWAYS TRIGGER closure_truncate;

-- export_seal_insert
CREATE TRIGGER export_seal_insert BEFORE INSERT ON @schema@.export_seal FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_export_seal();
ALTER TABLE @schema@.export_seal ENABLE ALWAYS TRIGGER export_seal_insert;

-- export_seal_update
CREATE TRIGGER export_seal_update BEFORE UPDATE ON @schema@.export_seal FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.export_seal ENABLE ALWAYS TRIGGER export_seal_update;

-- export_seal_delete
CREATE TRIGGER export_seal_delete BEFORE DELETE ON @schema@.export_seal FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.export_seal ENABLE ALWAYS TRIGGER export_seal_delete;

-- export_seal_truncate
CREATE TRIGGER export_seal_truncate BEFORE TRUNCATE ON @schema@.export_seal FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.export_seal ENABLE ALWAYS TRIGGER export_seal_truncate;

-- export_seal_closed_insert
CREATE TRIGGER export_seal_closed_insert BEFORE INSERT ON @schema@.export_seal FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.export_seal ENABLE ALWAYS TRIGGER export_seal_closed_insert;

-- registry_insert
CREATE TRIGGER registry_insert BEFORE INSERT ON @schema@.registry FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_registry();
ALTER TABLE @schema@.registry ENABLE ALWAYS TRIGGER registry_insert;

-- registry_update
CREATE TRIGGER registry_update BEFORE UPDATE ON @schema@.registry FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.registry ENABLE ALWAYS TRIGGER registry_update;

-- registry_delete
CREATE TRIGGER registry_delete BEFORE DELETE ON @schema@.registry FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.registry ENABLE ALWAYS TRIGGER registry_delete;

-- registry_truncate
CREATE TRIGGER registry_truncate BEFORE TRUNCATE ON @schema@.registry FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.registry ENABLE ALWAYS TRIGGER registry_truncate;

-- revision_insert
CREATE TRIGGER revision_insert BEFORE INSERT ON @schema@.revision FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_revision();
ALTER TABLE @schema@.revision ENABLE ALWAYS TRIGGER revision_insert;

-- revision_update
CREATE TRIGGER revision_update BEFORE UPDATE ON @schema@.revision FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.revision ENABLE ALWAYS TRIGGER revision_update;

-- revision_delete
CREATE TRIGGER revision_delete BEFORE DELETE ON @schema@.revision FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.revision ENABLE ALWAYS TRIGGER revision_delete;

-- revision_truncate
CREATE TRIGGER revision_truncate BEFORE TRUNCATE ON @schema@.revision FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.revision ENABLE ALWAYS TRIGGER revision_truncate;

-- revision_closed_insert
CREATE TRIGGER revision_closed_insert BEFORE INSERT ON @schema@.revision FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.revision ENABLE ALWAYS TRIGGER revision_closed_insert;

-- revision_sealed
CREATE CONSTRAINT TRIGGER revision_sealed AFTER INSERT ON @schema@.revision DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_revision_sealed();
ALTER TABLE @schema@.revision ENABLE ALWAYS TRIGGER revision_sealed;

-- blob_insert
CREATE TRIGGER blob_insert BEFORE INSERT ON @schema@.blob FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_blob();
ALTER TABLE @schema@.blob ENABLE ALWAYS TRIGGER blob_insert;

-- blob_update
CREATE TRIGGER blob_update BEFORE UPDATE ON @schema@.blob FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.blob ENABLE ALWAYS TRIGGER blob_update;

-- blob_delete
CREATE TRIGGER blob_delete BEFORE DELETE ON @schema@.blob FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.blob ENABLE ALWAYS TRIGGER blob_delete;

-- blob_truncate
CREATE TRIGGER blob_truncate BEFORE TRUNCATE ON @schema@.blob FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.blob ENABLE ALWAYS TRIGGER blob_truncate;

-- blob_closed_insert
CREATE TRIGGER blob_closed_insert BEFORE INSERT ON @schema@.blob FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.blob ENABLE ALWAYS TRIGGER blob_closed_insert;

-- configuration_insert
CREATE TRIGGER configuration_insert BEFORE INSERT ON @schema@.configuration FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_configuration();
ALTER TABLE @schema@.configuration ENABLE ALWAYS TRIGGER configuration_insert;

-- configuration_update
CREATE TRIGGER configuration_update BEFORE UPDATE ON @schema@.configuration FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_withdraw();
ALTER TABLE @schema@.configuration ENABLE ALWAYS TRIGGER configuration_update;

-- configuration_delete
CREATE TRIGGER configuration_delete BEFORE DELETE ON @schema@.configuration FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.configuration ENABLE ALWAYS TRIGGER configuration_delete;

-- configuration_truncate
CREATE TRIGGER configuration_truncate BEFORE TRUNCATE ON @schema@.configuration FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.configuration ENABLE ALWAYS TRIGGER configuration_truncate;

-- configuration_closed_insert
CREATE TRIGGER configuration_closed_insert BEFORE INSERT ON @schema@.configuration FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.configuration ENABLE ALWAYS TRIGGER configuration_closed_insert;

-- configuration_closed_update
CREATE TRIGGER configuration_closed_update BEFORE UPDATE ON @schema@.configuration FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.configuration ENABLE ALWAYS TRIGGER configuration_closed_update;

-- constants_insert
CREATE TRIGGER constants_insert BEFORE INSERT ON @schema@.constants FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_constants();
ALTER TABLE @schema@.constants ENABLE ALWAYS TRIGGER constants_insert;

-- constants_update
CREATE TRIGGER constants_update BEFORE UPDATE ON @schema@.constants FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.constants ENABLE ALWAYS TRIGGER constants_update;

-- constants_delete
CREATE TRIGGER constants_delete BEFORE DELETE ON @schema@.constants FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.constants ENABLE ALWAYS TRIGGER constants_delete;

-- constants_truncate
CREATE TRIGGER constants_truncate BEFORE TRUNCATE ON @schema@.constants FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.constants ENABLE ALWAYS TRIGGER constants_truncate;

-- constants_closed_insert
CREATE TRIGGER constants_closed_insert BEFORE INSERT ON @schema@.constants FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.constants ENABLE ALWAYS TRIGGER constants_closed_insert;

-- detector_name_insert
CREATE TRIGGER detector_name_insert BEFORE INSERT ON @schema@.detector_name FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_detector_name();
ALTER TABLE @schema@.detector_name ENABLE ALWAYS TRIGGER detector_name_insert;

-- detector_name_update
CREATE TRIGGER detector_name_update BEFORE UPDATE ON @schema@.detector_name FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_withdraw();
ALTER TABLE @schema@.detector_name ENABLE ALWAYS TRIGGER detector_name_update;

-- detector_name_delete
CREATE TRIGGER detector_name_delete BEFORE DELETE ON @schema@.detector_name FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.detector_name ENABLE ALWAYS TRIGGER detector_name_delete;

-- detector_name_truncate
CREATE TRIGGER detector_name_truncate BEFORE TRUNCATE ON @schema@.detector_name FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.detector_name ENABLE ALWAYS TRIGGER detector_name_truncate;

-- detector_name_closed_insert
CREATE TRIGGER detector_name_closed_insert BEFORE INSERT ON @schema@.detector_name FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.detector_name ENABLE ALWAYS TRIGGER detector_name_closed_insert;

-- detector_name_closed_update
CREATE TRIGGER detector_name_closed_update BEFORE UPDATE ON @schema@.detector_name FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.detector_name ENABLE ALWAYS TRIGGER detector_name_closed_update;

-- export_insert
CREATE TRIGGER export_insert BEFORE INSERT ON @schema@.export FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_export();
ALTER TABLE @schema@.export ENABLE ALWAYS TRIGGER export_insert;

-- export_update
CREATE TRIGGER export_update BEFORE UPDATE ON @schema@.export FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.export ENABLE ALWAYS TRIGGER export_update;

-- export_delete
CREATE TRIGGER export_delete BEFORE DELETE ON @schema@.export FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.export ENABLE ALWAYS TRIGGER export_delete;

-- export_truncate
CREATE TRIGGER export_truncate BEFORE TRUNCATE ON @schema@.export FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.export ENABLE ALWAYS TRIGGER export_truncate;

-- export_closed_insert
CREATE TRIGGER export_closed_insert BEFORE INSERT ON @schema@.export FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.export ENABLE ALWAYS TRIGGER export_closed_insert;

-- export_sealed
CREATE CONSTRAINT TRIGGER export_sealed AFTER INSERT ON @schema@.export DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_export_sealed();
ALTER TABLE @schema@.export ENABLE ALWAYS TRIGGER export_sealed;

-- lineage_insert
CREATE TRIGGER lineage_insert BEFORE INSERT ON @schema@.lineage FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_lineage();
ALTER TABLE @schema@.lineage ENABLE ALWAYS TRIGGER lineage_insert;

-- lineage_update
CREATE TRIGGER lineage_update BEFORE UPDATE ON @schema@.lineage FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.lineage ENABLE ALWAYS TRIGGER lineage_update;

-- lineage_delete
CREATE TRIGGER lineage_delete BEFORE DELETE ON @schema@.lineage FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.lineage ENABLE ALWAYS TRIGGER lineage_delete;

-- lineage_truncate
CREATE TRIGGER lineage_truncate BEFORE TRUNCATE ON @schema@.lineage FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.lineage ENABLE ALWAYS TRIGGER lineage_truncate;

-- lineage_closed_insert
CREATE TRIGGER lineage_closed_insert BEFORE INSERT ON @schema@.lineage FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.lineage ENABLE ALWAYS TRIGGER lineage_closed_insert;

-- panel_insert
CREATE TRIGGER panel_insert BEFORE INSERT ON @schema@.panel FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_panel();
ALTER TABLE @schema@.panel ENABLE ALWAYS TRIGGER panel_insert;

-- panel_update
CREATE TRIGGER panel_update BEFORE UPDATE ON @schema@.panel FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.panel ENABLE ALWAYS TRIGGER panel_update;

-- panel_delete
CREATE TRIGGER panel_delete BEFORE DELETE ON @schema@.panel FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.panel ENABLE ALWAYS TRIGGER panel_delete;

-- panel_truncate
CREATE TRIGGER panel_truncate BEFORE TRUNCATE ON @schema@.panel FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.panel ENABLE ALWAYS TRIGGER panel_truncate;

-- panel_closed_insert
CREATE TRIGGER panel_closed_insert BEFORE INSERT ON @schema@.panel FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.panel ENABLE ALWAYS TRIGGER panel_closed_insert;

-- run_insert
CREATE TRIGGER run_insert BEFORE INSERT ON @schema@.run FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_run();
ALTER TABLE @schema@.run ENABLE ALWAYS TRIGGER run_insert;

-- run_update
CREATE TRIGGER run_update BEFORE UPDATE ON @schema@.run FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_withdraw();
ALTER TABLE @schema@.run ENABLE ALWAYS TRIGGER run_update;

-- run_delete
CREATE TRIGGER run_delete BEFORE DELETE ON @schema@.run FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.run ENABLE ALWAYS TRIGGER run_delete;

-- run_truncate
CREATE TRIGGER run_truncate BEFORE TRUNCATE ON @schema@.run FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.run ENABLE ALWAYS TRIGGER run_truncate;

-- run_closed_insert
CREATE TRIGGER run_closed_insert BEFORE INSERT ON @schema@.run FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.run ENABLE ALWAYS TRIGGER run_closed_insert;

-- run_closed_update
CREATE TRIGGER run_closed_update BEFORE UPDATE ON @schema@.run FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.run ENABLE ALWAYS TRIGGER run_closed_update;

-- seal_insert
CREATE TRIGGER seal_insert BEFORE INSERT ON @schema@.seal FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_seal();
ALTER TABLE @schema@.seal ENABLE ALWAYS TRIGGER seal_insert;

-- seal_update
CREATE TRIGGER seal_update BEFORE UPDATE ON @schema@.seal FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.seal ENABLE ALWAYS TRIGGER seal_update;

-- seal_delete
CREATE TRIGGER seal_delete BEFORE DELETE ON @schema@.seal FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.seal ENABLE ALWAYS TRIGGER seal_delete;

-- seal_truncate
CREATE TRIGGER seal_truncate BEFORE TRUNCATE ON @schema@.seal FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.seal ENABLE ALWAYS TRIGGER seal_truncate;

-- seal_closed_insert
CREATE TRIGGER seal_closed_insert BEFORE INSERT ON @schema@.seal FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.seal ENABLE ALWAYS TRIGGER seal_closed_insert;

-- tag_insert
CREATE TRIGGER tag_insert BEFORE INSERT ON @schema@.tag FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_tag();
ALTER TABLE @schema@.tag ENABLE ALWAYS TRIGGER tag_insert;

-- tag_update
CREATE TRIGGER tag_update BEFORE UPDATE ON @schema@.tag FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.tag ENABLE ALWAYS TRIGGER tag_update;

-- tag_delete
CREATE TRIGGER tag_delete BEFORE DELETE ON @schema@.tag FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.tag ENABLE ALWAYS TRIGGER tag_delete;

-- tag_truncate
CREATE TRIGGER tag_truncate BEFORE TRUNCATE ON @schema@.tag FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.tag ENABLE ALWAYS TRIGGER tag_truncate;

-- tag_closed_insert
CREATE TRIGGER tag_closed_insert BEFORE INSERT ON @schema@.tag FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.tag ENABLE ALWAYS TRIGGER tag_closed_insert;

-- timezone_insert
CREATE TRIGGER timezone_insert BEFORE INSERT ON @schema@.timezone FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_timezone();
ALTER TABLE @schema@.timezone ENABLE ALWAYS TRIGGER timezone_insert;

-- timezone_update
CREATE TRIGGER timezone_update BEFORE UPDATE ON @schema@.timezone FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_withdraw();
ALTER TABLE @schema@.timezone ENABLE ALWAYS TRIGGER timezone_update;

-- timezone_delete
CREATE TRIGGER timezone_delete BEFORE DELETE ON @schema@.timezone FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.timezone ENABLE ALWAYS TRIGGER timezone_delete;

-- timezone_truncate
CREATE TRIGGER timezone_truncate BEFORE TRUNCATE ON @schema@.timezone FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.timezone ENABLE ALWAYS TRIGGER timezone_truncate;

-- timezone_closed_insert
CREATE TRIGGER timezone_closed_insert BEFORE INSERT ON @schema@.timezone FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.timezone ENABLE ALWAYS TRIGGER timezone_closed_insert;

-- timezone_closed_update
CREATE TRIGGER timezone_closed_update BEFORE UPDATE ON @schema@.timezone FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.timezone ENABLE ALWAYS TRIGGER timezone_closed_update;

-- alias_insert
CREATE TRIGGER alias_insert BEFORE INSERT ON @schema@.alias FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_alias();
ALTER TABLE @schema@.alias ENABLE ALWAYS TRIGGER alias_insert;

-- alias_update
CREATE TRIGGER alias_update BEFORE UPDATE ON @schema@.alias FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_withdraw();
ALTER TABLE @schema@.alias ENABLE ALWAYS TRIGGER alias_update;

-- alias_delete
CREATE TRIGGER alias_delete BEFORE DELETE ON @schema@.alias FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.alias ENABLE ALWAYS TRIGGER alias_delete;

-- alias_truncate
CREATE TRIGGER alias_truncate BEFORE TRUNCATE ON @schema@.alias FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.alias ENABLE ALWAYS TRIGGER alias_truncate;

-- alias_closed_insert
CREATE TRIGGER alias_closed_insert BEFORE INSERT ON @schema@.alias FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.alias ENABLE ALWAYS TRIGGER alias_closed_insert;

-- alias_closed_update
CREATE TRIGGER alias_closed_update BEFORE UPDATE ON @schema@.alias FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.alias ENABLE ALWAYS TRIGGER alias_closed_update;

-- blob_pattern_insert
CREATE TRIGGER blob_pattern_insert BEFORE INSERT ON @schema@.blob_pattern FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_blob_pattern();
ALTER TABLE @schema@.blob_pattern ENABLE ALWAYS TRIGGER blob_pattern_insert;

-- blob_pattern_update
CREATE TRIGGER blob_pattern_update BEFORE UPDATE ON @schema@.blob_pattern FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.blob_pattern ENABLE ALWAYS TRIGGER blob_pattern_update;

-- blob_pattern_delete
CREATE TRIGGER blob_pattern_delete BEFORE DELETE ON @schema@.blob_pattern FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.blob_pattern ENABLE ALWAYS TRIGGER blob_pattern_delete;

-- blob_pattern_truncate
CREATE TRIGGER blob_pattern_truncate BEFORE TRUNCATE ON @schema@.blob_pattern FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.blob_pattern ENABLE ALWAYS TRIGGER blob_pattern_truncate;

-- blob_pattern_closed_insert
CREATE TRIGGER blob_pattern_closed_insert BEFORE INSERT ON @schema@.blob_pattern FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.blob_pattern ENABLE ALWAYS TRIGGER blob_pattern_closed_insert;

-- configuration_panel_insert
CREATE TRIGGER configuration_panel_insert BEFORE INSERT ON @schema@.configuration_panel FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_configuration_panel();
ALTER TABLE @schema@.configuration_panel ENABLE ALWAYS TRIGGER configuration_panel_insert;

-- configuration_panel_update
CREATE TRIGGER configuration_panel_update BEFORE UPDATE ON @schema@.configuration_panel FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.configuration_panel ENABLE ALWAYS TRIGGER configuration_panel_update;

-- configuration_panel_delete
CREATE TRIGGER configuration_panel_delete BEFORE DELETE ON @schema@.configuration_panel FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.configuration_panel ENABLE ALWAYS TRIGGER configuration_panel_delete;

-- configuration_panel_truncate
CREATE TRIGGER configuration_panel_truncate BEFORE TRUNCATE ON @schema@.configuration_panel FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.configuration_panel ENABLE ALWAYS TRIGGER configuration_panel_truncate;

-- configuration_panel_closed_insert
CREATE TRIGGER configuration_panel_closed_insert BEFORE INSERT ON @schema@.configuration_panel FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.configuration_panel ENABLE ALWAYS TRIGGER configuration_panel_closed_insert;

-- constants_file_insert
CREATE TRIGGER constants_file_insert BEFORE INSERT ON @schema@.constants_file FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_constants_file();
ALTER TABLE @schema@.constants_file ENABLE ALWAYS TRIGGER constants_file_insert;

-- constants_file_update
CREATE TRIGGER constants_file_update BEFORE UPDATE ON @schema@.constants_file FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.constants_file ENABLE ALWAYS TRIGGER constants_file_update;

-- constants_file_delete
CREATE TRIGGER constants_file_delete BEFORE DELETE ON @schema@.constants_file FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.constants_file ENABLE ALWAYS TRIGGER constants_file_delete;

-- constants_file_truncate
CREATE TRIGGER constants_file_truncate BEFORE TRUNCATE ON @schema@.constants_file FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.constants_file ENABLE ALWAYS TRIGGER constants_file_truncate;

-- constants_file_closed_insert
CREATE TRIGGER constants_file_closed_insert BEFORE INSERT ON @schema@.constants_file FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.constants_file ENABLE ALWAYS TRIGGER constants_file_closed_insert;

-- detector_name_panel_insert
CREATE TRIGGER detector_name_panel_insert BEFORE INSERT ON @schema@.detector_name_panel FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_detector_name_panel();
ALTER TABLE @schema@.detector_name_panel ENABLE ALWAYS TRIGGER detector_name_panel_insert;

-- detector_name_panel_update
CREATE TRIGGER detector_name_panel_update BEFORE UPDATE ON @schema@.detector_name_panel FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.detector_name_panel ENABLE ALWAYS TRIGGER detector_name_panel_update;

-- detector_name_panel_delete
CREATE TRIGGER detector_name_panel_delete BEFORE DELETE ON @schema@.detector_name_panel FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.detector_name_panel ENABLE ALWAYS TRIGGER detector_name_panel_delete;

-- detector_name_panel_truncate
CREATE TRIGGER detector_name_panel_truncate BEFORE TRUNCATE ON @schema@.detector_name_panel FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.detector_name_panel ENABLE ALWAYS TRIGGER detector_name_panel_truncate;

-- detector_name_panel_closed_insert
CREATE TRIGGER detector_name_panel_closed_insert BEFORE INSERT ON @schema@.detector_name_panel FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.detector_name_panel ENABLE ALWAYS TRIGGER detector_name_panel_closed_insert;

-- export_output_insert
CREATE TRIGGER export_output_insert BEFORE INSERT ON @schema@.export_output FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_export_output();
ALTER TABLE @schema@.export_output ENABLE ALWAYS TRIGGER export_output_insert;

-- export_output_update
CREATE TRIGGER export_output_update BEFORE UPDATE ON @schema@.export_output FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.export_output ENABLE ALWAYS TRIGGER export_output_update;

-- export_output_delete
CREATE TRIGGER export_output_delete BEFORE DELETE ON @schema@.export_output FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.export_output ENABLE ALWAYS TRIGGER export_output_delete;

-- export_output_truncate
CREATE TRIGGER export_output_truncate BEFORE TRUNCATE ON @schema@.export_output FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.export_output ENABLE ALWAYS TRIGGER export_output_truncate;

-- export_output_closed_insert
CREATE TRIGGER export_output_closed_insert BEFORE INSERT ON @schema@.export_output FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.export_output ENABLE ALWAYS TRIGGER export_output_closed_insert;

-- version_insert
CREATE TRIGGER version_insert BEFORE INSERT ON @schema@.version FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_version();
ALTER TABLE @schema@.version ENABLE ALWAYS TRIGGER version_insert;

-- version_update
CREATE TRIGGER version_update BEFORE UPDATE ON @schema@.version FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_withdraw();
ALTER TABLE @schema@.version ENABLE ALWAYS TRIGGER version_update;

-- version_delete
CREATE TRIGGER version_delete BEFORE DELETE ON @schema@.version FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.version ENABLE ALWAYS TRIGGER version_delete;

-- version_truncate
CREATE TRIGGER version_truncate BEFORE TRUNCATE ON @schema@.version FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.version ENABLE ALWAYS TRIGGER version_truncate;

-- version_closed_insert
CREATE TRIGGER version_closed_insert BEFORE INSERT ON @schema@.version FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.version ENABLE ALWAYS TRIGGER version_closed_insert;

-- version_closed_update
CREATE TRIGGER version_closed_update BEFORE UPDATE ON @schema@.version FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.version ENABLE ALWAYS TRIGGER version_closed_update;

-- export_input_insert
CREATE TRIGGER export_input_insert BEFORE INSERT ON @schema@.export_input FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_insert_export_input();
ALTER TABLE @schema@.export_input ENABLE ALWAYS TRIGGER export_input_insert;

-- export_input_update
CREATE TRIGGER export_input_update BEFORE UPDATE ON @schema@.export_input FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.export_input ENABLE ALWAYS TRIGGER export_input_update;

-- export_input_delete
CREATE TRIGGER export_input_delete BEFORE DELETE ON @schema@.export_input FOR EACH ROW EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.export_input ENABLE ALWAYS TRIGGER export_input_delete;

-- export_input_truncate
CREATE TRIGGER export_input_truncate BEFORE TRUNCATE ON @schema@.export_input FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_refuse();
ALTER TABLE @schema@.export_input ENABLE ALWAYS TRIGGER export_input_truncate;

-- export_input_closed_insert
CREATE TRIGGER export_input_closed_insert BEFORE INSERT ON @schema@.export_input FOR EACH STATEMENT EXECUTE FUNCTION @schema@.calreg_closed();
ALTER TABLE @schema@.export_input ENABLE ALWAYS TRIGGER export_input_closed_insert;
