"""The service over HTTP: what it sends, what may be kept, and what is refused with which status and code."""

import hashlib
import json
import socket
import sys
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from registry import authorship
from registry.api import open_registry
from registry.api.readings import READINGS
from registry.authorship import software_version
from registry.service.options import Options
from testing.clients import Client
from testing.panels import use_small_panels, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation
from testing.services import serve_in_thread

PANEL = "170505-149520170815-3d00b0"
TOKEN = "a-token-of-the-beamline"  # noqa: S105 - of a service that ends with its test


@pytest.fixture(scope="module")
def location(
    sqlite_factory: RegistryFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryLocation]:
    """A registry with one panel, whose gain and offset are valid from 2018 on."""
    folder = tmp_path_factory.mktemp("files")
    with use_small_panels(), pytest.MonkeyPatch.context() as patch:
        # Texts that are found in nothing else, unlike the name of a worker of pytest's.
        patch.setattr(authorship, "_find_user_name", lambda: "ana-of-the-beamline")
        patch.setattr(socket, "gethostname", lambda: "host-of-the-beamline")
        patch.setattr(sys, "argv", ["calreg", "command-of-the-beamline"])
        location = sqlite_factory.make("sqlite")
        write_panel_folder(folder, 1)
        with location.open() as registry:
            registry.panels.add(PANEL, alias="M068")
            registry.versions.add(PANEL, folder, valid_from="2018-01-01T00:00:00Z", comment="<b>hostile</b>")
            registry.tags.add("spring")
        yield location


@pytest.fixture(scope="module")
def client(location: RegistryLocation) -> Iterator[Client]:
    with serve_in_thread(location) as url:
        yield Client(url)


def test_a_head_is_what_the_registry_says(client: Client, location: RegistryLocation) -> None:
    with location.open() as registry:
        head, spring = registry.head, registry.find_head("spring")
        assert client.get("/v1/head") == {
            "registry": registry.id,
            "revision": head.number,
            "seal": head.seal,
            "timezone": "UTC",
            "api": 1,
            "public": False,
            "software": software_version(),
        }
    assert client.get("/v1/head?as_of=spring")["seal"] == spring.seal
    assert client.get("/v1/head?as_of=2")["revision"] == 2
    assert client.get("/v1/head?as_of=1990-01-01T00:00:00Z")["revision"] == 0


def test_an_answer_is_as_of_its_pin(client: Client) -> None:
    first = client.get("/v1/head?as_of=1")
    assert client.get(f"/v1/r/1-{first['seal'][:16]}/versions") == []
    versions = client.get(f"{client.pin}/versions")
    assert [version["kind"] for version in versions] == ["gain", "offset"]
    assert client.get(f"{client.pin}/validity/M068?kind=gain&at=2018-02-01T00:00:00Z")[0]["panel"] == PANEL


def test_a_pinned_answer_may_be_kept_and_is_not_sent_twice(client: Client) -> None:
    path = f"{client.pin}/panels"
    answer = client(path)
    assert answer.headers["cache-control"] == "public, max-age=86400"
    unchanged = client(path, if_none_match=answer.headers["etag"])
    assert (unchanged.status, unchanged.data) == (304, b"")
    assert unchanged.headers["etag"] == answer.headers["etag"]
    assert client(path, if_none_match='"other"').status == 200
    assert client(f"{path}?form=record").headers["etag"] != answer.headers["etag"]


def test_the_head_of_an_answer_has_no_body(client: Client) -> None:
    whole, head = client(f"{client.pin}/panels"), client(f"{client.pin}/panels", "HEAD")
    assert (head.status, head.data) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.data))


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/r/{pin}/validity/M067", 404, 3),
        ("/v1/r/{pin}/validity/M068?at=2017-01-01T00:00:00Z", 422, 4),
        ("/v1/r/{pin}/validity/M068?at=2018-02-10", 400, 2),
        ("/v1/r/{pin}/validity/M068?at=yesterday", 400, 2),
        ("/v1/r/{pin}/validity/M068?at=20180210000000", 400, 2),
        ("/v1/r/{pin}/validity/M068?at=2018-02-10T00:00:00Z&at=2018-02-10T00:00:00Z", 400, 2),
        ("/v1/r/{pin}/validity/M068?when=now", 400, 2),
        ("/v1/r/{pin}/validity/%FF", 400, 2),
        ("/v1/r/{pin}/validity/a%00b", 400, 2),
        ("/v1/r/{pin}/validity", 400, 2),
        ("/v1/r/{pin}/versions/99", 404, 3),
        ("/v1/r/{pin}/versions/1.5", 400, 2),
        ("/v1/r/{pin}/versions/1/2", 400, 2),
        ("/v1/r/{pin}/versions/99999999999999999999", 404, 3),
        ("/v1/r/{pin}/versions?limit=0", 400, 2),
        ("/v1/r/{pin}/versions?withdrawn=yes", 400, 2),
        ("/v1/r/{pin}/versions?after=99", 404, 3),
        ("/v1/r/{pin}/versions?after=2147483647&limit=1", 404, 3),
        ("/v1/r/{pin}/panels?form=table", 400, 2),
        ("/v1/r/{pin}/log?author=%00", 400, 2),
        ("/v1/r/{pin}/show/..%2F..%2Fetc%2Fpasswd", 400, 2),
        ("/v1/r/{pin}/show/file:%2Fetc%2Fpasswd", 400, 2),
        ("/v1/r/{pin}/show/etc", 404, 3),
        ("/v1/r/{pin}/runs/exp=x:run=1", 404, 3),
        ("/v1/r/{pin}/version-pairs/1/99", 404, 3),
        ("/v1/r/{pin}/version-pairs/1/x", 400, 2),
        ("/v1/r/{pin}/version-constants/99", 404, 3),
        ("/v1/r/{pin}/detector-constants/M067?at=2018-02-10T00:00:00Z", 404, 3),
        ("/v1/r/{pin}/history-facts/M067", 404, 3),
        ("/v1/r/{pin}/validity-facts/M068?kind=gains", 400, 2),
        ("/v1/detector-changes/M068", 400, 2),
        ("/v1/names/passwords", 400, 2),
        ("/v1/names/panels?prefix=%00", 400, 2),
        ("/v1/names/panels?as_of=3-0000000000000000", 400, 2),
        ("/v1/document-registries/a%00b?revision=1", 400, 2),
        ("/v1/document-registries/other?revision=1", 409, 5),
        ("/v1/document-answers/M068", 400, 2),
        ("/v1/recorded-exports/%25", 400, 2),
        ("/v1/detector-changes/M068?before=99", 404, 3),
        ("/v1/r/{pin}/contents/%25", 400, 2),
        ("/v1/r/{pin}/contents/" + "A" * 64, 400, 2),
        ("/v1/r/{pin}/inputs", 400, 2),
        ("/v1/r/{pin}/inputs?sha256=%25", 400, 2),
        ("/v1/r/{pin}/inputs?" + "&".join(["sha256=0"] * 101), 400, 2),
        ("/v1/r/{pin}/sensors?pattern=AAAA", 400, 2),
        ("/v1/r/{pin}/sensors?pattern=%C3%A9", 400, 2),
        ("/v1/r/{pin}/sensors?pattern=" + "gICA" * 1365 + "gA", 400, 2),
        ("/v1/r/{pin}/sensors?algorithm=99", 400, 2),
        ("/v1/r/1-0000000000000000/panels", 409, 5),
        ("/v1/r/999-0000000000000000/panels", 503, 8),
        ("/v1/r/3/panels", 400, 2),
        ("/v1/head?as_of=99", 404, 3),
        ("/v1/head?as_of=autumn", 404, 3),
        ("/v1/head?as_of=2018-02-10", 400, 2),
        ("/v1/head?as_of=2999-01-01T00:00:00Z", 400, 2),
        ("/v1/affected", 400, 2),
        ("/v1/affected?since=99", 404, 3),
        ("/v1/objects/sha256/" + "0" * 64, 404, 3),
        ("/v1/objects/sha256/" + "G" * 64, 400, 2),
        ("/v1/objects/sha256/..%2F..%2Fregistry.sqlite", 404, 2),
        ("/v1/nothing", 404, 2),
        ("/v1//etc/passwd", 404, 2),
        ("/v1/r/{pin}/panels?" + "x" * 9000, 414, 2),
    ],
)
def test_a_refusal_has_its_status_and_its_code(client: Client, path: str, status: int, code: int) -> None:
    assert client.refuse(path.replace("/v1/r/{pin}", client.pin)) == (status, code)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_questions_are_answered(client: Client, method: str) -> None:
    assert client.refuse("/v1/head", method) == (405, 2)
    assert client("/v1/head", method).headers["allow"] == "GET, HEAD"


def test_what_is_not_found_under_a_pin_may_be_kept_and_other_refusals_not(client: Client) -> None:
    kept = client(f"{client.pin}/validity/M067")
    assert kept.headers["cache-control"] == "public, max-age=86400"
    assert client(f"{client.pin}/versions/x").headers["cache-control"] == "no-store"
    assert client("/v1/r/999-0000000000000000/panels").headers["cache-control"] == "no-store"


def test_a_revision_that_comes_is_found_although_it_was_not_before(location: RegistryLocation) -> None:
    copied = RegistryFactory(location.folder / "copies").copy(location, location.folder / "grown")
    with serve_in_thread(copied) as url, copied.open() as registry:
        client = Client(url)
        number = registry.head.number + 1
        assert client.refuse(f"/v1/r/{number}-{'0' * 16}/panels") == (503, 8)
        registry.panels.add("170505-149520170815-3d00f7")
        head = client.get("/v1/head")
        assert head["revision"] == number
        assert len(client.get(f"/v1/r/{number}-{head['seal'][:16]}/panels")) == 2
        assert client.refuse(f"{client.pin}/versions?after=1&panel=170505-149520170815-3d00f7") == (400, 2)


def test_a_long_list_comes_in_pages(client: Client) -> None:
    first = client(f"{client.pin}/log?limit=2")
    numbers = [revision["revision"] for revision in first.json()]
    path = first.headers["link"].removeprefix("<").removesuffix('>; rel="next"')
    rest = client(path)
    assert numbers + [revision["revision"] for revision in rest.json()] == [3, 2, 1]
    assert "link" not in rest.headers
    by_start = client(f"{client.pin}/versions?after=0&limit=1")
    assert "?after=" in by_start.headers["link"]
    newest = client(f"{client.pin}/versions?limit=1")
    assert "?before=" in newest.headers["link"]
    assert client.refuse(f"{client.pin}/versions?after=1&before=2") == (400, 2)
    assert client.refuse(f"{client.pin}/panels?limit=0") == (400, 2)
    assert client.refuse(f"{client.pin}/runs?skip=-1") == (400, 2)
    ranges = client(f"{client.pin}/validity/M068?limit=1")
    assert [version["kind"] for version in ranges.json()] == ["gain"]
    assert "?skip=1&limit=1" in ranges.headers["link"]
    rest = client(ranges.headers["link"].removeprefix("<").removesuffix('>; rel="next"'))
    assert [version["kind"] for version in rest.json()] == ["offset"]
    assert client.get(f"{client.pin}/runs?skip=9999999999") == []


def test_an_answer_that_is_too_large_to_be_sent_at_once_is_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.service.responses._MAX_BODY", 500)
    assert client.refuse(f"{client.pin}/validity-facts/M068") == (400, 2)
    assert client.get(f"{client.pin}/tags?limit=1") != []


def test_a_client_asks_for_all_pages(
    location: RegistryLocation, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one item in each page, as with thousands."""
    with location.open() as local, open_registry(client.url) as remote:
        expected = (
            local.panels.list(),
            local.aliases.list(),
            local.tags.list(),
            local.validity("M068"),
            list(local.iterate_changes(2)),
            local.group_affected_runs(1),
        )
        for reading in READINGS:
            monkeypatch.setitem(vars(reading), "page", 1)
        assert expected == (
            remote.panels.list(),
            remote.aliases.list(),
            remote.tags.list(),
            remote.validity("M068"),
            list(remote.iterate_changes(2)),
            remote.group_affected_runs(1),
        )


def test_a_list_in_pages_has_every_run_and_configuration_once(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite_location.open() as local:
        local.panels.add(PANEL)
        for number in range(1, 8):
            local.runs.add(f"exp=x{number % 2}:run={number}")
        local.runs.withdraw("exp=x1:run=3", comment="wrong")
        for experiment in ("x0", "x1"):
            local.detectors.configure(experiment, "Xcs.0:Jungfrau.0", PANEL, first_run=1)
        for reading in READINGS:
            monkeypatch.setitem(vars(reading), "page", 3)
        with serve_in_thread(sqlite_location) as url, open_registry(url) as remote:
            assert remote.runs.list() == local.runs.list()
            assert remote.runs.list(withdrawn=True) == local.runs.list(withdrawn=True)
            assert remote.runs.list("x1") == local.runs.list("x1")
            assert remote.detectors.list() == local.detectors.list()
            assert remote.list_affected_runs(8) == local.list_affected_runs(8)


def test_an_object_is_sent_whole_or_in_ranges_under_its_digest(
    client: Client, location: RegistryLocation
) -> None:
    sha256 = client.get(f"{client.pin}/versions/1")["files"][0]["sha256"]
    path = f"/v1/objects/sha256/{sha256}"
    whole = client(path)
    assert hashlib.sha256(whole.data).hexdigest() == sha256
    assert whole.headers["etag"] == f'"{sha256}"'
    assert "immutable" in whole.headers["cache-control"]
    part = client(path, range="bytes=10-19")
    assert (part.status, part.data) == (206, whole.data[10:20])
    assert client(path, range=f"bytes={len(whole.data)}-").status == 416
    assert client(path, if_none_match=whole.headers["etag"]).status == 304
    assert client(path, "HEAD").headers["content-length"] == str(len(whole.data))


def test_a_service_with_a_token_answers_only_who_bears_it(location: RegistryLocation) -> None:
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    with serve_in_thread(location, Options(token_sha256=digest)) as url:
        client = Client(url)
        assert client.refuse("/v1/head") == (401, 2)
        assert client.refuse("/v1/head", authorization="Bearer another") == (401, 2)
        assert client.refuse("/v1/head", authorization=f"Basic {TOKEN}") == (401, 2)
        answer = client("/v1/head", authorization=f"Bearer {TOKEN}")
        assert (answer.status, answer.headers["cache-control"]) == (200, "private, max-age=2")
        assert client("/healthz").status == 200


def test_a_public_service_names_no_author_host_command_or_path(location: RegistryLocation) -> None:
    with location.open() as registry:
        revision = registry.log(limit=1)[0]
        source = registry.versions.list()[0].source_path
    assert revision.host == "host-of-the-beamline"
    secrets = [revision.author, revision.host, revision.command, source, str(location.store)]
    with serve_in_thread(location, Options(public=True)) as url:
        client = Client(url)
        below = ("/log", "/versions", "/versions/1", "/show/M068", "/show/version:1", "/show/revision:2")
        for path in (*(f"{client.pin}{path}" for path in below), "/v1/exports", "/healthz", "/v1/head"):
            for form in ("script", "record"):
                suffix = f"?form={form}" if path.startswith(client.pin) else ""
                body = client(f"{path}{suffix}").data.decode()
                assert [secret for secret in secrets if secret and json.dumps(secret)[1:-1] in body] == [], (
                    path
                )


def test_the_metrics_count_requests_and_lookups(client: Client) -> None:
    before = client("/metrics").data.decode()
    client.get(f"{client.pin}/panels")
    after = client("/metrics").data.decode()
    families = {family.name: family.type for family in text_string_to_metric_families(after)}
    assert families["calreg_requests"] == "counter"
    assert families["calreg_lookup_seconds"] == "histogram"
    assert 'calreg_requests_total{kind="panels",status="200"}' in after
    assert "calreg_head_revision 3" in after
    assert before != after


def test_the_openapi_document_names_every_url(client: Client) -> None:
    document = client.get("/v1/openapi.json")
    assert document["openapi"] == "3.1.0"
    assert "/v1/r/{pin}/validity/{target}" in document["paths"]


def test_a_served_registry_cannot_be_written(location: RegistryLocation) -> None:
    from registry.api.serving import open_to_serve
    from registry.errors import UnavailableError
    from registry.settings import Settings

    with (
        open_to_serve(Settings(location.database, location.store)) as served,
        pytest.raises(UnavailableError),
    ):
        served.panels.add("170505-149520170815-3d00f8")
    with open_registry(location.database, location.store) as registry:
        assert len(registry.panels.list()) == 1
