"""Experiments: known by their runs and by their detector configurations."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.errors import NotFoundError
from registry.identifiers import find_near, suggestion


def list_experiments(connection: sa.Connection, revision: int) -> list[str]:
    """Return the experiments with a run or a configuration."""
    queries = [
        sa.select(table.c.experiment).where(schema.live_condition(table, revision))
        for table in (schema.run, schema.configuration)
    ]
    return sorted(connection.execute(sa.union(*queries)).scalars())


def unknown_experiment_error(
    connection: sa.Connection, experiment: str, revision: int, **values: Any
) -> NotFoundError:
    """Return the refusal of an experiment that is not known, with those of similar names."""
    known = list_experiments(connection, revision)
    return NotFoundError(
        f"experiment {experiment} is not known{suggestion(experiment, known)}",
        **values,
        experiment=experiment,
        near=find_near(experiment, known),
    )


def refuse_unknown_experiment(connection: sa.Connection, experiment: str, revision: int) -> None:
    """Refuse an experiment that never had a run, a configuration or an export by then."""
    tables = (schema.run, schema.configuration, schema.export)
    queries = [
        sa.select(sa.literal(1))
        .where(
            table.c.experiment == experiment,
            (table.c.revision if table is schema.export else table.c.recorded_in) <= revision,
        )
        .limit(1)
        for table in tables
    ]
    if not any(connection.execute(query).first() for query in queries):
        raise unknown_experiment_error(connection, experiment, revision)
