"""``calreg backup``, ``restore``, ``copy`` and ``snapshot``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.options import AsOf, Json, Timezone, open_from_context

if TYPE_CHECKING:
    from registry.records import RegistryCopy


def backup(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of its own, outside the store.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all files that are there already; mend damaged ones.")
    ] = False,
    json: Json = False,
) -> None:
    """Copy the database and the stored files into a folder.

    Writers may go on meanwhile. A later backup into the same folder adds what is new.
    """
    with open_from_context(ctx) as registry:
        done = registry.backup(folder, verify=verify, progress=output.show_progress)
    _print_copy(done, as_json=json)


def restore(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a backup.")],
    json: Json = False,
) -> None:
    """Make the registry of a backup again, where there is none.

    Every checksum is verified; the database and the store are those of the environment.
    """
    from registry.api.backups import restore_registry

    done = restore_registry(folder, ctx.obj.database, ctx.obj.store, progress=output.show_progress)
    _print_copy(done, as_json=json)


def copy(
    ctx: typer.Context,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="An empty database, of either sort.")],
    to_store: Annotated[
        Path | None, typer.Option("--to-store", metavar="DIR", help="Copy the stored files there too.")
    ] = None,
    json: Json = False,
) -> None:
    """Move the registry to another database, and close this one to writes.

    Every revision, id and checksum stays the same.
    """
    from registry.api.relocation import copy_registry

    done = copy_registry(to, to_store, ctx.obj.database, ctx.obj.store, progress=output.show_progress)
    _print_copy(done, as_json=json)
    output.print_notes(
        notes=["the old database takes no more writes; set CALREG_DATABASE and CALREG_STORE anew"]
    )


def snapshot(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A SQLite file that is not there yet.")],
    as_of: AsOf = None,
    timezone: Timezone = None,
    to_store: Annotated[
        Path | None,
        typer.Option("--to-store", metavar="DIR", help="For the stored files; default: store beside FILE."),
    ] = None,
    json: Json = False,
) -> None:
    """Write what was known as of a revision into one file that is only read.

    With the stored files beside it, it answers and exports without the registry.
    """
    with open_from_context(ctx, timezone) as registry:
        done = registry.snapshot(file, as_of=as_of, store=to_store, progress=output.show_progress)
    _print_copy(done, as_json=json)


def _print_copy(done: RegistryCopy, *, as_json: bool) -> None:
    if as_json:
        output.print_json(done)
    else:
        for name, value in {
            "registry": done.registry,
            "revision": done.revision,
            "database": done.database,
            "store": done.store,
            "rows": sum(done.rows.values()),
            "files": f"{done.files} copied, {done.files_there} there already",
        }.items():
            output.print_text(f"{name:<9} {value}")
    output.print_notes(done.notes)
