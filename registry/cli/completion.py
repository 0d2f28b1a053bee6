"""What a shell offers after a Tab. What a parameter takes is told by its metavar: ``PANEL``, ``KIND``, ``DIR``.

The shells' scripts (`registry.cli.shells`) call this very program with ``_CALREG_COMPLETE`` set and the words of
the line. The answer is a line ``words``, ``open`` (no blank after the word) or ``files`` (let the shell name
them), and below it a word a line, for zsh and fish with a tab and what it is. Only plain names are offered: what
a shell would read as anything else never reaches its command line. Where there is no answer, there is silence.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from registry.cli.offers import FILE_METAVARS, CompletionRequest, completions_for, split_metavar
from registry.database.completion_names import CompletionName
from registry.identifiers import escape_control_characters

_TIMEOUT_SECONDS = 2.0  # seconds that a Tab waits for a database
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.:=/+-]+")


def complete_and_exit(shell: str, words: Sequence[str]) -> None:
    """Print what can follow, and end the process; a database that does not answer in time is left alone."""
    asking = threading.Thread(target=_print_completions, args=(shell, words), daemon=True)
    asking.start()
    asking.join(_TIMEOUT_SECONDS)
    sys.stdout.flush()
    os._exit(0)


def _print_completions(shell: str, words: Sequence[str]) -> None:
    if not words:  # nobody's script calls so
        return
    cut = 0
    if shell == "bash":
        from registry.cli.shells import read_bash_line

        words, cut = read_bash_line(*words)
    *before, beginning = words
    sort, names = complete(before, beginning)
    lines = [name.text[cut:] if shell == "bash" else _format_with_description(name) for name in names]
    sys.stdout.write("\n".join((sort, *lines, "")))


def _format_with_description(name: CompletionName) -> str:
    return (
        f"{name.text}\t{escape_control_characters(' '.join(name.description.split()))}"
        if name.description
        else name.text
    )


def complete(words: Sequence[str], prefix: str) -> tuple[str, list[CompletionName]]:
    """Return the sort of the answer, and the words that can follow `words` and begin so."""
    option, equals, value = prefix.partition("=") if prefix.startswith("-") else ("", "", prefix)
    if option and not equals:
        return "words", _filter_by_prefix(_list_options(_parse_words(words), words), prefix)
    before = [*words, option] if equals else words
    parameter, context = _find_expected_parameter(before)
    if parameter is None:
        return "words", [] if equals else _filter_by_prefix(_list_verbs(context), prefix)
    asked = CompletionRequest(context, value)
    found = _filter_by_prefix(
        (
            CompletionName(f"{option}{equals}{name.text}", name.description)
            for name in completions_for(parameter.metavar, asked)
        ),
        prefix,
    )
    if not found and FILE_METAVARS.intersection(split_metavar(parameter.metavar)):
        return "files", []
    return "open" if found and all(name.text.endswith("=") for name in found) else "words", found


def _parse_words(words: Sequence[str]) -> Any:
    """Read the words before the cursor, as far as they can be read; nothing is called."""
    from typer.main import get_command

    from registry.cli import app

    program: Any = get_command(app)
    context = program.make_context("calreg", list(words), resilient_parsing=True)
    while hasattr(context.command, "commands"):
        rest = [*context._protected_args, *context.args]  # noqa: SLF001 - no public name for what is left
        if not rest:
            break
        name, command, rest = context.command.resolve_command(context, rest)
        if command is None:
            break
        context = command.make_context(name, rest, parent=context, resilient_parsing=True)
    return context


def _find_expected_parameter(words: Sequence[str]) -> tuple[Any, Any]:
    """Return the parameter whose value comes next, None where a verb does, and what was read before it."""
    context = _parse_words(words)
    parameters = context.command.get_params(context)
    for each in parameters:
        takes_value = each.param_type_name == "option" and not each.is_flag
        if takes_value and words and words[-1] in each.opts:
            return each, _parse_words(words[:-1])
    for each in parameters:
        given = context.params.get(each.name)
        if each.param_type_name == "argument" and (given is None or each.nargs != 1):
            return each, context
    return None, context


def _list_options(context: Any, words: Sequence[str]) -> Iterator[CompletionName]:
    """Return the options of the verb that may still be given."""
    for each in context.command.get_params(context):
        if each.param_type_name == "option" and (each.multiple or not set(each.opts) & set(words)):
            yield CompletionName(max(each.opts, key=len), each.help or "")


def _list_verbs(context: Any) -> Iterator[CompletionName]:
    for name, command in getattr(context.command, "commands", {}).items():
        yield CompletionName(name, command.get_short_help_str(limit=80))


def _filter_by_prefix(names: Iterable[CompletionName], beginning: str) -> list[CompletionName]:
    """Return those that begin so, each once, and only what every shell reads as one plain word."""
    fitting = {
        name.text: name
        for name in names
        if name.text.startswith(beginning) and _PLAIN_WORD.fullmatch(name.text)
    }
    return list(fitting.values())
