-- closure_insert
CREATE TRIGGER closure_insert BEFORE INSERT ON closure BEGIN
  SELECT CASE
    WHEN typeof(NEW.number) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: closure: number is of another type')
    WHEN typeof(NEW.reason) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: closure: reason is of another type')
    WHEN typeof(NEW.place) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: closure: place is of another type')
    WHEN typeof(NEW.closed_at) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: closure: closed_at is of another type')
    WHEN typeof(NEW.opened_at) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: closure: opened_at is of another type')
    WHEN typeof(NEW.author) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: closure: author is of another type')
    WHEN typeof(NEW.database_role) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: closure: database_role is of another type')
    WHEN typeof(NEW.host) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: closure: host is of another type')
    WHEN typeof(NEW.command) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: closure: command is of another type')
    WHEN typeof(NEW.software) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: closure: software is of another type')
    WHEN typeof(NEW.tag) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: closure: tag is of another type')
    WHEN typeof(NEW.timezone) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: closure: timezone is of another type')
    WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM closure)
      THEN RAISE(ABORT, 'append-only: closure: closures are numbered without gaps')
    WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL)
      THEN RAISE(ABORT, 'append-only: closure: the registry is closed already')
    WHEN EXISTS (SELECT 1 FROM closure WHERE number = NEW.number)
      THEN RAISE(ABORT, 'append-only: closure: a row with this key is there')
  END;
END;

-- closure_update
CREATE TRIGGER closure_update BEFORE UPDATE ON closure BEGIN
  SELECT CASE
    WHEN NOT (NEW.number IS OLD.number AND NEW.reason IS OLD.reason AND NEW.place IS OLD.place AND NEW.closed_at IS OLD.closed_at AND NEW.author IS OLD.author AND NEW.database_role IS OLD.database_role AND NEW.host IS OLD.host AND NEW.command IS OLD.command AND NEW.software IS OLD.software AND NEW.tag IS OLD.tag AND NEW.timezone IS OLD.timezone AND OLD.reason = 'arrival' AND OLD.opened_at IS NULL AND NEW.opened_at IS NOT NULL AND typeof(NEW.opened_at) = 'integer')
      THEN RAISE(ABORT, 'append-only: closure: this UPDATE is refused')
  END;
END;

-- closure_delete
CREATE TRIGGER closure_delete BEFORE DELETE ON closure BEGIN
  SELECT RAISE(ABORT, 'append-only: closure: DELETE is refused');
END;

-- export_seal_insert
CREATE TRIGGER export_seal_insert BEFORE INSERT ON export_seal BEGIN
  SELECT CASE
    WHEN typeof(NEW.export) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: export_seal: export is of another type')
    WHEN typeof(NEW.digest) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export_seal: digest is of another type')
    WHEN typeof(NEW.link) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export_seal: link is of another type')
    WHEN NEW.export IS NOT (SELECT max(id) FROM export)
      THEN RAISE(ABORT, 'append-only: export_seal: the export is not the newest')
    WHEN EXISTS (SELECT 1 FROM export_seal WHERE export = (SELECT max(id) FROM export))
      THEN RAISE(ABORT, 'append-only: export_seal: the export is sealed')
    WHEN EXISTS (SELECT 1 FROM export_seal WHERE export = NEW.export)
      THEN RAISE(ABORT, 'append-only: export_seal: a row with this key is there')
  END;
END;

-- export_seal_update
CREATE TRIGGER export_seal_update BEFORE UPDATE ON export_seal BEGIN
  SELECT RAISE(ABORT, 'append-only: export_seal: this UPDATE is refused');
END;

-- export_seal_delete
CREATE TRIGGER export_seal_delete BEFORE DELETE ON export_seal BEGIN
  SELECT RAISE(ABORT, 'append-only: export_seal: DELETE is refused');
END;

-- registry_insert
CREATE TRIGGER registry_insert BEFORE INSERT ON registry BEGIN
  SELECT CASE
    WHEN typeof(NEW.id) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: registry: id is of another type')
    WHEN typeof(NEW.created_at) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: registry: created_at is of another type')
    WHEN EXISTS (SELECT 1 FROM registry)
      THEN RAISE(ABORT, 'append-only: registry: a database holds one registry')
    WHEN EXISTS (SELECT 1 FROM registry WHERE id = NEW.id)
      THEN RAISE(ABORT, 'append-only: registry: a row with this key is there')
  END;
END;

-- registry_update
CREATE TRIGGER registry_update BEFORE UPDATE ON registry BEGIN
  SELECT RAISE(ABORT, 'append-only: registry: this UPDATE is refused');
END;

-- registry_delete
CREATE TRIGGER registry_delete BEFORE DELETE ON registry BEGIN
  SELECT RAISE(ABORT, 'append-only: registry: DELETE is refused');
END;

-- revision_insert
CREATE TRIGGER revision_insert BEFORE INSERT ON revision BEGIN
  SELECT CASE
    WHEN typeof(NEW.number) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: revision: number is of another type')
    WHEN typeof(NEW.recorded_at) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: revision: recorded_at is of another type')
    WHEN typeof(NEW.author) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: revision: author is of another type')
    WHEN typeof(NEW.database_role) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: revision: database_role is of another type')
    WHEN typeof(NEW.host) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: revision: host is of another type')
    WHEN typeof(NEW.command) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: revision: command is of another type')
    WHEN typeof(NEW.comment) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: revision: comment is of another type')
    WHEN typeof(NEW.software) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: revision: software is of another type')
    WHEN NEW.number IS NOT coalesce((SELECT max(number) FROM revision), 0) + 1
      THEN RAISE(ABORT, 'append-only: revision: revisions are numbered without gaps')
    WHEN NEW.recorded_at < (SELECT recorded_at FROM revision ORDER BY number DESC LIMIT 1)
      THEN RAISE(ABORT, 'append-only: revision: the instants of revisions never run backwards')
    WHEN (SELECT max(number) FROM revision) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM seal WHERE revision = (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: revision: the newest revision is not sealed')
    WHEN EXISTS (SELECT 1 FROM revision WHERE number = NEW.number)
      THEN RAISE(ABORT, 'append-only: revision: a row with this key is there')
  END;
END;

-- revision_update
CREATE TRIGGER revision_update BEFORE UPDATE ON revision BEGIN
  SELECT RAISE(ABORT, 'append-only: revision: this UPDATE is refused');
END;

-- revision_delete
CREATE TRIGGER revision_delete BEFORE DELETE ON revision BEGIN
  SELECT RAISE(ABORT, 'append-only: revision: DELETE is refused');
END;

-- blob_insert
CREATE TRIGGER blob_insert BEFORE INSERT ON blob BEGIN
  SELECT CASE
    WHEN typeof(NEW.sha256) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: blob: sha256 is of another type')
    WHEN typeof(NEW.size) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: blob: size is of another type')
    WHEN typeof(NEW.dtype) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: blob: dtype is of another type')
    WHEN typeof(NEW.shape) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: blob: shape is of another type')
    WHEN typeof(NEW.minimum) NOT IN ('real', 'null')
      THEN RAISE(ABORT, 'append-only: blob: minimum is of another type')
    WHEN typeof(NEW.median) NOT IN ('real', 'null')
      THEN RAISE(ABORT, 'append-only: blob: median is of another type')
    WHEN typeof(NEW.maximum) NOT IN ('real', 'null')
      THEN RAISE(ABORT, 'append-only: blob: maximum is of another type')
    WHEN typeof(NEW.zeros) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: blob: zeros is of another type')
    WHEN typeof(NEW.nonfinite) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: blob: nonfinite is of another type')
    WHEN typeof(NEW.recorded_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: blob: recorded_in is of another type')
    WHEN typeof(NEW.blake3) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: blob: blake3 is of another type')
    WHEN NEW.recorded_in IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: blob: recorded_in is not the newest revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = NEW.recorded_in)
      THEN RAISE(ABORT, 'append-only: blob: the revision is sealed')
    WHEN EXISTS (SELECT 1 FROM blob WHERE sha256 = NEW.sha256)
      THEN RAISE(ABORT, 'append-only: blob: a row with this key is there')
  END;
END;

-- blob_update
CREATE TRIGGER blob_update BEFORE UPDATE ON blob BEGIN
  SELECT RAISE(ABORT, 'append-only: blob: this UPDATE is refused');
END;

-- blob_delete
CREATE TRIGGER blob_delete BEFORE DELETE ON blob BEGIN
  SELECT RAISE(ABORT, 'append-only: blob: DELETE is refused');
END;

-- configuration_insert
CREATE TRIGGER configuration_insert BEFORE INSERT ON configuration BEGIN
  SELECT CASE
    WHEN typeof(NEW.id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: configuration: id is of another type')
    WHEN typeof(NEW.recorded_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: configuration: recorded_in is of another type')
    WHEN typeof(NEW.withdrawn_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: configuration: withdrawn_in is of another type')
    WHEN typeof(NEW.experiment) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: configuration: experiment is of another type')
    WHEN typeof(NEW.source) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: configuration: source is of another type')
    WHEN typeof(NEW.first_run) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: configuration: first_run is of another type')
    WHEN typeof(NEW.last_run) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: configuration: last_run is of another type')
    WHEN typeof(NEW.object_name) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: configuration: object_name is of another type')
    WHEN NEW.recorded_in IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: configuration: recorded_in is not the newest revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = NEW.recorded_in)
      THEN RAISE(ABORT, 'append-only: configuration: the revision is sealed')
    WHEN NEW.withdrawn_in IS NOT NULL
      THEN RAISE(ABORT, 'append-only: configuration: a fact is not withdrawn when it is recorded')
    WHEN EXISTS (SELECT 1 FROM configuration WHERE id = NEW.id)
      THEN RAISE(ABORT, 'append-only: configuration: a row with this key is there')
  END;
END;

-- configuration_update
CREATE TRIGGER configuration_update BEFORE UPDATE ON configuration BEGIN
  SELECT CASE
    WHEN NOT (NEW.id IS OLD.id AND NEW.recorded_in IS OLD.recorded_in AND NEW.experiment IS OLD.experiment AND NEW.source IS OLD.source AND NEW.first_run IS OLD.first_run AND NEW.last_run IS OLD.last_run AND NEW.object_name IS OLD.object_name AND OLD.withdrawn_in IS NULL AND NEW.withdrawn_in IS (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: configuration: this UPDATE is refused')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: configuration: the revision is sealed')
  END;
END;

-- configuration_delete
CREATE TRIGGER configuration_delete BEFORE DELETE ON configuration BEGIN
  SELECT RAISE(ABORT, 'append-only: configuration: DELETE is refused');
END;

-- constants_insert
CREATE TRIGGER constants_insert BEFORE INSERT ON constants BEGIN
  SELECT CASE
    WHEN typeof(NEW.id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: constants: id is of another type')
    WHEN typeof(NEW.sha256) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: constants: sha256 is of another type')
    WHEN typeof(NEW.detector_type) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: constants: detector_type is of another type')
    WHEN typeof(NEW.kind) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: constants: kind is of another type')
    WHEN typeof(NEW.recorded_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: constants: recorded_in is of another type')
    WHEN NEW.recorded_in IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: constants: recorded_in is not the newest revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = NEW.recorded_in)
      THEN RAISE(ABORT, 'append-only: constants: the revision is sealed')
    WHEN EXISTS (SELECT 1 FROM constants WHERE id = NEW.id)
      THEN RAISE(ABORT, 'append-only: constants: a row with this key is there')
    WHEN EXISTS (SELECT 1 FROM constants WHERE sha256 = NEW.sha256)
      THEN RAISE(ABORT, 'append-only: constants: a row with this key is there')
  END;
END;

-- constants_update
CREATE TRIGGER constants_update BEFORE UPDATE ON constants BEGIN
  SELECT RAISE(ABORT, 'append-only: constants: this UPDATE is refused');
END;

-- constants_delete
CREATE TRIGGER constants_delete BEFORE DELETE ON constants BEGIN
  SELECT RAISE(ABORT, 'append-only: constants: DELETE is refused');
END;

-- detector_name_insert
CREATE TRIGGER detector_name_insert BEFORE INSERT ON detector_name BEGIN
  SELECT CASE
    WHEN typeof(NEW.id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: detector_name: id is of another type')
    WHEN typeof(NEW.recorded_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: detector_name: recorded_in is of another type')
    WHEN typeof(NEW.withdrawn_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: detector_name: withdrawn_in is of another type')
    WHEN typeof(NEW.name) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: detector_name: name is of another type')
    WHEN NEW.recorded_in IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: detector_name: recorded_in is not the newest revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = NEW.recorded_in)
      THEN RAISE(ABORT, 'append-only: detector_name: the revision is sealed')
    WHEN NEW.withdrawn_in IS NOT NULL
      THEN RAISE(ABORT, 'append-only: detector_name: a fact is not withdrawn when it is recorded')
    WHEN EXISTS (SELECT 1 FROM detector_name WHERE id = NEW.id)
      THEN RAISE(ABORT, 'append-only: detector_name: a row with this key is there')
    WHEN EXISTS (SELECT 1 FROM detector_name WHERE name = NEW.name AND withdrawn_in IS NULL)
      THEN RAISE(ABORT, 'append-only: detector_name: a row with this key is there')
  END;
END;

-- detector_name_update
CREATE TRIGGER detector_name_update BEFORE UPDATE ON detector_name BEGIN
  SELECT CASE
    WHEN NOT (NEW.id IS OLD.id AND NEW.recorded_in IS OLD.recorded_in AND NEW.name IS OLD.name AND OLD.withdrawn_in IS NULL AND NEW.withdrawn_in IS (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: detector_name: this UPDATE is refused')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: detector_name: the revision is sealed')
  END;
END;

-- detector_name_delete
CREATE TRIGGER detector_name_delete BEFORE DELETE ON detector_name BEGIN
  SELECT RAISE(ABORT, 'append-only: detector_name: DELETE is refused');
END;

-- export_insert
CREATE TRIGGER export_insert BEFORE INSERT ON export BEGIN
  SELECT CASE
    WHEN typeof(NEW.id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: export: id is of another type')
    WHEN typeof(NEW.revision) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: export: revision is of another type')
    WHEN typeof(NEW.recorded_at) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: export: recorded_at is of another type')
    WHEN typeof(NEW.author) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export: author is of another type')
    WHEN typeof(NEW.database_role) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export: database_role is of another type')
    WHEN typeof(NEW.host) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export: host is of another type')
    WHEN typeof(NEW.command) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export: command is of another type')
    WHEN typeof(NEW.software) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export: software is of another type')
    WHEN typeof(NEW.detector_id) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export: detector_id is of another type')
    WHEN typeof(NEW.experiment) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export: experiment is of another type')
    WHEN typeof(NEW.run) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: export: run is of another type')
    WHEN typeof(NEW.source) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export: source is of another type')
    WHEN typeof(NEW.instant) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: export: instant is of another type')
    WHEN typeof(NEW.provenance_path) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export: provenance_path is of another type')
    WHEN typeof(NEW.provenance_sha256) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export: provenance_sha256 is of another type')
    WHEN typeof(NEW.first_run) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: export: first_run is of another type')
    WHEN typeof(NEW.last_run) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: export: last_run is of another type')
    WHEN NEW.revision IS NOT NULL AND NOT EXISTS (SELECT 1 FROM revision WHERE number = NEW.revision)
      THEN RAISE(ABORT, 'append-only: export: revision refers to no revision')
    WHEN NEW.id IS NOT coalesce((SELECT max(number) FROM (
    SELECT max(id) AS number FROM export UNION ALL SELECT max(export) FROM export_seal
) AS numbers), 0) + 1
      THEN RAISE(ABORT, 'append-only: export: exports are numbered without gaps')
    WHEN (SELECT max(id) FROM export) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM export_seal WHERE export = (SELECT max(id) FROM export))
      THEN RAISE(ABORT, 'append-only: export: the newest export is not sealed')
    WHEN EXISTS (SELECT 1 FROM export WHERE id = NEW.id)
      THEN RAISE(ABORT, 'append-only: export: a row with this key is there')
  END;
END;

-- export_update
CREATE TRIGGER export_update BEFORE UPDATE ON export BEGIN
  SELECT RAISE(ABORT, 'append-only: export: this UPDATE is refused');
END;

-- export_delete
CREATE TRIGGER export_delete BEFORE DELETE ON export BEGIN
  SELECT RAISE(ABORT, 'append-only: export: DELETE is refused');
END;

-- lineage_insert
CREATE TRIGGER lineage_insert BEFORE INSERT ON lineage BEGIN
  SELECT CASE
    WHEN typeof(NEW.id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: lineage: id is of another type')
    WHEN typeof(NEW.recorded_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: lineage: recorded_in is of another type')
    WHEN typeof(NEW.reason) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: lineage: reason is of another type')
    WHEN typeof(NEW.registry) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: lineage: registry is of another type')
    WHEN typeof(NEW.ancestor) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: lineage: ancestor is of another type')
    WHEN typeof(NEW.head_revision) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: lineage: head_revision is of another type')
    WHEN typeof(NEW.head_seal) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: lineage: head_seal is of another type')
    WHEN NEW.recorded_in IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: lineage: recorded_in is not the newest revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = NEW.recorded_in)
      THEN RAISE(ABORT, 'append-only: lineage: the revision is sealed')
    WHEN EXISTS (SELECT 1 FROM lineage WHERE id = NEW.id)
      THEN RAISE(ABORT, 'append-only: lineage: a row with this key is there')
  END;
END;

-- lineage_update
CREATE TRIGGER lineage_update BEFORE UPDATE ON lineage BEGIN
  SELECT RAISE(ABORT, 'append-only: lineage: this UPDATE is refused');
END;

-- lineage_delete
CREATE TRIGGER lineage_delete BEFORE DELETE ON lineage BEGIN
  SELECT RAISE(ABORT, 'append-only: lineage: DELETE is refused');
END;

-- panel_insert
CREATE TRIGGER panel_insert BEFORE INSERT ON panel BEGIN
  SELECT CASE
    WHEN typeof(NEW.id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: panel: id is of another type')
    WHEN typeof(NEW.identifier) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: panel: identifier is of another type')
    WHEN typeof(NEW.detector_type) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: panel: detector_type is of another type')
    WHEN typeof(NEW.module_version) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: panel: module_version is of another type')
    WHEN typeof(NEW.firmware_version) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: panel: firmware_version is of another type')
    WHEN typeof(NEW.serial_number) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: panel: serial_number is of another type')
    WHEN typeof(NEW.recorded_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: panel: recorded_in is of another type')
    WHEN NEW.recorded_in IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: panel: recorded_in is not the newest revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = NEW.recorded_in)
      THEN RAISE(ABORT, 'append-only: panel: the revision is sealed')
    WHEN EXISTS (SELECT 1 FROM panel WHERE id = NEW.id)
      THEN RAISE(ABORT, 'append-only: panel: a row with this key is there')
    WHEN EXISTS (SELECT 1 FROM panel WHERE identifier = NEW.identifier)
      THEN RAISE(ABORT, 'append-only: panel: a row with this key is there')
  END;
END;

-- panel_update
CREATE TRIGGER panel_update BEFORE UPDATE ON panel BEGIN
  SELECT RAISE(ABORT, 'append-only: panel: this UPDATE is refused');
END;

-- panel_delete
CREATE TRIGGER panel_delete BEFORE DELETE ON panel BEGIN
  SELECT RAISE(ABORT, 'append-only: panel: DELETE is refused');
END;

-- run_insert
CREATE TRIGGER run_insert BEFORE INSERT ON run BEGIN
  SELECT CASE
    WHEN typeof(NEW.id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: run: id is of another type')
    WHEN typeof(NEW.recorded_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: run: recorded_in is of another type')
    WHEN typeof(NEW.withdrawn_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: run: withdrawn_in is of another type')
    WHEN typeof(NEW.experiment) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: run: experiment is of another type')
    WHEN typeof(NEW.number) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: run: number is of another type')
    WHEN typeof(NEW.begin_at) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: run: begin_at is of another type')
    WHEN typeof(NEW.end_at) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: run: end_at is of another type')
    WHEN NEW.recorded_in IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: run: recorded_in is not the newest revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = NEW.recorded_in)
      THEN RAISE(ABORT, 'append-only: run: the revision is sealed')
    WHEN NEW.withdrawn_in IS NOT NULL
      THEN RAISE(ABORT, 'append-only: run: a fact is not withdrawn when it is recorded')
    WHEN EXISTS (SELECT 1 FROM run WHERE id = NEW.id)
      THEN RAISE(ABORT, 'append-only: run: a row with this key is there')
    WHEN EXISTS (SELECT 1 FROM run WHERE experiment = NEW.experiment AND number = NEW.number AND withdrawn_in IS NULL)
      THEN RAISE(ABORT, 'append-only: run: a row with this key is there')
  END;
END;

-- run_update
CREATE TRIGGER run_update BEFORE UPDATE ON run BEGIN
  SELECT CASE
    WHEN NOT (NEW.id IS OLD.id AND NEW.recorded_in IS OLD.recorded_in AND NEW.experiment IS OLD.experiment AND NEW.number IS OLD.number AND NEW.begin_at IS OLD.begin_at AND NEW.end_at IS OLD.end_at AND OLD.withdrawn_in IS NULL AND NEW.withdrawn_in IS (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: run: this UPDATE is refused')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: run: the revision is sealed')
  END;
END;

-- run_delete
CREATE TRIGGER run_delete BEFORE DELETE ON run BEGIN
  SELECT RAISE(ABORT, 'append-only: run: DELETE is refused');
END;

-- seal_insert
CREATE TRIGGER seal_insert BEFORE INSERT ON seal BEGIN
  SELECT CASE
    WHEN typeof(NEW.revision) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: seal: revision is of another type')
    WHEN typeof(NEW.digest) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: seal: digest is of another type')
    WHEN typeof(NEW.text) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: seal: text is of another type')
    WHEN typeof(NEW.export) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: seal: export is of another type')
    WHEN typeof(NEW.late) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: seal: late is of another type')
    WHEN NEW.revision IS NOT NULL AND NOT EXISTS (SELECT 1 FROM revision WHERE number = NEW.revision)
      THEN RAISE(ABORT, 'append-only: seal: revision refers to no revision')
    WHEN NEW.export IS NOT NULL AND NOT EXISTS (SELECT 1 FROM export_seal WHERE export = NEW.export)
      THEN RAISE(ABORT, 'append-only: seal: export refers to no export_seal')
    WHEN NEW.revision IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: seal: the revision is not the newest')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: seal: the revision is sealed')
    WHEN NEW.export IS NOT (SELECT max(export) FROM export_seal)
      THEN RAISE(ABORT, 'append-only: seal: export is not the newest that is sealed')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = NEW.revision)
      THEN RAISE(ABORT, 'append-only: seal: a row with this key is there')
  END;
END;

-- seal_update
CREATE TRIGGER seal_update BEFORE UPDATE ON seal BEGIN
  SELECT RAISE(ABORT, 'append-only: seal: this UPDATE is refused');
END;

-- seal_delete
CREATE TRIGGER seal_delete BEFORE DELETE ON seal BEGIN
  SELECT RAISE(ABORT, 'append-only: seal: DELETE is refused');
END;

-- tag_insert
CREATE TRIGGER tag_insert BEFORE INSERT ON tag BEGIN
  SELECT CASE
    WHEN typeof(NEW.name) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: tag: name is of another type')
    WHEN typeof(NEW.revision) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: tag: revision is of another type')
    WHEN typeof(NEW.recorded_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: tag: recorded_in is of another type')
    WHEN typeof(NEW.seal) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: tag: seal is of another type')
    WHEN NEW.recorded_in IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: tag: recorded_in is not the newest revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = NEW.recorded_in)
      THEN RAISE(ABORT, 'append-only: tag: the revision is sealed')
    WHEN NEW.revision IS NOT NULL AND NOT EXISTS (SELECT 1 FROM revision WHERE number = NEW.revision)
      THEN RAISE(ABORT, 'append-only: tag: revision refers to no revision')
    WHEN NOT EXISTS (SELECT 1 FROM seal WHERE revision = NEW.revision AND digest = NEW.seal)
      THEN RAISE(ABORT, 'append-only: tag: seal is not that of the revision')
    WHEN EXISTS (SELECT 1 FROM tag WHERE name = NEW.name)
      THEN RAISE(ABORT, 'append-only: tag: a row with this key is there')
  END;
END;

-- tag_update
CREATE TRIGGER tag_update BEFORE UPDATE ON tag BEGIN
  SELECT RAISE(ABORT, 'append-only: tag: this UPDATE is refused');
END;

-- tag_delete
CREATE TRIGGER tag_delete BEFORE DELETE ON tag BEGIN
  SELECT RAISE(ABORT, 'append-only: tag: DELETE is refused');
END;

-- timezone_insert
CREATE TRIGGER timezone_insert BEFORE INSERT ON timezone BEGIN
  SELECT CASE
    WHEN typeof(NEW.id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: timezone: id is of another type')
    WHEN typeof(NEW.recorded_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: timezone: recorded_in is of another type')
    WHEN typeof(NEW.withdrawn_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: timezone: withdrawn_in is of another type')
    WHEN typeof(NEW.name) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: timezone: name is of another type')
    WHEN NEW.recorded_in IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: timezone: recorded_in is not the newest revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = NEW.recorded_in)
      THEN RAISE(ABORT, 'append-only: timezone: the revision is sealed')
    WHEN NEW.withdrawn_in IS NOT NULL
      THEN RAISE(ABORT, 'append-only: timezone: a fact is not withdrawn when it is recorded')
    WHEN EXISTS (SELECT 1 FROM timezone WHERE id = NEW.id)
      THEN RAISE(ABORT, 'append-only: timezone: a row with this key is there')
  END;
END;

-- timezone_update
CREATE TRIGGER timezone_update BEFORE UPDATE ON timezone BEGIN
  SELECT CASE
    WHEN NOT (NEW.id IS OLD.id AND NEW.recorded_in IS OLD.recorded_in AND NEW.name IS OLD.name AND OLD.withdrawn_in IS NULL AND NEW.withdrawn_in IS (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: timezone: this UPDATE is refused')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: timezone: the revision is sealed')
  END;
END;

-- timezone_delete
CREATE TRIGGER timezone_delete BEFORE DELETE ON timezone BEGIN
  SELECT RAISE(ABORT, 'append-only: timezone: DELETE is refused');
END;

-- alias_insert
CREATE TRIGGER alias_insert BEFORE INSERT ON alias BEGIN
  SELECT CASE
    WHEN typeof(NEW.id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: alias: id is of another type')
    WHEN typeof(NEW.recorded_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: alias: recorded_in is of another type')
    WHEN typeof(NEW.withdrawn_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: alias: withdrawn_in is of another type')
    WHEN typeof(NEW.m_number) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: alias: m_number is of another type')
    WHEN typeof(NEW.panel_id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: alias: panel_id is of another type')
    WHEN typeof(NEW.valid_from) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: alias: valid_from is of another type')
    WHEN typeof(NEW.same_module) NOT IN ('integer', 'null') OR NEW.same_module NOT IN (0, 1)
      THEN RAISE(ABORT, 'append-only: alias: same_module is of another type')
    WHEN NEW.recorded_in IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: alias: recorded_in is not the newest revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = NEW.recorded_in)
      THEN RAISE(ABORT, 'append-only: alias: the revision is sealed')
    WHEN NEW.withdrawn_in IS NOT NULL
      THEN RAISE(ABORT, 'append-only: alias: a fact is not withdrawn when it is recorded')
    WHEN NEW.panel_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM panel WHERE id = NEW.panel_id)
      THEN RAISE(ABORT, 'append-only: alias: panel_id refers to no panel')
    WHEN EXISTS (SELECT 1 FROM alias WHERE id = NEW.id)
      THEN RAISE(ABORT, 'append-only: alias: a row with this key is there')
    WHEN EXISTS (SELECT 1 FROM alias WHERE panel_id = NEW.panel_id AND valid_from = NEW.valid_from AND withdrawn_in IS NULL)
      THEN RAISE(ABORT, 'append-only: alias: a row with this key is there')
  END;
END;

-- alias_update
CREATE TRIGGER alias_update BEFORE UPDATE ON alias BEGIN
  SELECT CASE
    WHEN NOT (NEW.id IS OLD.id AND NEW.recorded_in IS OLD.recorded_in AND NEW.m_number IS OLD.m_number AND NEW.panel_id IS OLD.panel_id AND NEW.valid_from IS OLD.valid_from AND NEW.same_module IS OLD.same_module AND OLD.withdrawn_in IS NULL AND NEW.withdrawn_in IS (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: alias: this UPDATE is refused')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: alias: the revision is sealed')
  END;
END;

-- alias_delete
CREATE TRIGGER alias_delete BEFORE DELETE ON alias BEGIN
  SELECT RAISE(ABORT, 'append-only: alias: DELETE is refused');
END;

-- blob_pattern_insert
CREATE TRIGGER blob_pattern_insert BEFORE INSERT ON blob_pattern BEGIN
  SELECT CASE
    WHEN typeof(NEW.blob) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: blob_pattern: blob is of another type')
    WHEN typeof(NEW.algorithm) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: blob_pattern: algorithm is of another type')
    WHEN typeof(NEW.signs) NOT IN ('blob', 'null')
      THEN RAISE(ABORT, 'append-only: blob_pattern: signs is of another type')
    WHEN typeof(NEW.samples) NOT IN ('blob', 'null')
      THEN RAISE(ABORT, 'append-only: blob_pattern: samples is of another type')
    WHEN typeof(NEW.recorded_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: blob_pattern: recorded_in is of another type')
    WHEN NEW.recorded_in IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: blob_pattern: recorded_in is not the newest revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = NEW.recorded_in)
      THEN RAISE(ABORT, 'append-only: blob_pattern: the revision is sealed')
    WHEN NEW.blob IS NOT NULL AND NOT EXISTS (SELECT 1 FROM blob WHERE sha256 = NEW.blob)
      THEN RAISE(ABORT, 'append-only: blob_pattern: blob refers to no blob')
    WHEN EXISTS (SELECT 1 FROM blob_pattern WHERE blob = NEW.blob AND algorithm = NEW.algorithm)
      THEN RAISE(ABORT, 'append-only: blob_pattern: a row with this key is there')
  END;
END;

-- blob_pattern_update
CREATE TRIGGER blob_pattern_update BEFORE UPDATE ON blob_pattern BEGIN
  SELECT RAISE(ABORT, 'append-only: blob_pattern: this UPDATE is refused');
END;

-- blob_pattern_delete
CREATE TRIGGER blob_pattern_delete BEFORE DELETE ON blob_pattern BEGIN
  SELECT RAISE(ABORT, 'append-only: blob_pattern: DELETE is refused');
END;

-- configuration_panel_insert
CREATE TRIGGER configuration_panel_insert BEFORE INSERT ON configuration_panel BEGIN
  SELECT CASE
    WHEN typeof(NEW.configuration_id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: configuration_panel: configuration_id is of another type')
    WHEN typeof(NEW.position) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: configuration_panel: position is of another type')
    WHEN typeof(NEW.panel_id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: configuration_panel: panel_id is of another type')
    WHEN typeof(NEW.segment) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: configuration_panel: segment is of another type')
    WHEN (SELECT recorded_in FROM configuration WHERE id = NEW.configuration_id) IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: configuration_panel: the configuration was recorded by an earlier revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: configuration_panel: the revision is sealed')
    WHEN NEW.panel_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM panel WHERE id = NEW.panel_id)
      THEN RAISE(ABORT, 'append-only: configuration_panel: panel_id refers to no panel')
    WHEN EXISTS (SELECT 1 FROM configuration_panel WHERE configuration_id = NEW.configuration_id AND position = NEW.position)
      THEN RAISE(ABORT, 'append-only: configuration_panel: a row with this key is there')
    WHEN EXISTS (SELECT 1 FROM configuration_panel WHERE configuration_id = NEW.configuration_id AND panel_id = NEW.panel_id)
      THEN RAISE(ABORT, 'append-only: configuration_panel: a row with this key is there')
    WHEN EXISTS (SELECT 1 FROM configuration_panel WHERE configuration_id = NEW.configuration_id AND segment = NEW.segment)
      THEN RAISE(ABORT, 'append-only: configuration_panel: a row with this key is there')
  END;
END;

-- configuration_panel_update
CREATE TRIGGER configuration_panel_update BEFORE UPDATE ON configuration_panel BEGIN
  SELECT RAISE(ABORT, 'append-only: configuration_panel: this UPDATE is refused');
END;

-- configuration_panel_delete
CREATE TRIGGER configuration_panel_delete BEFORE DELETE ON configuration_panel BEGIN
  SELECT RAISE(ABORT, 'append-only: configuration_panel: DELETE is refused');
END;

-- constants_file_insert
CREATE TRIGGER constants_file_insert BEFORE INSERT ON constants_file BEGIN
  SELECT CASE
    WHEN typeof(NEW.constants_id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: constants_file: constants_id is of another type')
    WHEN typeof(NEW.gain_range) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: constants_file: gain_range is of another type')
    WHEN typeof(NEW.sha256) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: constants_file: sha256 is of another type')
    WHEN (SELECT recorded_in FROM constants WHERE id = NEW.constants_id) IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: constants_file: the constants was recorded by an earlier revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: constants_file: the revision is sealed')
    WHEN NEW.sha256 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM blob WHERE sha256 = NEW.sha256)
      THEN RAISE(ABORT, 'append-only: constants_file: sha256 refers to no blob')
    WHEN EXISTS (SELECT 1 FROM constants_file WHERE constants_id = NEW.constants_id AND gain_range = NEW.gain_range)
      THEN RAISE(ABORT, 'append-only: constants_file: a row with this key is there')
  END;
END;

-- constants_file_update
CREATE TRIGGER constants_file_update BEFORE UPDATE ON constants_file BEGIN
  SELECT RAISE(ABORT, 'append-only: constants_file: this UPDATE is refused');
END;

-- constants_file_delete
CREATE TRIGGER constants_file_delete BEFORE DELETE ON constants_file BEGIN
  SELECT RAISE(ABORT, 'append-only: constants_file: DELETE is refused');
END;

-- detector_name_panel_insert
CREATE TRIGGER detector_name_panel_insert BEFORE INSERT ON detector_name_panel BEGIN
  SELECT CASE
    WHEN typeof(NEW.detector_name_id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: detector_name_panel: detector_name_id is of another type')
    WHEN typeof(NEW.position) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: detector_name_panel: position is of another type')
    WHEN typeof(NEW.panel_id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: detector_name_panel: panel_id is of another type')
    WHEN (SELECT recorded_in FROM detector_name WHERE id = NEW.detector_name_id) IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: detector_name_panel: the detector_name was recorded by an earlier revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: detector_name_panel: the revision is sealed')
    WHEN NEW.panel_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM panel WHERE id = NEW.panel_id)
      THEN RAISE(ABORT, 'append-only: detector_name_panel: panel_id refers to no panel')
    WHEN EXISTS (SELECT 1 FROM detector_name_panel WHERE detector_name_id = NEW.detector_name_id AND position = NEW.position)
      THEN RAISE(ABORT, 'append-only: detector_name_panel: a row with this key is there')
    WHEN EXISTS (SELECT 1 FROM detector_name_panel WHERE detector_name_id = NEW.detector_name_id AND panel_id = NEW.panel_id)
      THEN RAISE(ABORT, 'append-only: detector_name_panel: a row with this key is there')
  END;
END;

-- detector_name_panel_update
CREATE TRIGGER detector_name_panel_update BEFORE UPDATE ON detector_name_panel BEGIN
  SELECT RAISE(ABORT, 'append-only: detector_name_panel: this UPDATE is refused');
END;

-- detector_name_panel_delete
CREATE TRIGGER detector_name_panel_delete BEFORE DELETE ON detector_name_panel BEGIN
  SELECT RAISE(ABORT, 'append-only: detector_name_panel: DELETE is refused');
END;

-- export_output_insert
CREATE TRIGGER export_output_insert BEFORE INSERT ON export_output BEGIN
  SELECT CASE
    WHEN typeof(NEW.export_id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: export_output: export_id is of another type')
    WHEN typeof(NEW.type) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export_output: type is of another type')
    WHEN typeof(NEW.path) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export_output: path is of another type')
    WHEN typeof(NEW.sha256) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: export_output: sha256 is of another type')
    WHEN typeof(NEW.size) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: export_output: size is of another type')
    WHEN NEW.export_id IS NOT (SELECT max(id) FROM export)
      THEN RAISE(ABORT, 'append-only: export_output: the export is not the newest')
    WHEN EXISTS (SELECT 1 FROM export_seal WHERE export = (SELECT max(id) FROM export))
      THEN RAISE(ABORT, 'append-only: export_output: the export is sealed')
    WHEN EXISTS (SELECT 1 FROM export_output WHERE export_id = NEW.export_id AND type = NEW.type)
      THEN RAISE(ABORT, 'append-only: export_output: a row with this key is there')
  END;
END;

-- export_output_update
CREATE TRIGGER export_output_update BEFORE UPDATE ON export_output BEGIN
  SELECT RAISE(ABORT, 'append-only: export_output: this UPDATE is refused');
END;

-- export_output_delete
CREATE TRIGGER export_output_delete BEFORE DELETE ON export_output BEGIN
  SELECT RAISE(ABORT, 'append-only: export_output: DELETE is refused');
END;

-- version_insert
CREATE TRIGGER version_insert BEFORE INSERT ON version BEGIN
  SELECT CASE
    WHEN typeof(NEW.id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: version: id is of another type')
    WHEN typeof(NEW.recorded_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: version: recorded_in is of another type')
    WHEN typeof(NEW.withdrawn_in) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: version: withdrawn_in is of another type')
    WHEN typeof(NEW.panel_id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: version: panel_id is of another type')
    WHEN typeof(NEW.kind) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: version: kind is of another type')
    WHEN typeof(NEW.valid_from) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: version: valid_from is of another type')
    WHEN typeof(NEW.constants_id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: version: constants_id is of another type')
    WHEN typeof(NEW.carried_from) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: version: carried_from is of another type')
    WHEN typeof(NEW.source_path) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: version: source_path is of another type')
    WHEN typeof(NEW.comment) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: version: comment is of another type')
    WHEN typeof(NEW.nonfinite_allowed) NOT IN ('integer', 'null') OR NEW.nonfinite_allowed NOT IN (0, 1)
      THEN RAISE(ABORT, 'append-only: version: nonfinite_allowed is of another type')
    WHEN typeof(NEW.conversion) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: version: conversion is of another type')
    WHEN typeof(NEW.latest_start) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: version: latest_start is of another type')
    WHEN typeof(NEW.odd_allowed) NOT IN ('integer', 'null') OR NEW.odd_allowed NOT IN (0, 1)
      THEN RAISE(ABORT, 'append-only: version: odd_allowed is of another type')
    WHEN typeof(NEW.same_as) NOT IN ('text', 'null')
      THEN RAISE(ABORT, 'append-only: version: same_as is of another type')
    WHEN typeof(NEW.pattern_allowed) NOT IN ('integer', 'null') OR NEW.pattern_allowed NOT IN (0, 1)
      THEN RAISE(ABORT, 'append-only: version: pattern_allowed is of another type')
    WHEN NEW.recorded_in IS NOT (SELECT max(number) FROM revision)
      THEN RAISE(ABORT, 'append-only: version: recorded_in is not the newest revision')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = NEW.recorded_in)
      THEN RAISE(ABORT, 'append-only: version: the revision is sealed')
    WHEN NEW.withdrawn_in IS NOT NULL
      THEN RAISE(ABORT, 'append-only: version: a fact is not withdrawn when it is recorded')
    WHEN NEW.panel_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM panel WHERE id = NEW.panel_id)
      THEN RAISE(ABORT, 'append-only: version: panel_id refers to no panel')
    WHEN NEW.constants_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM constants WHERE id = NEW.constants_id)
      THEN RAISE(ABORT, 'append-only: version: constants_id refers to no constants')
    WHEN NEW.carried_from IS NOT NULL AND NOT EXISTS (SELECT 1 FROM version WHERE id = NEW.carried_from)
      THEN RAISE(ABORT, 'append-only: version: carried_from refers to no version')
    WHEN NEW.latest_start IS NOT max(NEW.valid_from, coalesce((
      SELECT v.latest_start FROM version v WHERE v.panel_id = NEW.panel_id AND v.kind = NEW.kind
      ORDER BY v.recorded_in DESC, v.latest_start DESC LIMIT 1), NEW.valid_from))
      THEN RAISE(ABORT, 'append-only: version: latest_start is not the greatest start of the panel and kind')
    WHEN EXISTS (SELECT 1 FROM version WHERE id = NEW.id)
      THEN RAISE(ABORT, 'append-only: version: a row with this key is there')
    WHEN EXISTS (SELECT 1 FROM version WHERE panel_id = NEW.panel_id AND kind = NEW.kind AND valid_from = NEW.valid_from AND withdrawn_in IS NULL)
      THEN RAISE(ABORT, 'append-only: version: a row with this key is there')
  END;
END;

-- version_update
CREATE TRIGGER version_update BEFORE UPDATE ON version BEGIN
  SELECT CASE
    WHEN NOT (NEW.id IS OLD.id AND NEW.recorded_in IS OLD.recorded_in AND NEW.panel_id IS OLD.panel_id AND NEW.kind IS OLD.kind AND NEW.valid_from IS OLD.valid_from AND NEW.constants_id IS OLD.constants_id AND NEW.carried_from IS OLD.carried_from AND NEW.source_path IS OLD.source_path AND NEW.comment IS OLD.comment AND NEW.nonfinite_allowed IS OLD.nonfinite_allowed AND NEW.conversion IS OLD.conversion AND NEW.latest_start IS OLD.latest_start AND NEW.odd_allowed IS OLD.odd_allowed AND NEW.same_as IS OLD.same_as AND NEW.pattern_allowed IS OLD.pattern_allowed AND OLD.withdrawn_in IS NULL AND NEW.withdrawn_in IS (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: version: this UPDATE is refused')
    WHEN EXISTS (SELECT 1 FROM seal WHERE revision = (SELECT max(number) FROM revision))
      THEN RAISE(ABORT, 'append-only: version: the revision is sealed')
  END;
END;

-- version_delete
CREATE TRIGGER version_delete BEFORE DELETE ON version BEGIN
  SELECT RAISE(ABORT, 'append-only: version: DELETE is refused');
END;

-- export_input_insert
CREATE TRIGGER export_input_insert BEFORE INSERT ON export_input BEGIN
  SELECT CASE
    WHEN typeof(NEW.export_id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: export_input: export_id is of another type')
    WHEN typeof(NEW.version_id) NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'append-only: export_input: version_id is of another type')
    WHEN NEW.export_id IS NOT (SELECT max(id) FROM export)
      THEN RAISE(ABORT, 'append-only: export_input: the export is not the newest')
    WHEN EXISTS (SELECT 1 FROM export_seal WHERE export = (SELECT max(id) FROM export))
      THEN RAISE(ABORT, 'append-only: export_input: the export is sealed')
    WHEN NEW.version_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM version WHERE id = NEW.version_id)
      THEN RAISE(ABORT, 'append-only: export_input: version_id refers to no version')
    WHEN EXISTS (SELECT 1 FROM export_input WHERE export_id = NEW.export_id AND version_id = NEW.version_id)
      THEN RAISE(ABORT, 'append-only: export_input: a row with this key is there')
  END;
END;

-- export_input_update
CREATE TRIGGER export_input_update BEFORE UPDATE ON export_input BEGIN
  SELECT RAISE(ABORT, 'append-only: export_input: this UPDATE is refused');
END;

-- export_input_delete
CREATE TRIGGER export_input_delete BEFORE DELETE ON export_input BEGIN
  SELECT RAISE(ABORT, 'append-only: export_input: DELETE is refused');
END;

-- export_seal_closed_insert
CREATE TRIGGER export_seal_closed_insert BEFORE INSERT ON export_seal WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: export_seal: the registry is closed to writes');
END;

-- revision_closed_insert
CREATE TRIGGER revision_closed_insert BEFORE INSERT ON revision WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: revision: the registry is closed to writes');
END;

-- blob_closed_insert
CREATE TRIGGER blob_closed_insert BEFORE INSERT ON blob WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: blob: the registry is closed to writes');
END;

-- configuration_closed_insert
CREATE TRIGGER configuration_closed_insert BEFORE INSERT ON configuration WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: configuration: the registry is closed to writes');
END;

-- configuration_closed_update
CREATE TRIGGER configuration_closed_update BEFORE UPDATE ON configuration WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: configuration: the registry is closed to writes');
END;

-- constants_closed_insert
CREATE TRIGGER constants_closed_insert BEFORE INSERT ON constants WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: constants: the registry is closed to writes');
END;

-- detector_name_closed_insert
CREATE TRIGGER detector_name_closed_insert BEFORE INSERT ON detector_name WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: detector_name: the registry is closed to writes');
END;

-- detector_name_closed_update
CREATE TRIGGER detector_name_closed_update BEFORE UPDATE ON detector_name WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: detector_name: the registry is closed to writes');
END;

-- export_closed_insert
CREATE TRIGGER export_closed_insert BEFORE INSERT ON export WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: export: the registry is closed to writes');
END;

-- lineage_closed_insert
CREATE TRIGGER lineage_closed_insert BEFORE INSERT ON lineage WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: lineage: the registry is closed to writes');
END;

-- panel_closed_insert
CREATE TRIGGER panel_closed_insert BEFORE INSERT ON panel WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: panel: the registry is closed to writes');
END;

-- run_closed_insert
CREATE TRIGGER run_closed_insert BEFORE INSERT ON run WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: run: the registry is closed to writes');
END;

-- run_closed_update
CREATE TRIGGER run_closed_update BEFORE UPDATE ON run WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: run: the registry is closed to writes');
END;

-- seal_closed_insert
CREATE TRIGGER seal_closed_insert BEFORE INSERT ON seal WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: seal: the registry is closed to writes');
END;

-- tag_closed_insert
CREATE TRIGGER tag_closed_insert BEFORE INSERT ON tag WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: tag: the registry is closed to writes');
END;

-- timezone_closed_insert
CREATE TRIGGER timezone_closed_insert BEFORE INSERT ON timezone WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: timezone: the registry is closed to writes');
END;

-- timezone_closed_update
CREATE TRIGGER timezone_closed_update BEFORE UPDATE ON timezone WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: timezone: the registry is closed to writes');
END;

-- alias_closed_insert
CREATE TRIGGER alias_closed_insert BEFORE INSERT ON alias WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: alias: the registry is closed to writes');
END;

-- alias_closed_update
CREATE TRIGGER alias_closed_update BEFORE UPDATE ON alias WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: alias: the registry is closed to writes');
END;

-- blob_pattern_closed_insert
CREATE TRIGGER blob_pattern_closed_insert BEFORE INSERT ON blob_pattern WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: blob_pattern: the registry is closed to writes');
END;

-- configuration_panel_closed_insert
CREATE TRIGGER configuration_panel_closed_insert BEFORE INSERT ON configuration_panel WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: configuration_panel: the registry is closed to writes');
END;

-- constants_file_closed_insert
CREATE TRIGGER constants_file_closed_insert BEFORE INSERT ON constants_file WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: constants_file: the registry is closed to writes');
END;

-- detector_name_panel_closed_insert
CREATE TRIGGER detector_name_panel_closed_insert BEFORE INSERT ON detector_name_panel WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: detector_name_panel: the registry is closed to writes');
END;

-- export_output_closed_insert
CREATE TRIGGER export_output_closed_insert BEFORE INSERT ON export_output WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: export_output: the registry is closed to writes');
END;

-- version_closed_insert
CREATE TRIGGER version_closed_insert BEFORE INSERT ON version WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: version: the registry is closed to writes');
END;

-- version_closed_update
CREATE TRIGGER version_closed_update BEFORE UPDATE ON version WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: version: the registry is closed to writes');
END;

-- export_input_closed_insert
CREATE TRIGGER export_input_closed_insert BEFORE INSERT ON export_input WHEN EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL) BEGIN
  SELECT RAISE(ABORT, 'append-only: export_input: the registry is closed to writes');
END;
