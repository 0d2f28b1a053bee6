"""``calreg init``, ``verify`` and ``database``: the database and the store themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import histories, output, reports
from registry.cli.application import create_group
from registry.cli.options import Context, Json, open_from_context
from registry.errors import Remedy, SchemaError
from registry.secrets import mask_url

if TYPE_CHECKING:
    from registry.api import Registry

database = create_group(help="The database's schema.")


def init(
    ctx: Context,
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="The registry's time zone; default: UTC, or the one it has."),
    ] = None,
    comment: Annotated[
        str | None,
        typer.Option(
            "--comment", "-m", metavar="TEXT", help="Why an existing registry gets another time zone."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Create the database and the store, or upgrade them.

    The registry's time zone is that of times without an offset, for all who use it.
    """
    from registry.api import create_registry, location_warnings, open_registry
    from registry.settings import find_settings
    from registry.store import ContentStore

    settings = find_settings(ctx.obj.database, ctx.obj.store)
    former_owner = ContentStore(settings.store).read_owner()
    registry_id = create_registry(ctx.obj.database, ctx.obj.store, timezone=timezone, comment=comment)
    # The environment's time zone is not used here, so that a wrong one prevents nothing.
    with open_registry(ctx.obj.database, ctx.obj.store, timezone="UTC") as registry:
        zone = registry.timezone
    database = mask_url(settings.database)
    answer = {"registry": registry_id, "database": database, "store": str(settings.store), "timezone": zone}
    if json:
        output.print_json(answer)
    else:
        output.print_fields(**answer)
    output.print_notes(warnings=location_warnings(settings.database))
    if not json:
        output.print_next_step("init again" if former_owner else "init")


def verify(
    ctx: Context,
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head", metavar="NUMBER:SEAL", help="A head that was quoted: it must still be in the history."
        ),
    ] = None,
    collect: Annotated[
        bool, typer.Option("--collect", help="Remove unreferenced files that are older than a day.")
    ] = False,
    patterns: Annotated[
        bool,
        typer.Option("--patterns", help="Also hold every gain map against those of all modules: mix-ups."),
    ] = False,
    json: Json = False,
) -> None:
    """Check every checksum, every seal and the schema.

    Nothing is changed: repair mends damaged files. Unreferenced files in the store are listed.
    """
    with open_from_context(ctx) as registry:
        verification = registry.verify(
            heads=head or (), collect=collect, patterns=patterns, progress=output.show_progress
        )
    reports.report_verification(verification, as_json=json)


@database.command("upgrade")
def upgrade(
    ctx: Context,
    patterns: Annotated[
        bool,
        typer.Option(
            "--patterns", help="Also record the patterns of gain maps from before, in one revision."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Upgrade the schema to that of this software."""
    from registry.api import upgrade_database
    from registry.api.attempts import note_schema
    from registry.settings import find_settings

    url = find_settings(ctx.obj.database, ctx.obj.store).database
    note_schema(url)
    before, after = upgrade_database(url, progress=output.show_progress)
    if patterns:
        _add_patterns(ctx, {"before": before, "after": after}, as_json=json)
        return
    _print_schema_change(before, after, as_json=json)
    _note_missing_patterns(url)


def _add_patterns(ctx: Context, schemas: dict[str, str | None], *, as_json: bool) -> None:
    from registry.records.json import to_builtins

    with open_from_context(ctx) as registry:
        added = registry.add_patterns(progress=output.show_progress)
    if as_json:
        output.print_json({**schemas, **to_builtins(added)})
    else:
        output.print_text(_format_schemas(**schemas))
        reports.print_added_patterns(added)
    output.print_notes(added.notes, added.warnings)
    reports.end_with_problems(added.problems)


def _note_missing_patterns(url: str) -> None:
    from registry.api.late_patterns import count_missing_patterns, describe_missing_patterns

    count = count_missing_patterns(url)
    if count:
        output.print_notes(
            notes=[f"{describe_missing_patterns(count)}; calreg database upgrade --patterns computes them"]
        )


def _print_schema_change(before: str | None, after: str | None, *, as_json: bool) -> None:
    if as_json:
        output.print_json({"before": before, "after": after})
    else:
        output.print_text(_format_schemas(before, after))


def _format_schemas(before: str | None, after: str | None) -> str:
    return f"schema {after}, as before" if before == after else f"schema {before} -> {after}"


@database.command("downgrade")
def downgrade(
    ctx: Context,
    schema: Annotated[str, typer.Argument(metavar="SCHEMA", help="0002 for example.")],
    json: Json = False,
) -> None:
    """Downgrade the schema to that of an older calreg.

    This is refused if anything would be lost.
    """
    from registry.api import downgrade_database
    from registry.api.attempts import note_schema
    from registry.settings import find_settings

    url = find_settings(ctx.obj.database, ctx.obj.store).database
    note_schema(url)
    before, after = downgrade_database(url, schema)
    _print_schema_change(before, after, as_json=json)


@database.command("check")
def check(
    ctx: Context,
    mend_guards: Annotated[
        bool,
        typer.Option(
            "--mend-guards", help="First replace the guards, and the views, where they differ; for the owner."
        ),
    ] = False,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Let SQLite check every page of its file, too.")
    ] = False,
    json: Json = False,
) -> None:
    """Compare the schema with that of this software.

    That is its tables, columns, rules, indexes and views, and its guards: the triggers that protect the tables, their
    texts and whether they are enabled.
    """
    mended: list[str] = []
    with _open_or_compare(ctx, thorough=thorough) as registry:
        if mend_guards:
            mended = registry.mend_guards()
        _refuse_differences(registry.differences(thorough=thorough), mended)
        timezone, schema = registry.timezone, registry.schema_name
    if json:
        output.print_json({"differences": [], "timezone": timezone, "schema": schema, "mended": mended})
        return
    for sentence in mended:
        output.print_text(f"mended: {sentence}")
    output.print_text("the schema and its triggers are those of this software")
    if schema is not None:
        output.print_text(f"the registry is in the schema {schema} of its database")
    output.print_text(f"the registry's time zone is {timezone}")
    if mended:
        output.print_notes(notes=["calreg verify checks what was recorded meanwhile"])


@contextmanager
def _open_or_compare(ctx: Context, *, thorough: bool) -> Iterator[Registry]:
    """Open the registry; if a part that this needs is missing, refuse all differences of the database."""
    from registry.api.database_check import check_database
    from registry.settings import find_settings

    try:
        with open_from_context(ctx) as registry:
            yield registry
    except SchemaError as error:
        if error.remedy is Remedy.CHECK_DATABASE:
            url = find_settings(ctx.obj.database, ctx.obj.store).database
            _refuse_differences(check_database(url, thorough=thorough))
        raise


def _refuse_differences(differences: list[str], mended: Sequence[str] = ()) -> None:
    if differences:
        raise SchemaError.combine(
            "differences from the schema of this software",
            differences,
            differences=differences,
            mended=list(mended),
        )


@database.command("grant")
def grant(
    ctx: Context,
    readers: Annotated[
        list[str] | None, typer.Option("--reader", metavar="ROLE", help="May read and export; repeatable.")
    ] = None,
    writers: Annotated[
        list[str] | None, typer.Option("--writer", metavar="ROLE", help="May also record; repeatable.")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Execute the SQL, instead of only printing it.")
    ] = False,
    json: Json = False,
) -> None:
    """Print the SQL that makes PostgreSQL roles readers and writers.

    It first revokes the roles' former rights on the registry's tables. Repeat it after an upgrade.
    """
    with open_from_context(ctx) as registry:
        statements = registry.grant(readers=readers or (), writers=writers or (), apply=apply)
    if json:
        output.print_json({"statements": statements, "applied": apply})
    else:
        for statement in statements:
            output.print_text(f"{statement};")
    if apply:
        output.print_notes(notes=["applied"])


database.command("seal")(histories.seal)
database.command("recover")(histories.recover)
