"""``calreg database seal`` and ``recover``: the history of a registry, where something happened to it."""

from __future__ import annotations

from typing import Annotated

import typer

from registry.cli import reports
from registry.cli.options import Context, DryRun, Json, RequiredComment, open_from_context


def seal(
    ctx: Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The newest revision.")],
    comment: RequiredComment,
    json: Json = False,
) -> None:
    """Seal a revision that has no seal, as it is.

    Raw SQL, or a tool that was killed, can leave one. The seal says that it came later.
    """
    with open_from_context(ctx) as registry:
        outcome = registry.seal_revision(number, comment=comment)
    reports.print_outcome(outcome, as_json=json)


def recover(
    ctx: Context,
    lost_head: Annotated[
        str, typer.Option(metavar="NUMBER:SEAL", help="The store's head, as the refusal names it.")
    ],
    comment: RequiredComment,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Go on without the store's head, which this database lacks.

    For a database that was put back to an earlier state. The next revision records what is lost.
    """
    with open_from_context(ctx) as registry:
        outcome = registry.recover(lost_head, comment=comment, dry_run=dry_run)
    reports.print_outcome(outcome, as_json=json)
