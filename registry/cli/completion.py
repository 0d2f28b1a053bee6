"""Completion: the words that can follow on a command line, as a parameter's metavar tells them.

``PANEL`` takes panel Ids and M-numbers, ``npy|hdf5`` these words, ``DIR`` files. Only plain names are offered: what
a shell would read as anything else never reaches its command line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from registry.database.completion_names import CompletionName, list_completion_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry.detectors import Kind

_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.:=/+-]+")

FILE_METAVARS = {"DIR", "FILE", "TREE"}
"""What the shell itself completes."""

FREE_METAVARS = {"G", "NAME", "ROLE", "RUN", "SCHEMA", "T", "TEXT", "URL"}
"""What only the user can say."""


class CompletionRequest(NamedTuple):
    """Where in a command line the cursor stands: the verb as far as it is read, and the word's beginning."""

    context: Any
    prefix: str

    def find_names(
        self, sort: str, beginning: str | None = None, experiment: str = ""
    ) -> list[CompletionName]:
        """Return names of the registry that the command line or the environment names."""
        return list_completion_names(
            sort,
            self.prefix if beginning is None else beginning,
            experiment=experiment,
            database=self.context.find_root().params.get("database"),
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


def split_metavar(metavar: str | None) -> list[str]:
    """Return what a metavar names: ``PANEL`` and ``ALIAS`` of ``[PANEL|ALIAS]``."""
    return re.sub(r"[\[\].]", "", metavar or "").split("|")


def completions_for(metavar: str | None, asked: CompletionRequest) -> Iterator[CompletionName]:
    """Return what a parameter takes; what stands in its metavar in lower case, it takes as it is."""
    for piece in split_metavar(metavar):
        if piece.islower():
            yield CompletionName(piece)
        elif piece in COMPLETERS:
            yield from COMPLETERS[piece](asked)


def _complete_panels(asked: CompletionRequest) -> Iterator[CompletionName]:
    yield from asked.find_names("panels")


def _complete_aliases(asked: CompletionRequest) -> Iterator[CompletionName]:
    yield from asked.find_names("aliases")


def _complete_panels_or_aliases(asked: CompletionRequest) -> Iterator[CompletionName]:
    if not asked.prefix[:1].isdecimal():
        yield from _complete_aliases(asked)
    if not asked.prefix.startswith("M"):
        yield from _complete_panels(asked)


def _complete_detectors(asked: CompletionRequest) -> Iterator[CompletionName]:
    """Panel Ids, after those that stand there already."""
    before, joint, last = asked.prefix.rpartition("_")
    for name in asked.find_names("panels", last):
        if name.text not in before.split("_"):
            yield CompletionName(f"{before}{joint}{name.text}", name.description)


def _complete_datasets(asked: CompletionRequest) -> Iterator[CompletionName]:
    experiment, joint, run = asked.prefix.removeprefix("exp=").partition(":run=")
    if joint:
        for name in asked.find_names("runs", run, experiment):
            yield CompletionName(f"exp={experiment}:run={name.text}")
    else:
        for name in asked.find_names("experiments", experiment.partition(":")[0]):
            yield CompletionName(f"exp={name.text}:run=")


def _complete_sources(asked: CompletionRequest) -> Iterator[CompletionName]:
    given = asked.context.params
    dataset = re.match(r"exp=([^:]+):", str(given.get("target") or given.get("dataset") or ""))
    yield from asked.find_names(
        "sources", None, dataset[1] if dataset else str(given.get("experiment") or "")
    )


def _list_kinds() -> Iterator[Kind]:
    from registry.detectors import DETECTOR_TYPES

    for detector_type in DETECTOR_TYPES.values():
        yield from detector_type.kinds


def _complete_kinds(_: CompletionRequest) -> Iterator[CompletionName]:
    yield from (CompletionName(kind.name, kind.unit) for kind in _list_kinds())


def _complete_types(_: CompletionRequest) -> Iterator[CompletionName]:
    yield from (CompletionName(kind.calibration_type, kind.unit) for kind in _list_kinds())


def _complete_zones(_: CompletionRequest) -> Iterator[CompletionName]:
    from zoneinfo import available_timezones

    yield from (CompletionName(zone) for zone in sorted(available_timezones()))


def _make_completer(sort: str) -> Callable[[CompletionRequest], Iterator[CompletionName]]:
    return lambda asked: iter(asked.find_names(sort))


COMPLETERS: dict[str, Callable[[CompletionRequest], Iterator[CompletionName]]] = {
    "PANEL": _complete_panels_or_aliases,
    "PANEL_ID": _complete_panels,
    "OLD_ID": _complete_panels,
    "ALIAS": _complete_aliases,
    "M_NUMBER": _complete_aliases,
    "DETECTOR_ID": _complete_detectors,
    "DATASET": _complete_datasets,
    "VERSION": _make_completer("versions"),
    "N": _make_completer("versions"),
    "M": _make_completer("versions"),
    "EXPERIMENT": _make_completer("experiments"),
    "E": _make_completer("experiments"),
    "SOURCE": _complete_sources,
    "X": _make_completer("tags"),
    "A": _make_completer("tags"),
    "B": _make_completer("tags"),
    "KIND": _complete_kinds,
    "TYPE": _complete_types,
    "ZONE": _complete_zones,
}
