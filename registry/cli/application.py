"""The program around the verbs: global options, refusals as exit codes, quiet ends."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated, Any, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from registry.cli.examples import add_examples
from registry.errors import RegistryError, RequestError
from registry.identifiers import escape_control_characters
from registry.secrets import mask_passwords

EXIT_INTERRUPTED = 130

# Typer carries Click inside; its public face to the class of all usage errors is this one's parent.
_UsageError: Any = typer.BadParameter.__mro__[1]


class Verb(NamedTuple):
    """One verb, or a noun with verbs of its own: ``module:name`` in ``registry.cli``, and its first sentence."""

    target: str
    summary: str


VERBS = {
    "demo": Verb("demo:demo", "Run the real commands on a sample directory."),
    "init": Verb("database:init", "Make the database and the store, or upgrade them."),
    "import": Verb("trees:import_tree", "Import a legacy directory of links."),
    "validity": Verb("versions:show_validity", "Show what is valid when, or what holds at an instant."),
    "export": Verb("exports:export", "Write the constants of a run or a detector."),
    "identify": Verb("identifying:identify", "Tell by its content what a file is."),
    "diff": Verb("revisions:diff", "Show what of a detector changes between two revisions."),
    "affected": Verb("revisions:affected", "List the runs that get another outcome now."),
    "log": Verb("revisions:log", "List the revisions, and what each changed."),
    "verify": Verb("database:verify", "Check every checksum, every reference, the schema."),
    "plot": Verb("plots:plot", "Pictures of constants, as PNG or SVG."),
    "backup": Verb("copies:backup", "Copy the database and the stored files into a folder."),
    "restore": Verb("copies:restore", "Make the registry of a backup again, where there is none."),
    "copy": Verb("copies:copy", "Move the registry to another database, and close this one to writes."),
    "snapshot": Verb(
        "copies:snapshot", "Write what was known as of a revision into one file that is only read."
    ),
    "panel": Verb("panels:panel", "Panels, by panel Id."),
    "alias": Verb("panels:alias", "M-numbers, and the panels that bear them."),
    "version": Verb("versions:version", "Versions: which constants a panel has from when on."),
    "run": Verb("runs:run", "Runs, and when they began."),
    "detector": Verb("runs:detector", "Which panels answered for a source, over which runs."),
    "provenance": Verb("exports:provenance", "The document that explains an export."),
    "tag": Verb("revisions:tag", "Names for revisions."),
    "database": Verb("database:database", "The database's schema."),
}
"""The verbs and nouns of ``calreg``, in the order of its help, which is printed from this table alone."""


class GlobalOptions(NamedTuple):
    """Where the registry is, as far as the command line says."""

    database: str | None
    store: str | None


class LazyCommand(TyperCommand):
    """What stands for a verb in the help of the program, until the verb is called."""

    def __init__(self, name: str, verb: Verb) -> None:
        super().__init__(name, short_help=verb.summary)
        self.word = name
        self.target = verb.target

    def load(self) -> Any:
        """Import the verb's module, and return the verb with its options, or the noun with its verbs."""
        module, _, name = self.target.partition(":")
        found = getattr(import_module(f"registry.cli.{module}"), name)
        if isinstance(found, typer.Typer):
            noun = get_group(found)
            noun.name = self.name
            return add_examples(noun, self.word)
        alone = create_group()
        alone.command(self.name)(found)
        return add_examples(get_command(alone), self.word)


class RegistryGroup(TyperGroup):
    """Leads to the verbs, and turns what stops one into its exit code; a bug passes, with its traceback."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, verb in VERBS.items():
            self.add_command(LazyCommand(name, verb))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb that is called, and import it; ``help`` before it asks for its help."""
        if args[0] == "help" and not args[1:]:
            typer.echo(ctx.get_help())
            raise typer.Exit
        if args[0] == "help":
            args = [*args[1:], "--help"]
        name, signpost, rest = super().resolve_command(ctx, args)
        return name, signpost.load() if isinstance(signpost, LazyCommand) else signpost, rest

    def make_context(self, *given: Any, **options: Any) -> Any:
        """Read the global options."""
        try:
            return super().make_context(*given, **options)
        except _UsageError as error:
            raise _sanitise_usage_error(error) from None

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        from registry.cli import output  # the help, which ends before this, needs none of what it imports

        as_json = "--json" in [*ctx._protected_args, *ctx.args]  # noqa: SLF001 - no public name for what is left
        try:
            return super().invoke(ctx)
        except RegistryError as error:
            output.print_error(error, as_json=as_json)
            raise typer.Exit(error.code) from None
        except _UsageError as error:
            if not as_json:
                raise _sanitise_usage_error(error) from None
            refusal = RequestError(error.format_message())
            output.print_error(refusal, as_json=True)
            raise typer.Exit(refusal.code) from None
        except KeyboardInterrupt:
            output.print_message("interrupted; what was not finished was not recorded")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            _discard_stdout()
            raise typer.Exit from None


def _sanitise_usage_error(error: Any) -> Exception:
    """Return the usage error with nothing in it of what was typed that a terminal obeys, and no password."""
    if type(error).show is not _UsageError.show:  # a noun without a verb: its whole help, which shows itself
        return cast("Exception", error)
    shown: Exception = _UsageError(
        escape_control_characters(mask_passwords(error.format_message())), error.ctx
    )
    return shown


def _discard_stdout() -> None:
    """Let nothing more be written to a pipe whose reader is gone, not even at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def create_group(**options: Any) -> typer.Typer:
    """Return a group of verbs; help and usage errors are plain text."""
    return typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        **options,
    )


def _print_version(ctx: typer.Context, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:  # which a Tab does
        from registry.authorship import software_version

        typer.echo(software_version())
        raise typer.Exit


def _print_script(ctx: typer.Context, shell: str | None) -> None:
    if shell is not None and not ctx.resilient_parsing:
        from registry.cli.shells import SCRIPTS

        if shell not in SCRIPTS:
            raise typer.BadParameter(f"{shell!r} is no shell that calreg completes for: {', '.join(SCRIPTS)}")
        typer.echo(SCRIPTS[shell].strip())
        raise typer.Exit


def read_global_options(
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
    _script: Annotated[
        str | None,
        typer.Option(
            "--show-completion",
            metavar="bash|zsh|fish",
            callback=_print_script,
            is_eager=True,
            help="Print the script that lets this shell complete.",
        ),
    ] = None,
) -> None:
    """Registry of detector calibration constants: what is valid when, and where every byte comes from."""
    ctx.obj = GlobalOptions(database, store)
