"""``calreg init``, ``verify`` and ``database``: the database and the store themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from registry.cli import output
from registry.cli.application import create_group
from registry.cli.options import Json, open_from_context
from registry.cli.reports import report_verification
from registry.errors import SchemaError

database = create_group(help="The database's schema.")


def init(ctx: typer.Context, json: Json = False) -> None:
    """Make the database and the store, or upgrade them."""
    from registry.api import create_registry, location_warnings
    from registry.secrets import mask_passwords
    from registry.settings import find_settings
    from registry.store import ContentStore

    settings = find_settings(ctx.obj.database, ctx.obj.store)
    before = ContentStore(settings.store).read_owner()
    registry_id = create_registry(ctx.obj.database, ctx.obj.store)
    answer = {
        "registry": registry_id,
        "database": mask_passwords(settings.database),
        "store": str(settings.store),
    }
    if json:
        output.print_json(answer)
    else:
        for name, value in answer.items():
            output.print_text(f"{name:<9} {value}")
    output.print_notes(warnings=location_warnings(settings.database))
    if not json:
        output.print_next_step("init" if before is None else "init again")


def verify(
    ctx: typer.Context,
    collect: Annotated[
        bool,
        typer.Option("--collect", help="Remove files that nothing refers to, if they are older than a day."),
    ] = False,
    json: Json = False,
) -> None:
    """Check every checksum, every reference, the schema.

    Nothing is repaired. Files in the store to which nothing refers are listed.
    """
    with open_from_context(ctx) as registry:
        found = registry.verify(collect=collect, progress=output.show_progress)
    report_verification(found, as_json=json)


@database.command("upgrade")
def upgrade(ctx: typer.Context, json: Json = False) -> None:
    """Bring the schema to that of this software."""
    from registry.api import upgrade_database
    from registry.settings import find_settings

    before, after = upgrade_database(find_settings(ctx.obj.database, ctx.obj.store).database)
    _print_schema_change(before, after, as_json=json)


def _print_schema_change(before: str | None, after: str | None, *, as_json: bool) -> None:
    if as_json:
        output.print_json({"before": before, "after": after})
    else:
        output.print_text(f"schema {after}, as before" if before == after else f"schema {before} -> {after}")


@database.command("downgrade")
def downgrade(
    ctx: typer.Context,
    schema: Annotated[str, typer.Argument(metavar="SCHEMA", help="0002 for example.")],
    json: Json = False,
) -> None:
    """Take the schema back to that of an older calreg.

    Refused where it would lose anything.
    """
    from registry.api import downgrade_database
    from registry.settings import find_settings

    before, after = downgrade_database(find_settings(ctx.obj.database, ctx.obj.store).database, schema)
    _print_schema_change(before, after, as_json=json)


@database.command("check")
def check(ctx: typer.Context, json: Json = False) -> None:
    """Compare the schema with that of this software.

    The triggers that guard the tables must be there, and on.
    """
    with open_from_context(ctx) as registry:
        differences = registry.differences()
    if differences:
        raise SchemaError.combine(
            "differences from the schema of this software", differences, differences=differences
        )
    if json:
        output.print_json({"differences": []})
    else:
        output.print_text("the schema and its guards are those of this software")


@database.command("grant")
def grant(
    ctx: typer.Context,
    readers: Annotated[
        list[str] | None, typer.Option("--reader", metavar="ROLE", help="May ask and export; several times.")
    ] = None,
    writers: Annotated[
        list[str] | None, typer.Option("--writer", metavar="ROLE", help="May record as well; several times.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Execute the SQL; else it is only printed.")] = False,
    json: Json = False,
) -> None:
    """Print the SQL that makes PostgreSQL roles readers and writers.

    What a role had before on the registry's tables is taken away first. Again after an upgrade.
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
