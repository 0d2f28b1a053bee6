"""Panels of which versions came from a link of a legacy directory, and the experiments that read panels out."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from registry import schema
from registry.lookup.value_lists import is_listed


def list_linked_panels(connection: sa.Connection, panels: Collection[str], revision: int) -> set[str]:
    """Return those of the panels of which the source of a version has the panel's Id in its path.

    Withdrawn ones count: what took the place of a link's constants does not make the panel another one.

    No index has the paths: all versions are read, one after the other, and not panel by panel.
    """
    panel, version = schema.panel, schema.version
    find = sa.func.strpos if connection.dialect.name == "postgresql" else sa.func.instr
    query = (
        sa.select(panel.c.identifier)
        .distinct()
        .join(version, version.c.panel_id + 0 == panel.c.id)
        .where(version.c.recorded_in <= revision, find(version.c.source_path, panel.c.identifier) > 0)
    )
    return set(connection.execute(query).scalars()).intersection(panels)


def list_experiments_of_panels(connection: sa.Connection, panels: Collection[str], revision: int) -> set[str]:
    """Return the experiments with a live configuration that names one of the panels."""
    panel, member, configuration = schema.panel, schema.configuration_panel, schema.configuration
    query = (
        sa.select(configuration.c.experiment)
        .distinct()
        .join(member, member.c.configuration_id == configuration.c.id)
        .join(panel, panel.c.id == member.c.panel_id)
        .where(is_listed(panel.c.identifier, panels), schema.live_condition(configuration, revision))
    )
    return set(connection.execute(query).scalars())
