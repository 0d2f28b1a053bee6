"""``calreg backup``, ``restore``, ``copy``, ``fork`` and ``snapshot``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.options import AsOf, Context, Json, RequiredComment, Timezone, open_from_context

if TYPE_CHECKING:
    from registry.records import RegistryCopy


def backup(
    ctx: Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder outside the store, used only for this.")
    ],
    verify: Annotated[
        bool, typer.Option("--verify", help="Check everything, not only what is new; replace damaged files.")
    ] = False,
    json: Json = False,
) -> None:
    """Copy the database and the stored files into a folder.

    Others can go on recording. A later backup into the same folder adds what is new.
    """
    with open_from_context(ctx) as registry:
        result = registry.backup(folder, verify=verify, progress=output.show_progress)
    output.print_answer(result, _print_copy, as_json=json)


def restore(
    ctx: Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a backup.")],
    lost_head: Annotated[
        str | None,
        typer.Option(metavar="NUMBER:SEAL", help="The store's head, if the backup lacks it, and it is lost."),
    ] = None,
    comment: Annotated[
        str | None,
        typer.Option(
            "--comment", "-m", metavar="TEXT", help="Why the head is lost; kept with the next revision."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Restore the registry from a backup, where there is none yet.

    Every checksum is verified. The database and the store are given as for any verb.
    """
    from registry.api.backups import restore_registry

    result = restore_registry(
        folder,
        ctx.obj.database,
        ctx.obj.store,
        lost_head=lost_head,
        comment=comment,
        progress=output.show_progress,
    )
    output.print_answer(result, _print_copy, as_json=json)


def copy(
    ctx: Context,
    to: Annotated[str, typer.Option(metavar="URL", help="An empty database, SQLite or PostgreSQL.")],
    to_store: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|BUCKET", help="Copy the stored files to this folder, or s3://BUCKET/PREFIX."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Move the registry to another database, and close this one to writes.

    Every revision, id and checksum stays the same.
    """
    from registry.api.copies import copy_registry

    result = copy_registry(to, to_store, ctx.obj.database, ctx.obj.store, progress=output.show_progress)
    output.print_answer(result, _print_copy, as_json=json)
    output.print_notes(
        ["the old database is closed; set CALREG_DATABASE and CALREG_STORE to the new registry"]
    )


def fork(
    ctx: Context,
    to: Annotated[str, typer.Option(metavar="URL", help="An empty database, SQLite or PostgreSQL.")],
    to_store: Annotated[
        str, typer.Option(metavar="DIR|BUCKET", help="A new folder or prefix, for a copy of the files.")
    ],
    comment: RequiredComment,
    json: Json = False,
) -> None:
    """Make an independent registry of this one.

    The fork has all revisions and files, and from its next revision on an id of its own.
    """
    from registry.api.forks import fork_registry

    settings = ctx.obj.database, ctx.obj.store
    result = fork_registry(to, to_store, *settings, comment=comment, progress=output.show_progress)
    output.print_answer(result, _print_copy, as_json=json)
    output.print_notes(["to use the fork, set CALREG_DATABASE and CALREG_STORE to it"])


def snapshot(
    ctx: Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A SQLite file that does not exist yet.")],
    as_of: AsOf = None,
    timezone: Timezone = None,
    to_store: Annotated[
        str | None,
        typer.Option(metavar="DIR|BUCKET", help="The place of the stored files; default: store beside FILE."),
    ] = None,
    experiment: Annotated[
        list[str] | None,
        typer.Option(metavar="E", help="Only the files of the panels of this experiment; repeatable."),
    ] = None,
    panel: Annotated[
        list[str] | None,
        typer.Option(metavar="PANEL|DETECTOR_ID|DATASET", help="Only the files of these panels; repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Write the registry as of a revision into one read-only file.

    With the stored files beside it, all questions and exports work without the registry. With --experiment or
    --panel all questions do, and the exports of the panels that these ever read out or name.
    """
    with open_from_context(ctx, timezone) as registry:
        result = registry.snapshot(
            file,
            as_of=as_of,
            store=to_store,
            experiments=experiment or (),
            panels=panel or (),
            progress=output.show_progress,
        )
    output.print_answer(result, _print_copy, as_json=json)


def _print_copy(result: RegistryCopy) -> None:
    output.print_fields(
        registry=result.registry,
        revision=result.revision,
        seal=result.seal,
        database=result.database,
        store=result.store,
        rows=sum(result.rows.values()),
        files=f"{result.files} copied, {result.files_there} there already",
        left_out=None if result.left_out is None else str(result.left_out),
    )
