"""Panels of which versions came from a link of a legacy directory, and the experiments that read panels out."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.planner import unindexed_live_condition
from registry.lookup.value_lists import is_listed


def list_linked_panels(connection: sa.Connection, panels: Collection[str], revision: int) -> set[str]:
    """Return those of the panels of which the source of a live version has the panel's Id in its path."""
    panel, version = schema.panel, schema.version
    linked: sa.Select[Any] = (
        sa.select(sa.literal_column("1", sa.Integer))
        .where(version.c.panel_id == panel.c.id, unindexed_live_condition(version, revision))
        .where(version.c.source_path.contains(panel.c.identifier))
        .correlate(panel)
    )
    query = sa.select(panel.c.identifier).where(is_listed(panel.c.identifier, panels), linked.exists())
    return set(connection.execute(query).scalars())


def list_experiments_of_panels(connection: sa.Connection, panels: Collection[str], revision: int) -> set[str]:
    """Return the experiments with a live configuration that names one of the panels."""
    panel, member, configuration = schema.panel, schema.configuration_panel, schema.configuration
    query = (
        sa.select(configuration.c.experiment)
        .distinct()
        .join(member, member.c.configuration_id == configuration.c.id)
        .join(panel, panel.c.id == member.c.panel_id)
        .where(is_listed(panel.c.identifier, panels), unindexed_live_condition(configuration, revision))
    )
    return set(connection.execute(query).scalars())
