"""The program around the verbs: their list, the global options, and the exit codes of refusals."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from registry.cli.json_option import is_json_wanted
from registry.cli.signals import run_interruptibly
from registry.cli.streams import find_failure
from registry.errors import RegistryError, RequestError, UnavailableError
from registry.identifiers import escape_control_characters
from registry.secrets import find_misplaced_url

# The class of all usage errors, which Typer, with its own copy of Click, does not publish.
_UsageError: Any = typer.BadParameter.__mro__[1]


VERBS = {
    "demo": ("demo:demo", "Run the real commands on a sample directory."),
    "init": ("database:init", "Create the database and the store, or upgrade them."),
    "status": ("status:show_status", "Show where the registry is, what is in it, and what is wrong."),
    "import": ("trees:import_tree", "Import a directory of links, or a tree of another system."),
    "show": ("show:show", "Show what is known of a run, a panel, or any other name."),
    "validity": ("versions:show_validity", "Show what is valid when, or what holds at an instant."),
    "export": ("exports:export", "Write the constants of a run or a detector."),
    "deploy": ("deploy:deploy", "Write or check the constants of all runs of an experiment."),
    "exports": ("recorded_exports:list_exports", "List the recorded exports, and which are stale."),
    "fetch": ("fetching:fetch", "Bring what exports need from a service into the cache."),
    "serve": ("serve:serve", "Answer questions over HTTP, read-only."),
    "identify": ("provenance:identify", "Identify a file by its content."),
    "diff": ("revisions:diff", "Show what changes for a detector between two revisions."),
    "affected": ("affected:list_affected", "List the runs whose outcome changed since a revision."),
    "log": ("log:log", "List the revisions, and what each changed."),
    "revert": ("revisions:revert", "Undo a revision, and show what is valid instead."),
    "verify": ("database:verify", "Check every checksum, every seal and the schema."),
    "repair": ("repairs:repair", "Mend damaged or missing stored files from a backup or another copy."),
    "plot": ("plots:plot", "Plots of constants, as PNG, SVG or PDF."),
    "backup": ("copies:backup", "Copy the database and the stored files into a folder."),
    "restore": ("copies:restore", "Restore the registry from a backup, where there is none yet."),
    "copy": ("copies:copy", "Move the registry to another database, and close this one to writes."),
    "fork": ("copies:fork", "Make an independent registry of this one."),
    "mirror": ("mirror:mirror", "Make a mirror of another registry, or bring one up to date."),
    "snapshot": ("copies:snapshot", "Write the registry as of a revision into one read-only file."),
    "panel": ("panels:panel", "Panels, by panel Id."),
    "alias": ("aliases:alias", "M-numbers, and the panels that have them."),
    "version": ("versions:version", "Versions: which constants a panel has, and from when on."),
    "run": ("runs:run", "Runs, and their start times."),
    "detector": ("runs:detector", "Configurations: which panels are read out for a source."),
    "provenance": ("provenance:provenance", "The document that explains an export."),
    "tag": ("revisions:tag", "Names for revisions."),
    "database": ("database:database", "The database's schema."),
    "cache": ("caches:cache", "The files that the processes of this machine share."),
}
"""The verbs and nouns of ``calreg``, in the order of its help: ``module:name`` in this package, and a summary.

The help is printed from this table alone: a module is imported when one of its verbs is called.
"""


_VERBS_OF_REVISIONS = ("diff", "log")
_COUNTED_BACK = re.compile(r"-[1-9][0-9]*(\.\..*)?", re.ASCII)


class GlobalOptions(NamedTuple):
    """The location of the registry, where the command line names it."""

    database: str | None
    store: str | None


class LazyCommand(TyperCommand):
    """The entry of a verb in the help of the program; its module is imported when the verb is called."""

    def __init__(self, name: str, target: str, summary: str) -> None:
        super().__init__(name, short_help=summary)
        self.word = name
        self.target = target

    def load(self) -> Any:
        """Import the verb's module, and return the verb with its options, or the noun with its verbs."""
        from registry.cli.shared_options import add_shared_options  # the program's help needs none of them

        module, _, name = self.target.partition(":")
        target = getattr(import_module(f"registry.cli.{module}"), name)
        if isinstance(target, typer.Typer):
            noun = get_group(target)
            noun.name = self.name
            return _leave_files_to_verbs(add_shared_options(noun, self.word))
        group = create_group()
        group.command(self.name)(target)
        verb = _leave_files_to_verbs(add_shared_options(get_command(group), self.word))
        return _leave_numbers_to_verb(verb) if self.word in _VERBS_OF_REVISIONS else verb


def _leave_numbers_to_verb(verb: Any) -> Any:
    """Let ``-1`` and ``-3..-1`` be words where an option could stand, not options; return the verb."""
    make_parser = verb.make_parser

    def make_parser_for_numbers(ctx: Any) -> Any:
        parser = make_parser(ctx)
        process_option = parser._process_opts  # noqa: SLF001 - no public place: option values are not words

        def process_word(word: str, state: Any) -> None:
            if _COUNTED_BACK.fullmatch(word):
                state.largs.append(word)
            else:
                process_option(word, state)

        parser._process_opts = process_word  # noqa: SLF001 - as above
        return parser

    verb.make_parser = make_parser_for_numbers
    return verb


def _leave_files_to_verbs(command: Any) -> Any:
    """Let no option ask itself whether a file may be read: the verb's refusal names its owner; return the verb."""
    for verb in getattr(command, "commands", {}).values():
        _leave_files_to_verbs(verb)
    for parameter in command.params:
        if hasattr(parameter.type, "readable"):
            parameter.type.readable = False
    return command


class RegistryGroup(TyperGroup):
    """The program: finds the verb, and turns its refusal into an exit code; a bug shows its traceback."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, (target, summary) in VERBS.items():
            self.add_command(LazyCommand(name, target, summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb and import it; ``help VERB`` is read as ``VERB --help``."""
        if args == ["help"]:
            typer.echo(ctx.get_help())
            raise typer.Exit
        if args[0] == "help":
            args = [*args[1:], "--help"]
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, LazyCommand) else command, rest

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read the global options."""
        words = list(arguments[1])
        url = find_misplaced_url(words)
        if url is not None:  # before anything repeats a password
            from registry.cli import output

            what = (
                f"begins with {url}, and is neither a folder nor a file"
                if url
                else "looks like the address of something with a password"
            )
            refusal = RequestError(
                f"a word of the command {what};"
                " a database is named by --database before the verb, or by CALREG_DATABASE"
            )
            output.print_error(refusal, as_json=is_json_wanted(words))
            raise typer.Exit(refusal.code)
        try:
            return super().make_context(*arguments, **options)
        except _UsageError as error:
            raise _sanitise_usage_error(error) from None

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        return run_interruptibly(lambda describe_attempts: self._invoke_verb(ctx, describe_attempts))

    def _invoke_verb(self, ctx: Any, describe_attempts: Callable[[], str]) -> Any:
        """Run the verb; print its refusal, also where its answer cannot be printed."""
        from registry.cli import output  # not at the top: the help needs none of its imports

        as_json = is_json_wanted([*ctx._protected_args, *ctx.args])  # noqa: SLF001 - no public name for the rest
        try:
            with _refuse_unprinted_answer(describe_attempts):
                return super().invoke(ctx)
        except RegistryError as error:
            output.print_error(error, as_json=as_json)
            raise typer.Exit(error.code) from None
        except MemoryError:
            refusal = UnavailableError(f"there is not enough memory for this; {describe_attempts()}")
            output.print_error(refusal, as_json=as_json)
            raise typer.Exit(refusal.code) from None
        except _UsageError as error:
            if not as_json:
                raise _sanitise_usage_error(error) from None
            output.print_error(RequestError(error.format_message()), as_json=True)
            raise typer.Exit(RequestError.code) from None
        except BrokenPipeError:
            # Discard further output, also what is flushed at the end of the process.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from None


@contextmanager
def _refuse_unprinted_answer(describe_attempts: Callable[[], str]) -> Iterator[None]:
    """Raise `UnavailableError` where an answer cannot be printed, and say what was recorded all the same.

    The exit code of an answer that says what is wrong stays.
    """
    code = 0
    try:
        yield
    except typer.Exit as end:
        code = end.exit_code
    failure = find_failure()
    if failure is not None:
        error = UnavailableError(f"{failure}; {describe_attempts()}")
        if not code:
            raise error
        from registry.cli import output

        output.print_error(error, as_json=False)
    if code:
        raise typer.Exit(code)


def _sanitise_usage_error(error: Any) -> Exception:
    """Return the usage error without control characters, which may have been typed."""
    if type(error).show is not _UsageError.show:  # a noun without a verb: its whole help, which prints itself
        return cast("Exception", error)
    message = escape_control_characters(error.format_message())
    return cast("Exception", _UsageError(message, error.ctx))


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
    if wanted and not ctx.resilient_parsing:  # as completion parses
        from registry.authorship import software_version

        typer.echo(software_version())
        raise typer.Exit


def _print_script(ctx: typer.Context, shell: str | None) -> None:
    if shell is not None and not ctx.resilient_parsing:
        from registry.cli.shells import SCRIPTS

        if shell not in SCRIPTS:
            raise typer.BadParameter(f"{shell!r} is not one of the supported shells {', '.join(SCRIPTS)}")
        typer.echo(SCRIPTS[shell].strip())
        raise typer.Exit


def read_global_options(
    ctx: typer.Context,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="sqlite:///FILE, postgresql://... or https://...; default: CALREG_DATABASE."
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|BUCKET", help="Stored files: a folder, or s3://BUCKET/PREFIX; default: CALREG_STORE."
        ),
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
            help="Print the completion script of this shell.",
        ),
    ] = None,
) -> None:
    """Registry of detector calibration constants: which are valid when, and where they come from."""
    ctx.obj = GlobalOptions(database, store)
