"""The OpenAPI document is valid and true: whatever it allows is answered, or refused, as it says."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from registry.service.openapi import build_document
from testing.clients import Client
from testing.panels import PANEL_A, use_small_panels
from testing.services import serve_in_thread
from tests.conftest import make_location
from tests.copies import fill_registry

pytestmark = pytest.mark.slow

RUN = "exp=xcsls3716:run=1"
KNOWN = ("M068", PANEL_A, RUN, "front", "first", "version:1", "1", "2", "panels", "revision:2", "export:1")
AT = ("2018-02-10T08:15:00Z", "2016-01-01T00:00:00+01:00")
CHECKS = (status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.exhaustive)])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a service of a registry with facts of every kind."""
    folder = tmp_path_factory.mktemp("service")
    for location in make_location(request, folder, request.param):
        with use_small_panels(), location.open() as registry:
            fill_registry(registry, folder / "made")
            registry.detectors.name("front", PANEL_A)
        with serve_in_thread(location) as url:
            yield Client(url)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(build_document()))
    return document


def test_a_validator_accepts_the_document_and_the_service_sends_it(
    client: Client, document: dict[str, Any]
) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert client.get("/v1/openapi.json") == document


def test_every_answer_names_the_keys_that_it_has(document: dict[str, Any]) -> None:
    version = document["components"]["schemas"]["Version"]
    assert {"version", "panel", "kind", "valid_from", "constants", "comment"} <= set(version["required"])
    for path, described in document["paths"].items():
        for media in described["get"]["responses"]["200"]["content"].values():
            assert media or path.startswith("/v1/objects/"), path


@cache
def _load_schema() -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(json.loads(json.dumps(build_document())))


def _ask(client: Client, path: str, examples: int) -> dict[int, int]:
    """Ask what the document allows at a path, half of the time of things that are known; count the statuses."""
    pin = client.pin.removeprefix("/v1/r/")
    operation = _load_schema()[path]["GET"]
    statuses: dict[int, int] = {}

    @hypothesis.settings(
        derandomize=True,
        database=None,
        max_examples=examples,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(), data=st.data())
    def ask(case: schemathesis.Case, data: st.DataObject) -> None:
        in_path = case.path_parameters or {}
        if "pin" in in_path and data.draw(st.integers(0, 9)):
            in_path["pin"] = pin
        for name in in_path.keys() - {"pin", "sha256"}:
            if data.draw(st.booleans()):
                in_path[name] = data.draw(st.sampled_from(KNOWN))
        if case.query and "at" in case.query:
            case.query["at"] = data.draw(st.sampled_from(AT))
        response = case.call(base_url=client.url, timeout=60)  # the first picture on a busy machine
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
        assert response.status_code < 500 or response.json()["error"]["code"] == 8, response.text
        case.validate_response(response, checks=list(CHECKS))

    ask()
    return statuses


PATHS = tuple(build_document()["paths"])


@pytest.mark.parametrize("path", PATHS)
def test_what_the_document_allows_is_answered_or_refused_as_it_says(client: Client, path: str) -> None:
    statuses = _ask(client, path, 4)
    assert set(statuses) <= {200, 206, 400, 404, 409, 416, 422, 503}


@pytest.mark.exhaustive
@pytest.mark.parametrize("path", PATHS)
def test_much_of_what_the_document_allows_is_answered_or_refused_as_it_says(
    client: Client, path: str
) -> None:
    _ask(client, path, 200)
