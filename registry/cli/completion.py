"""Completion: the words that can follow on a command line; the metavar of a parameter tells which.

``PANEL`` takes panel Ids and M-numbers, ``npy|hdf5`` these words, ``DIR`` files. Only plain names are offered: a
shell could read other characters as its own syntax.
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

FILE_METAVARS = {"DIR", "FILE", "PATH", "TREE"}
"""Parameters that the shell completes with files."""

FREE_METAVARS = {
    "BUCKET",
    "COUNT",
    "G",
    "NAME",
    "NUMBER",
    "NUMBERS",
    "ROLE",
    "RUN",
    "SCHEMA",
    "T",
    "TEXT",
    "SECONDS",
    "URL",
}
"""Parameters for which nothing is offered."""


class CompletionRequest(NamedTuple):
    """The context of the verb, with the words before the cursor parsed, and the part of the word typed so far."""

    context: Any
    prefix: str

    def find_names(
        self, category: str, prefix: str | None = None, experiment: str = ""
    ) -> list[CompletionName]:
        """Return names from the registry that the command line or the environment names."""
        return list_completion_names(
            category,
            self.prefix if prefix is None else prefix,
            experiment=experiment,
            database=self.context.find_root().params.get("database"),
        )


def complete(words: Sequence[str], prefix: str) -> tuple[str, list[CompletionName]]:
    """Return the words that can follow `words` and start with `prefix`, after ``words``, ``open`` or ``files``.

    ``open`` means that no blank follows the word, ``files`` that the shell is to complete file names.
    """
    option, equals, value = prefix.partition("=") if prefix.startswith("-") else ("", "", prefix)
    if option and not equals:
        return "words", _filter_by_prefix(_list_options(_parse_words(words), words), prefix)
    before = [*words, option] if equals else words
    parameter, context = _find_expected_parameter(before)
    if parameter is None:
        return "words", [] if equals else _filter_by_prefix(_list_verbs(context), prefix)
    values = completions_for(parameter.metavar, CompletionRequest(context, value))
    names = _filter_by_prefix(
        (CompletionName(f"{option}{equals}{name.text}", name.description) for name in values), prefix
    )
    if not names and FILE_METAVARS.intersection(split_metavar(parameter.metavar)):
        return "files", []
    return "open" if names and all(name.text.endswith("=") for name in names) else "words", names


def _parse_words(words: Sequence[str]) -> Any:
    """Parse the words before the cursor as far as possible, without calling a verb; return the context."""
    from typer.main import get_command

    from registry.cli import app

    program: Any = get_command(app)
    context = program.make_context("calreg", list(words), resilient_parsing=True)
    while hasattr(context.command, "commands"):
        rest = [*context._protected_args, *context.args]  # noqa: SLF001 - no public name for the rest
        if not rest:
            break
        name, command, rest = context.command.resolve_command(context, rest)
        if command is None:
            break
        context = command.make_context(name, rest, parent=context, resilient_parsing=True)
    return context


def _find_expected_parameter(words: Sequence[str]) -> tuple[Any, Any]:
    """Return the parameter whose value follows (None: a verb follows), and the context of the words before."""
    context = _parse_words(words)
    parameters = context.command.get_params(context)
    for parameter in parameters:
        takes_value = parameter.param_type_name == "option" and not parameter.is_flag
        if takes_value and words and words[-1] in parameter.opts:
            return parameter, _parse_words(words[:-1])
    for parameter in parameters:
        missing = parameter.nargs != 1 or context.params.get(parameter.name) is None
        if parameter.param_type_name == "argument" and missing:
            return parameter, context
    return None, context


def _list_options(context: Any, words: Sequence[str]) -> Iterator[CompletionName]:
    """Yield the options of the verb that can still be given."""
    for parameter in context.command.get_params(context):
        if parameter.param_type_name == "option" and (
            parameter.multiple or not set(parameter.opts) & set(words)
        ):
            yield CompletionName(max(parameter.opts, key=len), parameter.help or "")


def _list_verbs(context: Any) -> Iterator[CompletionName]:
    for name, command in getattr(context.command, "commands", {}).items():
        yield CompletionName(name, command.get_short_help_str(limit=80))


def _filter_by_prefix(names: Iterable[CompletionName], prefix: str) -> list[CompletionName]:
    """Return the names that start with the prefix, without duplicates and without special characters."""
    plain = {name.text: name for name in names if _PLAIN_WORD.fullmatch(name.text)}
    return [name for text, name in plain.items() if text.startswith(prefix)]


def split_metavar(metavar: str | None) -> list[str]:
    """Return the parts of a metavar: ``PANEL`` and ``ALIAS`` of ``[PANEL|ALIAS]``."""
    return re.sub(r"[\[\].]", "", metavar or "").split("|")


def completions_for(metavar: str | None, request: CompletionRequest) -> Iterator[CompletionName]:
    """Yield the values of a parameter; lower-case parts of its metavar are values themselves."""
    for part in split_metavar(metavar):
        if part.islower():
            yield CompletionName(part)
        elif part in COMPLETERS:
            yield from COMPLETERS[part](request)


def _complete_names(category: str) -> Callable[[CompletionRequest], Iterable[CompletionName]]:
    return lambda request: request.find_names(category)


_complete_panels, _complete_aliases = _complete_names("panels"), _complete_names("aliases")


def _complete_panels_or_aliases(request: CompletionRequest) -> Iterator[CompletionName]:
    if not request.prefix[:1].isdecimal():
        yield from _complete_aliases(request)
    if not request.prefix.startswith("M"):
        yield from _complete_panels(request)


def _complete_revisions(request: CompletionRequest) -> Iterable[CompletionName]:
    """Complete a tag, or the seal of a revision whose number and colon are there."""
    is_head = re.fullmatch("[1-9][0-9]{0,8}:[0-9a-f]*", request.prefix)
    return request.find_names("heads" if is_head else "tags")


def _complete_detectors(request: CompletionRequest) -> Iterator[CompletionName]:
    """Complete a short name, or the last panel Id of a detector Id with one that is not in it yet."""
    before, joint, last = request.prefix.rpartition("_")
    if request.prefix[:1].isalpha():
        yield from request.find_names("detector_names")
    for name in request.find_names("panels", last):
        if name.text not in before.split("_"):
            yield CompletionName(f"{before}{joint}{name.text}", name.description)


def _complete_datasets(request: CompletionRequest) -> Iterator[CompletionName]:
    joint = ",run=" if ",run=" in request.prefix else ":run="
    experiment, between, run = request.prefix.removeprefix("exp=").partition(joint)
    if between:
        for name in request.find_names("runs", run, experiment):
            yield CompletionName(f"exp={experiment}{joint}{name.text}")
    else:
        for name in request.find_names("experiments", experiment.partition(":")[0]):
            yield CompletionName(f"exp={name.text}:run=")


def _complete_sources(request: CompletionRequest) -> Iterable[CompletionName]:
    params = request.context.params
    dataset = re.match(r"exp=([^:]+):", str(params.get("target") or params.get("dataset") or ""))
    experiment = dataset[1] if dataset else str(params.get("experiment") or "")
    return request.find_names("sources", experiment=experiment)


def _list_kinds() -> Iterator[Kind]:
    from registry.detectors import DETECTOR_TYPES

    for detector_type in DETECTOR_TYPES.values():
        yield from detector_type.kinds


def _complete_conditions(_: CompletionRequest) -> Iterator[CompletionName]:
    from registry.detectors import DETECTOR_TYPES

    for detector_type in DETECTOR_TYPES.values():
        for condition in detector_type.conditions:
            yield CompletionName(condition.name, condition.description)


def _complete_zones(_: CompletionRequest) -> Iterator[CompletionName]:
    from registry.timezones import list_zone_names

    yield from (CompletionName(zone) for zone in sorted(list_zone_names()))


COMPLETERS: dict[str, Callable[[CompletionRequest], Iterable[CompletionName]]] = {
    "PANEL": _complete_panels_or_aliases,
    "PANEL_ID": _complete_panels,
    "OLD_ID": _complete_panels,
    "ALIAS": _complete_aliases,
    "M_NUMBER": _complete_aliases,
    "MODULE": _complete_panels_or_aliases,
    "DETECTOR_ID": _complete_detectors,
    "DATASET": _complete_datasets,
    "SOURCE": _complete_sources,
    "KIND": lambda _: (CompletionName(kind.name, kind.unit) for kind in _list_kinds()),
    "TYPE": lambda _: (CompletionName(kind.calibration_type, kind.unit) for kind in _list_kinds()),
    "CONDITION": _complete_conditions,
    "ZONE": _complete_zones,
    **dict.fromkeys(("VERSION", "N", "M"), _complete_names("versions")),
    **dict.fromkeys(("EXPERIMENT", "E"), _complete_names("experiments")),
    **dict.fromkeys(("X", "A", "B", "NUMBER:SEAL"), _complete_revisions),
}
"""By metavar, the function that yields the values of a parameter."""
