"""The panels of an experiment, and the files of panels: what a partial snapshot has, and what it leaves out."""

from __future__ import annotations

import sqlalchemy as sa

from registry import schema
from registry.errors import NotFoundError, Remedy
from registry.lookup.experiments import refuse_unknown_experiment
from registry.lookup.value_lists import is_listed
from registry.records import LeftOutFiles, SnapshotPart


def list_experiment_panels(connection: sa.Connection, experiment: str, revision: int) -> list[str]:
    """Return the Ids of the panels that an experiment has ever read out, or used in an export, as of a revision.

    Withdrawn configurations count: what was answered and exported then can be answered and replayed.

    Raises
    ------
    NotFoundError
        The experiment is not known, or none of its panels is.
    """
    refuse_unknown_experiment(connection, experiment, revision)
    configuration, part, panel = schema.configuration, schema.configuration_panel, schema.panel
    export, used, version = schema.export, schema.export_input, schema.version
    configured = (
        sa.select(part.c.panel_id)
        .join(configuration, configuration.c.id == part.c.configuration_id)
        .where(configuration.c.experiment == experiment, configuration.c.recorded_in <= revision)
    )
    exported = (
        sa.select(version.c.panel_id)
        .join(used, used.c.version_id == version.c.id)
        .join(export, export.c.id == used.c.export_id)
        .where(export.c.experiment == experiment, export.c.revision <= revision)
    )
    query = sa.select(panel.c.identifier).where(panel.c.id.in_(sa.union(configured, exported)))
    panels = sorted(connection.execute(query).scalars())
    if not panels:
        raise NotFoundError(
            f"no panels are known to be read out in experiment {experiment}: there are no files to take",
            experiment=experiment,
            first_run=0,
            remedy=Remedy.CONFIGURE_DETECTOR,
        )
    return panels


def is_in_part(part: SnapshotPart) -> sa.ColumnElement[bool]:
    """Return the condition that a file is of a panel of a part: any version has it, also a withdrawn one."""
    file, version, panel = schema.constants_file, schema.version, schema.panel
    wanted = (
        sa.select(file.c.sha256)
        .join(version, version.c.constants_id == file.c.constants_id)
        .join(panel, panel.c.id == version.c.panel_id)
        .where(is_listed(panel.c.identifier, part.panels))
    )
    return schema.blob.c.sha256.in_(wanted)


def list_files_outside(connection: sa.Connection, part: SnapshotPart) -> list[str]:
    """Return the SHA-256 of every file that is not of a part, in order."""
    sha256 = schema.blob.c.sha256
    query = sa.select(sha256).where(~is_in_part(part)).order_by(sha256)
    return list(connection.execute(query).scalars())


def count_files_outside(connection: sa.Connection, part: SnapshotPart) -> LeftOutFiles:
    """Return the number and the size of the files that are not of a part."""
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(schema.blob.c.size), 0)).where(
        ~is_in_part(part)
    )
    files, size = connection.execute(query).one()
    return LeftOutFiles(files, int(size), part)
