"""``calreg mirror``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.options import Context, Json
from registry.errors import RegistryError
from registry.identifiers import format_count

if TYPE_CHECKING:
    from registry.records import Followed


def mirror(
    ctx: Context,
    upstream: Annotated[
        str, typer.Argument(metavar="URL", help="The registry to follow: its service, or its database.")
    ],
    from_store: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="The store of the database; default: store beside a SQLite file."),
    ] = None,
    files: Annotated[
        bool | None,
        typer.Option(
            "--with-files/--without-files",
            help="Whether the stored files are copied, too; default: as before, at first yes.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Follow again and again, until it is ended.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a mirror of another registry, or bring one up to date.

    The mirror is the database and the store that are given as for any verb. It answers all questions as the other
    registry does, and takes no writes. Every revision is compared with its seal before it is taken over. After an
    interruption the same command goes on. With --every, --json prints a line for every time: what came, or why it
    does not answer.
    """
    from registry.api.mirror_rounds import follow_in_rounds, iterate_mirror
    from registry.api.mirrors import mirror_registry
    from registry.records.refusals import build_refusal

    place = upstream, ctx.obj.database, ctx.obj.store
    if every is None:
        result = mirror_registry(
            *place, upstream_store=from_store, files=files, progress=output.show_progress
        )
        output.print_answer(result, _print_followed, as_json=json)
        return
    if json:
        for round_ in follow_in_rounds(*place, upstream_store=from_store, files=files, every=every):
            output.print_json_line(build_refusal(round_) if isinstance(round_, RegistryError) else round_)
        return
    for state in iterate_mirror(*place, upstream_store=from_store, files=files, every=every):
        if isinstance(state, str):
            output.print_notes(warnings=[state])
        elif state.revisions or state.files:
            output.print_text(f"revision {state.revision}  {_describe_new(state)}")


def _print_followed(result: Followed) -> None:
    output.print_fields(
        registry=result.registry,
        follows=result.upstream,
        revision=result.revision,
        seal=result.seal,
        database=result.database,
        store=result.store,
        new=_describe_new(result),
        files=f"{result.files} copied, {result.files_there} there already"
        if result.with_files
        else "left out",
    )


def _describe_new(result: Followed) -> str:
    files = f", {format_count(result.files, 'file')}" if result.with_files else ""
    return f"{format_count(result.revisions, 'revision')}{files}"
