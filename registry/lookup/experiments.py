"""Experiments: known by their runs and by their detector configurations."""

from __future__ import annotations

from typing import Any

from registry import schema
from registry.errors import NotFoundError
from registry.identifiers import find_near, suggestion
from registry.sql import sa


def select_experiments(revision: int, *, with_configurations: bool = True) -> sa.Select[Any]:
    """Select the names of the experiments with a run, or with a configuration.

    By a probe of an index for each of them, however many runs it has.
    """
    queries = []
    for table in (schema.run, schema.configuration) if with_configurations else (schema.run,):
        live = schema.live_condition(table, revision)
        first = sa.select(sa.func.min(table.c.experiment).label("name")).where(live)
        known = first.cte(f"experiments_of_{table.name}", recursive=True)
        following = sa.select(sa.func.min(table.c.experiment)).where(live, table.c.experiment > known.c.name)
        known = known.union_all(
            sa.select(following.correlate(known).scalar_subquery()).where(known.c.name.is_not(None))
        )
        queries.append(sa.select(known.c.name).where(known.c.name.is_not(None)))
    return sa.select(sa.union(*queries).subquery().c.name)


def list_experiments(
    connection: sa.Connection, revision: int, *, with_configurations: bool = True
) -> list[str]:
    """Return the experiments with a run, or with a configuration."""
    query = select_experiments(revision, with_configurations=with_configurations)
    return sorted(connection.execute(query).scalars())


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
