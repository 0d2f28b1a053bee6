"""Every public method, called with values that nobody means: an answer or a refusal, and a refusal records nothing."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import registry as package
from registry.api import Registry, open_registry
from registry.api.arguments import CheckedMethods
from registry.errors import InstantError, RegistryError, RequestError
from registry.instants import Instant
from registry.lookup.revisions import read_newest_revision
from testing.panels import PANEL_A, PANEL_B, PANEL_C, SOURCE, write_panel_folder
from testing.registries import RegistryLocation
from tests.hostile import HOSTILE_TEXTS, HOSTILE_VALUES
from tests.refusals import assert_refused
from tests.selection import keep_first

pytestmark = pytest.mark.small_panels

RUN = "exp=xcsls3716:run=631"
AT = "2018-02-10T08:15:00Z"
NUMBERS = [value for value in HOSTILE_VALUES if isinstance(value, int | str)]
_MAX_MESSAGE_LENGTH = 2000


@pytest.fixture
def filled(location: RegistryLocation, tmp_path: Path) -> Iterator[Registry]:
    """A registry with something of everything."""
    folder = write_panel_folder(tmp_path / "panel")
    with location.open() as registry:
        for panel, alias in ((PANEL_A, "M068"), (PANEL_B, "M088"), (PANEL_C, None)):
            registry.panels.add(panel, alias=alias)
        registry.versions.add(PANEL_A, folder, valid_from="beginning")
        registry.runs.add(RUN, begin=AT)
        registry.detectors.configure("xcsls3716", SOURCE, PANEL_A, first_run=1, last_run=700)
        registry.tags.add("winter")
        yield registry


def list_methods(opened: Registry) -> dict[str, Callable[..., Any]]:
    """Return every public function and method by name; what is new is among them by itself."""
    methods = {name: value for name in package.__all__ if inspect.isfunction(value := getattr(package, name))}
    nouns = {f"{name}.": getattr(opened, name) for name in dir(opened) if not name.startswith("_")}
    owners = {"": opened} | {name: noun for name, noun in nouns.items() if isinstance(noun, CheckedMethods)}
    for prefix, owner in owners.items():
        for name, _ in inspect.getmembers(type(owner), inspect.isfunction):
            if not name.startswith("_"):
                methods[prefix + name] = getattr(owner, name)
    del methods["close"]
    return methods


def build_arguments(method: Callable[..., Any], folder: Path, database: str) -> dict[str, Any]:
    """Return possible values of the parameters that a method needs; one of a new name gets a text."""
    values: dict[str, Any] = {
        **dict.fromkeys(("target", "panel"), PANEL_A),
        **dict.fromkeys(("path", "tree"), folder / "panel"),
        **dict.fromkeys(("version", "before", "since"), 1),
        "alias": "M068",
        "identifiers": [PANEL_A],
        "dataset": RUN,
        "experiment": "xcsls3716",
        "source": SOURCE,
        "detector_id": PANEL_B,
        "first_run": 1000,
        "valid_from": AT,
        "after": 2,
        "folder": folder / "backup",
        "file": folder / "snapshot.sqlite",
        "output": folder / "out",
        "to": database,  # which is occupied
    }
    return {
        name: values.get(name, "text")
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL
    }


def list_values(
    parameter: inspect.Parameter, values: list[Any], texts: list[str], alike: Counter[str], share: int
) -> list[Any]:
    """Return the values to try: for the first two of a name and type every n-th, for others of these a quarter."""
    # A path may be almost any text, and to write there takes time.
    tried = [*values, *([] if "Path" in str(parameter.annotation) else texts)]
    start = alike[str(parameter)]
    alike[str(parameter)] += 1
    step = share if start < 2 else 4 * share
    chosen = tried[start % step :: step]
    return [value for value in chosen if parameter.name != "progress" or not callable(value)]


def call(
    method: Callable[..., Any], arguments: dict[str, Any], parameter: inspect.Parameter, value: Any
) -> None:
    """Call a method with the arguments that it needs, and with the value of one parameter."""
    bound = inspect.signature(method).bind_partial(**arguments)
    bound.arguments[parameter.name] = (value,) if parameter.kind is parameter.VAR_POSITIONAL else value
    result = method(*bound.args, **bound.kwargs)
    if isinstance(result, Registry):
        result.close()
    elif isinstance(result, Iterator):  # it works while it is read
        list(result)


def find_fault(error: Exception, value: Any) -> str | None:
    """Return why this is not the refusal that a value deserves."""
    if not isinstance(error, RegistryError):
        return f"{type(error).__name__}: {str(error)[:200]}"
    limit = _MAX_MESSAGE_LENGTH + (2 * len(str(value)) if isinstance(value, str) else 0)
    for sentence in (error.message, *error.details):
        if not sentence.isprintable() or len(sentence) > limit:
            return f"the message {sentence[:100]!r}"
    return None


@pytest.mark.slow
@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("share", keep_first([10, 1]))
def test_no_value_of_any_argument_escapes_the_errors_of_the_registry(
    location: RegistryLocation, filled: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in location.environment.items():
        monkeypatch.setenv(name, text)
    # Names and other types are refused before a database is asked; numbers and instants are parameters.
    values, texts = (HOSTILE_VALUES, HOSTILE_TEXTS) if location.is_sqlite else (NUMBERS, [])
    faults = []
    alike: Counter[str] = Counter()
    for method_name, method in list_methods(filled).items():
        arguments = build_arguments(method, tmp_path, location.database)
        for parameter in inspect.signature(method).parameters.values():
            newest = _read_newest_revision(filled)
            for value in list_values(parameter, values, texts, alike, share):
                fault = None
                try:
                    call(method, arguments, parameter, value)
                    newest = _read_newest_revision(filled)
                except Exception as error:  # noqa: BLE001 - any other than a refusal is a finding
                    fault = find_fault(error, value)
                    if _read_newest_revision(filled) != newest:
                        fault = "it was refused, and something is recorded"
                if fault:
                    faults.append(f"{method_name}, {parameter.name} of {type(value).__name__}: {fault}")
    assert faults == [], "\n".join(faults)
    assert filled.verify().problems == ()


def _read_newest_revision(registry: Registry) -> int:
    with registry._backend.database.autocommit_read() as connection:
        return read_newest_revision(connection)


def test_a_value_of_another_type_is_refused_with_what_is_expected(filled: Registry, tmp_path: Path) -> None:
    methods: Any = filled  # calls that a type checker would not let through
    newest = _read_newest_revision(filled)
    with assert_refused(RequestError, "target", "None", "a text", parameter="target"):
        methods.constants(None)
    with assert_refused(RequestError, "kinds", "'gain'", "a list of texts", parameter="kinds"):
        methods.validity(PANEL_A, kinds="gain")
    with assert_refused(RequestError, "version", "True", "a whole number", parameter="version"):
        methods.versions.show(True)
    with assert_refused(RequestError, "force", "'no'", "True or False", parameter="force"):
        methods.export(RUN, tmp_path / "out", force="no")
    with assert_refused(RequestError, "output", "''", "path", parameter="output"):
        methods.export(RUN, "")
    with assert_refused(RequestError, "path", "b'panel'", "a path", parameter="path"):
        methods.versions.add(PANEL_A, b"panel", valid_from=AT)
    with assert_refused(InstantError, "valid_from", "1.5", "an aware datetime", parameter="valid_from"):
        methods.versions.add(PANEL_A, tmp_path / "panel", valid_from=1.5)
    with assert_refused(RequestError, "as_of", "1.5", parameter="as_of"):
        methods.log(as_of=1.5)
    with assert_refused(RequestError, "database", "7", parameter="database"):
        open_registry(7)  # type: ignore[arg-type]
    with assert_refused(RequestError, "comment", r"'why\ud800'"):
        filled.panels.add("1-1-7", comment="why\ud800")
    assert _read_newest_revision(filled) == newest
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_numbers_and_texts_of_numpy_are_those_of_python(filled: Registry, tmp_path: Path) -> None:
    numbers: Any = np.array([1, 2])
    assert filled.versions.show(numbers[0]) == filled.versions.show(1)
    assert filled.validity(np.str_(PANEL_A), kinds=np.array(["gain"])) == filled.validity(
        PANEL_A, kinds=["gain"]
    )  # type: ignore[arg-type]
    assert filled.log(as_of=numbers[1]) == filled.log(as_of=2)
    recorded = filled.tags.add(
        np.str_("spring"), comment=np.str_("why"), as_of=numbers[0], dry_run=np.bool_(False)
    )  # type: ignore[arg-type]
    assert recorded.revision == filled.log()[0].revision
    assert filled.log()[0].comment == "why"
    kinds = (kind for kind in ("gain", "offset"))
    assert len(filled.validity(PANEL_A, kinds=kinds)) == 2  # type: ignore[arg-type]


def test_a_call_with_wrong_names_is_a_mistake_of_the_program(filled: Registry) -> None:
    with pytest.raises(TypeError, match="missing"):
        filled.constants()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected"):
        filled.log(unto=3)  # type: ignore[call-arg]


def test_instants_outside_the_calendar_are_refused(filled: Registry) -> None:
    for instant in (Instant(2**62), Instant(-(2**63) + 1)):
        with assert_refused(InstantError, "at"):
            filled.validity(PANEL_A, at=instant)
        with assert_refused(RequestError, "as_of"):
            filled.log(as_of=instant)
    with assert_refused(InstantError, "2018-01-01"):
        filled.validity(PANEL_A, at=datetime(2018, 1, 1))  # noqa: DTZ001
    assert filled.validity(PANEL_A, at=datetime(2018, 1, 1, tzinfo=UTC)).versions
