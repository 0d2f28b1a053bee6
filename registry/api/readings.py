"""The readings: the questions that a service answers and a client asks, each with its path and its parameters.

A parameter of the method is one of the URL; what is a list has the singular there, and is repeated.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from types import ModuleType
from typing import Any, get_type_hints
from urllib.parse import quote as quote_path

from msgspec.structs import asdict

from registry.api import (
    array_questions,
    deployment_questions,
    document_questions,
    file_questions,
    list_questions,
    name_questions,
    questions,
    state_questions,
    timeline_questions,
)
from registry.api.detectors import Detectors
from registry.api.pages import PAGE_SIZE
from registry.api.panels import Panels
from registry.api.parameters import Parameter, Sort, find_sort
from registry.api.recorded_exports import Exports
from registry.api.registry import Registry
from registry.api.runs import Runs
from registry.api.versions import Versions
from registry.errors import RequestError
from registry.heads import Head
from registry.identifiers import quote
from registry.records import AffectedGroup, AffectedRuns, StoredFile, Subject, Validity, Version

_SINGULARS = {
    "kinds": "kind",
    "names": "name",
    "panels": "panel",
    "types": "type",
    "gain_ranges": "gain_range",
    "segments": "segment",
    "sha256s": "sha256",
    "patterns": "pattern",
}
API = 1
"""The version of the questions and their answers, which a client compares with that of its service."""

_GIVEN = {"self", "backend", "as_of", "picture", "progress"}
"""The parameters of methods that are not of the URL."""

_NUMBERS_OF_THINGS = {"version", "before", "after", "segments"}
"""Numbers of versions in a path, and of segments; elsewhere `before` and `after` are those of pages."""

_FORM = "form"
SCRIPT, RECORD = "script", "record"
"""The forms of an answer: what ``--json`` prints, and the whole record that a method returns."""


class Freshness(Enum):
    """The time for which an answer may be kept.

    ``PINNED``: for good, as its revision; ``BRIEF``: for a moment, because it tells more than facts of revisions.
    ``LIVE`` is as brief, and the pin is a parameter of the URL.
    """

    PINNED = auto()
    BRIEF = auto()
    LIVE = auto()


@dataclass(frozen=True)
class Reading:
    """A question: the method of an open registry that answers it, and its path below that of the pinned revision.

    Attributes
    ----------
    owner
        The class of the method, the registry or one of its nouns; or the module of the function.
    path
        Names in braces are parameters of the method.
    simplify
        Returns of an answer what ``--json`` prints of it.
    number
        Of a listing in pages, the attribute of an item with whose value the next page begins; a question with the
        parameter ``skip`` is answered in pages without one.
    page
        The most items of a page.
    items
        Returns of an answer the items of its page.
    is_lasting
        Whether a live answer depends on revisions alone, and may be kept.
    """

    owner: type | ModuleType
    method: str
    path: str
    freshness: Freshness = Freshness.PINNED
    simplify: Callable[[Any], Any] = lambda answer: answer
    number: str | None = None
    page: int = PAGE_SIZE
    items: Callable[[Any], Sequence[Any]] = lambda answer: answer
    is_lasting: bool = False

    @property
    def is_in_pages(self) -> bool:
        """True where the answer is a page of a listing."""
        return self.number is not None or self._skips

    @cached_property
    def _skips(self) -> bool:
        return any(parameter.name == "skip" for parameter in self.parameters)

    @property
    def name(self) -> str:
        """The name of the method, after that of its noun."""
        return ".".join(part for part in (_NAMES[self.owner], self.method) if part)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters of the URL, in the order of the method."""
        return tuple(
            _build_parameter(
                name,
                self._hints[name],
                is_required=default.default is default.empty,
                is_number_of_thing=name in _NUMBERS_OF_THINGS
                and (name in self.path_names or name == "segments"),
            )
            for name, default in inspect.signature(self.function).parameters.items()
            if name not in _GIVEN
        )

    @cached_property
    def answer_type(self) -> Any:
        """The type of the answer."""
        return self._hints["return"]

    @property
    def summary(self) -> str:
        """The first line of the method's description."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @cached_property
    def path_names(self) -> tuple[str, ...]:
        """The parameters in the path, by their names in the method."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    @property
    def function(self) -> Callable[..., Any]:
        """The method, without the check of its arguments."""
        function: Callable[..., Any] = inspect.unwrap(getattr(self.owner, self.method))
        return function

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.function)

    def answer(self, registry: Registry, as_of: Head | int | None, arguments: Mapping[str, Any]) -> Any:
        """Return the answer of a registry as of a revision."""
        backend = registry._backend  # noqa: SLF001 - of this package
        if isinstance(self.owner, ModuleType):
            return getattr(self.owner, self.method)(backend, **arguments, as_of=as_of)
        owner = registry if self.owner is Registry else self.owner(backend)
        return getattr(owner, self.method)(**arguments, as_of=as_of)

    @property
    def is_live(self) -> bool:
        """True where the pin is a parameter of the URL."""
        return self.freshness is Freshness.LIVE

    @property
    def is_keepable(self) -> bool:
        """True where a client may keep the answer: it is of revisions, or says when it was given."""
        return not self.is_live or self.is_lasting

    def parse(self, path: Mapping[str, str], query: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Return the arguments of the method from the parameters in a path and the query of a URL.

        Raises
        ------
        RequestError
            A parameter is missing, not known, of another form, or stands there twice.
        """
        known = {parameter.url_name: parameter for parameter in self.parameters}
        texts: dict[str, list[str]] = {}
        for name, text in [*((_SINGULARS.get(name, name), text) for name, text in path.items()), *query]:
            if name not in known:
                raise RequestError(
                    f"{quote(name)} is not a parameter here; known: {', '.join(known) or 'none'}",
                    parameter=name,
                    known=list(known),
                )
            if "\0" in text:
                raise RequestError(f"{name} has a NUL in it, which no name has", parameter=name)
            texts.setdefault(name, []).append(text)
        missing = [name for name, parameter in known.items() if parameter.is_required and name not in texts]
        if missing:
            raise RequestError(f"the URL lacks {', '.join(missing)}", parameters=missing)
        return {known[name].name: known[name].parse(values) for name, values in texts.items()}

    def limit_page(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with a limit, where the answer is a list in pages."""
        if not self.is_in_pages:
            return dict(arguments)
        limited = dict(arguments)
        is_by_number = self.number is not None and self.owner is questions
        if is_by_number and limited.get("limit") is None and limited.get("before") is None:
            limited.setdefault("after", 0)  # the order without a limit
        if limited.get("limit") == 0:
            raise RequestError("the limit of a list is a number of at least 1, not 0", value=0)
        limited["limit"] = min(limited.get("limit") or self.page, self.page)
        return limited

    def find_next_page(self, arguments: Mapping[str, Any], answer: Any) -> dict[str, Any] | None:
        """Return the arguments of the page after an answer, None where it is the last one."""
        if not self.is_in_pages or len(self.items(answer)) < arguments["limit"]:
            return None
        if self.number is None:
            return {**arguments, "skip": (arguments.get("skip") or 0) + arguments["limit"]}
        key = "after" if arguments.get("after") is not None and self.owner is questions else "before"
        return {**arguments, key: getattr(answer[-1], self.number)}

    def parse_form(
        self, path: Mapping[str, str], query: Sequence[tuple[str, str]]
    ) -> tuple[dict[str, Any], str]:
        """Return the arguments, and the form of the answer that is wanted: ``script``, or ``record`` for a client."""
        forms = [text for name, text in query if name == _FORM] or [SCRIPT]
        if len(forms) > 1 or forms[0] not in {SCRIPT, RECORD}:
            raise RequestError(
                f"{_FORM} is {SCRIPT} or {RECORD}, and stands once in the URL", parameter=_FORM
            )
        return self.parse(path, [item for item in query if item[0] != _FORM]), forms[0]

    def list_paths(self) -> list[str]:
        """Return the paths under which it is asked: a list of names in the path may be in the query instead."""
        short = self.path.partition("/{")[0]
        return [short, self.path] if self._has_listed_names and short != self.path else [self.path]

    @property
    def _has_listed_names(self) -> bool:
        return any(
            parameter.sort is Sort.TEXTS and parameter.name in self.path_names
            for parameter in self.parameters
        )

    def format(self, arguments: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
        """Return the path and the query of a call of the method; `parse` reads them."""
        path, query = self.path, []
        for parameter in self.parameters:
            place = f"{{{parameter.name}}}"
            for text in parameter.format(arguments.get(parameter.name)):
                if place in path:
                    path = path.replace(place, quote_path(text, safe="=:,+"))
                else:
                    query.append((parameter.url_name, text))
        return path, query


def _build_parameter(name: str, annotation: Any, *, is_required: bool, is_number_of_thing: bool) -> Parameter:
    sort = find_sort(annotation)
    is_list = sort in {Sort.TEXTS, Sort.NUMBERS}
    url_name = _SINGULARS.get(name, name) if is_list else name
    return Parameter(name, url_name, sort, is_required, is_number_of_thing)


_NAMES: dict[type | ModuleType, str] = {
    Registry: "",
    Panels: "panels",
    Versions: "versions",
    Runs: "runs",
    Detectors: "detectors",
    Exports: "exports",
    questions: "questions",
    array_questions: "questions",
    timeline_questions: "questions",
    file_questions: "questions",
    document_questions: "questions",
    name_questions: "questions",
    deployment_questions: "questions",
    list_questions: "questions",
    state_questions: "questions",
}


def _list_versions(answer: Validity) -> tuple[Version, ...]:
    return answer.versions


def _list_groups(answer: AffectedRuns) -> tuple[AffectedGroup, ...]:
    return answer.groups


def _join_files(answer: tuple[Version, tuple[StoredFile, ...]]) -> dict[str, Any]:
    version, files = answer
    return {**asdict(version), "files": files}


_LONG_PAGE = 5000
"""Of a list of which each page takes a look-up of the whole list."""

READINGS = (
    Reading(
        list_questions,
        "find_validity",
        "validity/{target}",
        simplify=_list_versions,
        page=10_000,
        items=_list_versions,
    ),
    Reading(questions, "show_named", "show/{name}", Freshness.BRIEF, simplify=Subject.list_fields),
    Reading(list_questions, "list_panels", "panels", page=_LONG_PAGE),
    Reading(Panels, "find", "panels/{panel}"),
    Reading(list_questions, "list_aliases", "aliases", page=_LONG_PAGE),
    Reading(questions, "list_versions", "versions", number="version"),
    Reading(Versions, "show", "versions/{version}", simplify=_join_files),
    Reading(list_questions, "list_runs", "runs", page=_LONG_PAGE),
    Reading(Runs, "show", "runs/{dataset}"),
    Reading(list_questions, "list_configurations", "detectors", page=_LONG_PAGE),
    Reading(Detectors, "show", "detectors/{dataset}"),
    Reading(list_questions, "list_detector_names", "names", page=_LONG_PAGE),
    Reading(list_questions, "list_tags", "tags", page=_LONG_PAGE),
    Reading(Registry, "log", "log", number="revision"),
    Reading(questions, "list_changes", "log/{revision}/changes", page=10_000),
    Reading(questions, "find_export_facts", "resolution/{target}"),
    # What is compared and drawn.
    Reading(array_questions, "resolve_version_constants", "version-constants/{version}"),
    Reading(array_questions, "resolve_version_pair", "version-pairs/{before}/{after}"),
    Reading(array_questions, "resolve_detector", "detector-constants/{target}"),
    Reading(array_questions, "is_detector_name", "detector-names/{name}"),
    Reading(timeline_questions, "find_validity_facts", "validity-facts/{target}"),
    Reading(timeline_questions, "find_history_facts", "history-facts/{target}"),
    # What a file is, which stays where it is.
    Reading(file_questions, "find_contents", "contents/{sha256}", Freshness.BRIEF),
    Reading(file_questions, "list_inputs", "inputs"),
    Reading(file_questions, "match_patterns", "sensors", Freshness.BRIEF),
    Reading(file_questions, "list_named_categories", "named/{name}"),
    # What changes without a revision, or is about two.
    Reading(Exports, "list", "exports", Freshness.LIVE, number="export"),
    Reading(list_questions, "list_affected_runs", "affected", Freshness.LIVE, page=_LONG_PAGE),
    Reading(
        list_questions,
        "group_affected_runs",
        "affected-groups",
        Freshness.LIVE,
        page=_LONG_PAGE,
        items=_list_groups,
    ),
    # The files of calibration directories.
    Reading(deployment_questions, "list_source_answers", "answers/{experiment}", page=200),
    Reading(deployment_questions, "list_wrong_outputs", "wrong-outputs/{experiment}", Freshness.LIVE),
    Reading(deployment_questions, "find_output_constants", "output-constants/{sha256}", Freshness.LIVE),
    Reading(state_questions, "describe_state", "state", Freshness.LIVE),
    # What a shell completes.
    Reading(name_questions, "list_names", "names/{category}", Freshness.LIVE),
    # A provenance document held against the registry.
    Reading(
        document_questions,
        "refuse_other_document",
        "document-registries/{registry}",
        Freshness.LIVE,
        is_lasting=True,
    ),
    Reading(
        document_questions, "compare_document", "document-answers/{target}", Freshness.LIVE, is_lasting=True
    ),
    Reading(document_questions, "is_export_recorded", "recorded-exports/{sha256}", Freshness.LIVE),
    Reading(array_questions, "resolve_sides", "detector-changes/{target}", Freshness.LIVE, is_lasting=True),
)

_BY_NAME = {reading.name: reading for reading in READINGS}


def find_reading(name: str) -> Reading:
    """Return the reading with that name: ``versions.show``."""
    return _BY_NAME[name]
