"""``calreg init``, ``import``, ``verify``, ``log``, ``database`` and ``tag``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from registry.cli import hints, output
from registry.cli.application import create_group
from registry.cli.exports import report_verification
from registry.cli.options import AsOf, Comment, DryRun, Json, Supersede, Timezone, open_from_context
from registry.cli.reports import print_outcome
from registry.cli.tree_comparison import print_comparison, refuse_recording_options
from registry.errors import SchemaError

database = create_group(help="The database's schema.")
tag = create_group(help="Names for revisions.")


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
        hints.print_next_step("init" if before is None else "init again")


def import_tree(
    ctx: typer.Context,
    tree: Annotated[Path, typer.Argument(metavar="TREE", help="A directory of links to M-numbers.")],
    timezone: Timezone = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out what cannot be imported.")] = False,
    supersede: Supersede = False,
    comment: Comment = None,
    dry_run: DryRun = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Record nothing; show where directory and registry differ.")
    ] = False,
    json: Json = False,
) -> None:
    """Import a legacy directory of links.

    All of it becomes one revision, or nothing is recorded.
    """
    if compare:
        refuse_recording_options(skip_bad=skip_bad, supersede=supersede, comment=comment, dry_run=dry_run)
        with open_from_context(ctx, timezone) as registry:
            found = registry.compare_tree(tree, progress=output.show_progress)
        print_comparison(found, as_json=json)
        return
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.import_tree(
            tree,
            skip_bad=skip_bad,
            supersede=supersede,
            comment=comment,
            dry_run=dry_run,
            progress=output.show_progress,
        )
    print_outcome(outcome, as_json=json)


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


def log(
    ctx: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(metavar="[PANEL]", help="Only what touched this panel Id, M-number or detector."),
    ] = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List the revisions, and what each changed."""
    with open_from_context(ctx, timezone) as registry:
        found = registry.log(target, as_of=as_of)
    if json:
        output.print_json(found)
        return
    for revision in found:
        role = f" ({revision.database_role})" if revision.database_role else ""
        output.print_folded(f"revision {revision.revision}  {revision.recorded_at}  {revision.author}{role}")
        output.print_folded(f"  on {revision.host}: {revision.command}")
        if revision.comment:
            output.print_folded(f"  comment: {revision.comment}")
        for change in revision.changes:
            output.print_folded(f"    {change}")
    hints.hint_if_empty(found, "log", as_of=as_of)


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


@tag.command("add")
def add_tag(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A letter first.")],
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", metavar="X", help="Which: its number, or an instant or a tag that it was at."
        ),
    ] = None,
    timezone: Timezone = None,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Name a revision, by default the newest.

    A tag never moves.
    """
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.tags.add(name, as_of=as_of, comment=comment, dry_run=dry_run)
    print_outcome(outcome, as_json=json)


@tag.command("list")
def list_tags(ctx: typer.Context, as_of: AsOf = None, timezone: Timezone = None, json: Json = False) -> None:
    """List the tags and the revisions that they name."""
    with open_from_context(ctx, timezone) as registry:
        found = registry.tags.list(as_of=as_of)
    if json:
        output.print_json(found)
    else:
        output.print_table(
            ("tag", "revision", "recorded in"), [(t.tag, t.revision, t.recorded_in) for t in found]
        )
        hints.hint_if_empty(found, "tag list", as_of=as_of)
