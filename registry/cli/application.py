"""The program around the verbs: global options, refusals as exit codes, quiet ends."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from registry.cli import output
from registry.errors import RegistryError, RequestError
from registry.secrets import masked

INTERRUPTED = 130

# Typer carries Click inside; its public face to the class of all usage errors is this one's parent.
_UsageError: Any = typer.BadParameter.__mro__[1]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the registry is, as far as the command line says."""

    database: str | None
    store: str | None


class RegistryGroup(TyperGroup):
    """Turns what stops a verb into its exit code; a bug passes, with its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        as_json = "--json" in [*ctx._protected_args, *ctx.args]  # noqa: SLF001 - no public name for what is left
        try:
            return super().invoke(ctx)
        except RegistryError as error:
            output.refuse(error, as_json=as_json)
            raise typer.Exit(error.code) from None
        except _UsageError as error:
            if not as_json:
                error.message = masked(error.message)
                raise
            refusal = RequestError(error.format_message())
            output.refuse(refusal, as_json=True)
            raise typer.Exit(refusal.code) from None
        except KeyboardInterrupt:
            output.say("interrupted; nothing was recorded")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            _close_quietly()
            raise typer.Exit from None


def _close_quietly() -> None:
    """Let nothing more be written to a pipe whose reader is gone, not even at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def new_group(**options: Any) -> typer.Typer:
    """Return a group of verbs; help and usage errors are plain text."""
    return typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        **options,
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        from registry.authorship import software_version

        typer.echo(software_version())
        raise typer.Exit


def global_options(
    ctx: typer.Context,
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="sqlite:///FILE or postgresql://...; default: CALREG_DATABASE."),
    ] = None,
    store: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder of the stored files; default: CALREG_STORE.")
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Registry of detector calibration constants: what is valid when, and where every byte comes from."""
    ctx.obj = Place(database, store)
