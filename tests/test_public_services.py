"""A public service: texts that say how a facility works inside are in no answer, no header and no refusal."""

import socket
import sys
from collections.abc import Iterator
from hashlib import sha256

import pytest
import sqlalchemy as sa
import urllib3

from registry import authorship
from registry.api.readings import READINGS, Reading
from registry.errors import ConflictError, RegistryError, RequestError, SchemaError, UnavailableError
from registry.records.refusals import STATUSES
from registry.service.options import Options
from registry.service.responses import Encoder
from testing.clients import Client
from testing.panels import PANEL_A, use_small_panels, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation
from testing.services import serve_in_thread
from tests.copies import fill_registry

PLANTED = "of-the-beamline"
RUN = "exp=xcsls3716:run=1"
AT = "2018-02-01T00:00:00Z"


@pytest.fixture(scope="module")
def location(
    sqlite_factory: RegistryFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryLocation]:
    """A registry whose author, host, commands and folders have names that are found in nothing else."""
    folder = tmp_path_factory.mktemp(f"folder-{PLANTED}")
    with use_small_panels(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(authorship, "_find_user_name", lambda: f"ana-{PLANTED}")
        patch.setattr(socket, "gethostname", lambda: f"host-{PLANTED}")
        patch.setattr(sys, "argv", ["calreg", f"command-{PLANTED}"])
        patch.chdir(folder)
        location = sqlite_factory.copy(sqlite_factory.make("sqlite"), folder / "registry")
        with location.open() as registry:
            fill_registry(registry, folder / "made")
            registry.detectors.name("front", PANEL_A)
            changed = registry.versions.add(
                PANEL_A, write_panel_folder(folder / "three", 3), valid_from="2016-01-01T00:00:00Z"
            )
            registry.export(RUN, folder / "deployed", format="psana", last_run=3)
            registry.revert(changed.revision, comment="not meant")
        yield location


@pytest.fixture(scope="module")
def client(location: RegistryLocation) -> Iterator[Client]:
    with serve_in_thread(location, Options(public=True)) as url:
        yield Client(url)


def _list_urls(client: Client, location: RegistryLocation, reading: Reading) -> Iterator[str]:
    """Yield URLs of a reading, of every thing that the registry knows by the name in its path."""
    with location.open() as registry:
        file = registry.versions.show(1)[1][0].sha256
        identifier = registry.id
    values = {
        "target": ["M068", RUN, "front", PANEL_A],
        "name": [
            "M068", RUN, "front", PANEL_A, "first", "version:1", "revision:2", "revision:20", "export:1", "export:2",
        ],
        "panel": [PANEL_A],
        "version": ["1", "6", "10"],
        "dataset": [RUN],
        "revision": list(map(str, range(1, 24))),
        "before": ["1"],
        "after": ["6"],
        "sha256": [file, "0" * 64],
        "category": ["panels", "runs", "tags", "names"],
        "registry": [identifier, "other"],
        "experiment": ["xcsls3716"],
    }  # fmt: skip
    query = {
        "list_affected_runs": "since=1",
        "group_affected_runs": "since=1",
        "list_inputs": f"sha256={file}",
        "refuse_other_document": "revision=1",
        "compare_document": f"registry={identifier}&revision=1&digest={'0' * 64}&at={AT}",
        "resolve_sides": f"at={AT}&before=3",
        "find_export_facts": f"at={AT}&format=psana&first_run=1&last_run=2",
        "resolve_detector": f"at={AT}",
        "list_source_answers": "source=XcsEndstation.0:Jungfrau.0&kind=gain",
        "list_wrong_outputs": f"source=XcsEndstation.0:Jungfrau.0&sha256={file}",
        "find_output_constants": "calibration_type=pixel_gain",
    }
    paths = [reading.path]
    for name in reading.path_names:
        paths = [path.replace(f"{{{name}}}", value) for path in paths for value in values[name]]
    start = "/v1" if reading.is_live else client.pin
    for path in paths:
        yield f"{start}/{path}?{query.get(reading.method, '')}"


def _find_planted(response: urllib3.BaseHTTPResponse, location: RegistryLocation) -> list[str]:
    text = response.data.decode() + str(dict(response.headers))
    return [secret for secret in (PLANTED, str(location.folder), str(location.store)) if secret in text]


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.name)
def test_no_answer_of_a_public_service_tells_an_author_host_command_or_path(
    client: Client, location: RegistryLocation, reading: Reading
) -> None:
    statuses = set()
    for path in _list_urls(client, location, reading):
        for form in ("script", "record"):
            response = client(f"{path}&form={form}")
            statuses.add(response.status)
            assert _find_planted(response, location) == [], path
    assert statuses & {200}


def test_what_is_planted_would_be_found_in_a_service_that_is_not_public(location: RegistryLocation) -> None:
    with serve_in_thread(location) as url:
        client = Client(url)
        for path in ("log", "versions", "show/revision:2", "show/export:1", "history-facts/M068"):
            assert PLANTED in client(f"{client.pin}/{path}?form=record").data.decode(), path


def test_no_page_of_a_public_service_tells_them(client: Client, location: RegistryLocation) -> None:
    pages = (
        "/", "/panels", "/panels/M068", "/detectors", f"/detectors/{RUN}", "/runs", f"/runs/{RUN}", "/versions",
        "/versions/1", "/versions/6", "/log", "/log/2", "/log/20", "/exports/1", "/exports/2", "/tags", "/nowhere",
        "/changes?since=1", f"/validity?target=M068&at={AT}", "/search?q=M0", "/log?author=ana", "/panels/nowhere",
    )  # fmt: skip
    pin = client.pin.removeprefix("/v1")
    statuses = set()
    for page in pages:
        for path in (page, f"{pin}{page}"):
            response = client(path)
            statuses.add(response.status)
            assert _find_planted(response, location) == [], path
    assert statuses <= {200, 400, 404}


def test_nothing_else_of_a_public_service_tells_them(client: Client, location: RegistryLocation) -> None:
    document = next((location.folder.parent / "made" / "export").glob("*.json"))
    assert PLANTED in document.read_text()
    digest = sha256(document.read_bytes()).hexdigest()
    assert client.refuse(f"/v1/objects/sha256/{digest}") == (404, 3)
    for path in (
        "/v1/head",
        "/v1/head?as_of=nowhere",
        "/v1/openapi.json",
        "/metrics",
        "/healthz",
        "/v1/nothing",
        f"/v1/objects/sha256/{digest}",
        f"/v1/recorded-exports/{digest}?form=record",
        f"{client.pin}/log?limit=0",
        f"{client.pin}/validity/nowhere",
        f"{client.pin}/validity/M068?at=2010-01-01T00:00:00Z",
        "/v1/r/999-0123456789abcdef/panels",
        "/v1/r/1-0123456789abcdef/panels",
    ):
        assert _find_planted(client(path), location) == [], path


def test_a_public_service_does_not_tell_whether_a_guessed_author_is_one(client: Client) -> None:
    assert client.refuse(f"{client.pin}/log?author=ana-{PLANTED}") == (409, 5)
    assert client.refuse(f"{client.pin}/log?author=nobody") == (409, 5)


def test_what_is_wrong_with_a_public_service_is_for_its_log(location: RegistryLocation) -> None:
    assert location.file is not None
    object_file = next((location.store / "objects").rglob("*.npy"))
    with serve_in_thread(location, Options(public=True)) as url:
        client = Client(url)
        pin = client.pin
        away = location.file.rename(location.file.with_name("away"))
        kept = object_file.rename(object_file.with_name("kept"))
        try:
            for path in (f"{pin}/panels", "/v1/head", "/healthz", f"/v1/objects/sha256/{object_file.stem}"):
                assert _find_planted(client(path), location) == [], path
        finally:
            away.rename(location.file)
            kept.rename(object_file)


def test_who_may_not_ask_learns_nothing_of_the_registry(location: RegistryLocation) -> None:
    assert location.file is not None
    with serve_in_thread(location, Options(token_sha256="0" * 64)) as url:
        client = Client(url)
        assert client.get("/healthz") == {"status": "ok"}
        for path in ("/metrics", "/v1/openapi.json", "/v1/head", "/v1/nothing"):
            assert client.refuse(path) == (401, 2)
        away = location.file.rename(location.file.with_name("away"))
        try:
            assert client.refuse("/healthz") == (503, 8)
            assert _find_planted(client("/healthz"), location) == []
        finally:
            away.rename(location.file)


def test_caches_on_the_way_keep_no_answer_that_needed_a_token(location: RegistryLocation) -> None:
    token = "a-token-of-this-test"  # noqa: S105 - of a service that ends with its test
    with location.open() as registry:
        file = registry.versions.show(1)[1][0].sha256
    with serve_in_thread(location, Options(token_sha256=sha256(token.encode()).hexdigest())) as url:
        client = Client(url)
        bearer = f"Bearer {token}"
        head = client("/v1/head", authorization=bearer).json()
        for path in (
            "/v1/head",
            f"/v1/r/{head['revision']}-{head['seal'][:16]}/panels",
            f"/v1/objects/sha256/{file}",
        ):
            assert client(path, authorization=bearer).headers["cache-control"].startswith("private"), path
            etag = client(path, authorization=bearer).headers.get("etag")
            if etag:
                assert client(path, if_none_match=etag).status == 401


@pytest.mark.parametrize("error_class", [RequestError, ConflictError, UnavailableError, SchemaError])
def test_the_databases_own_words_are_not_sent_whatever_they_are_about(
    error_class: type[RegistryError],
) -> None:
    raised = sa.exc.DataError("SELECT 1", {}, Exception(PLANTED))
    refusal = error_class(
        f"the database postgresql://{PLANTED}/db cannot hold this: {PLANTED}", place=PLANTED
    )
    refusal.__cause__ = raised
    for public in (True, False):
        answer = Encoder(public=public).encode_refusal(refusal)
        assert (PLANTED.encode() not in answer.body) == public
        assert answer.status == STATUSES[error_class.code]
