"""``calreg serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from registry.cli import output
from registry.cli.options import Context


def serve(
    ctx: Context,
    host: Annotated[
        str,
        typer.Option(metavar="NAME", help="The address at which it answers; this machine only by default."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="NUMBER", help="The port.")] = 8420,
    workers: Annotated[int, typer.Option(metavar="COUNT", help="Processes that answer.")] = 1,
    public: Annotated[
        bool, typer.Option("--public", help="Leave out authors, hosts, commands and paths.")
    ] = False,
    redirects: Annotated[
        bool,
        typer.Option(
            "--redirect", help="Let clients get stored files from the bucket, by URLs that it signed."
        ),
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Answer only requests that bear the token in this file."),
    ] = None,
) -> None:
    """Answer questions over HTTP, read-only.

    Every answer is pinned by its URL to a revision, so that a cache may keep it; /v1/openapi.json lists the URLs. TLS
    and accounts are for a proxy before it. It ends with Ctrl-C.
    """
    from registry.files import sha256_of
    from registry.service.options import Options
    from registry.service.server import serve as run_server
    from registry.settings import find_settings
    from registry.tokens import read_token

    settings = find_settings(ctx.obj.database, ctx.obj.store)
    digest = None if token_file is None else sha256_of(read_token(token_file).encode())
    options = Options(public=public, token_sha256=digest, redirects=redirects)

    def announce(address: str) -> None:
        output.print_text(f"{address}  (Ctrl-C ends it)")

    run_server(settings, host, port, workers, options, announce)
