"""The history over HTTP: every seal is rebuilt from its texts alone, by the recipe of docs/seals.md."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa
import urllib3

from registry import open_registry, schema
from registry.api import Registry
from registry.heads import Head
from registry.lookup import history_pages
from registry.service.options import Options
from testing.panels import PANEL_A
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.seal_script import list_seals, run_script
from tests.test_late_seals import record_unsealed
from tests.test_seal_script import _fill

pytestmark = pytest.mark.small_panels


class Feed:
    """Follows the history of a service."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.pages: list[urllib3.BaseHTTPResponse] = []

    def ask(self, path: str) -> urllib3.BaseHTTPResponse:
        with urllib3.PoolManager() as pool:
            return pool.request("GET", f"{self._url}{path}", redirect=False, retries=False)

    def read(self, path: str = "/v1/history") -> Iterator[dict[str, Any]]:
        """Yield the revisions of this page and of those that follow it, each put together of its parts."""
        whole: dict[str, Any] = {}
        while path:
            page = self.ask(path)
            assert page.status == 200, page.data
            self.pages.append(page)
            for revision in page.json()["revisions"]:
                if revision["skipped"]:
                    assert revision["revision"] == whole["revision"]
                    for name, lines in revision["parts"].items():
                        whole["parts"][name] = whole["parts"].get(name, "") + lines
                else:
                    whole = revision
                if revision["is_complete"]:
                    yield whole
            path = page.headers.get("link", "").partition("<")[2].partition(">")[0]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def rebuild(registry: str, revisions: list[dict[str, Any]]) -> list[str]:
    """Return the links and the seals that texts have, as the script of the page prints them."""
    previous = link = digest(registry)
    links, seals = [], []
    for number, revision in enumerate(revisions, 1):
        parts = dict(revision["parts"])
        text = f"calreg seal 1\nnumber {number}\nprevious {previous}\n"
        for line in parts.pop("export_seal", "").splitlines():
            row = json.loads(line)
            link = digest(
                f"calreg export 1\nnumber {row['export']}\nprevious {link}\ndigest {row['digest']}\n"
            )
            links.append(f"export {row['export']} {link}")
        late = parts.pop("late", None)
        for name in sorted(parts, key=lambda name: (name != "revision", " " in name, name)):
            text += f"{name} {parts[name].count(chr(10))} {digest(parts[name])}\n"
        newest = links[-1].split() if links else None
        text += f"exports {newest[1]} {newest[2]}\n" if newest else ""
        text += f"late 1 {digest(late)}\n" if late is not None else ""
        assert revision["text"] == text
        assert revision["seal"] == digest(text)
        seals.append(f"revision {number} {digest(text)}")
        previous = digest(text)
    return [*links, *seals]


@pytest.mark.slow
def test_every_seal_is_rebuilt_from_the_texts(
    location: RegistryLocation, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(registry, tmp_path / "made")
    registry.tags.add("last")  # seals the newest export
    seals = run_script(location.database)
    assert seals == list_seals(location.database)
    for lines, size in ((20_000, 4 << 20), (3, 4 << 20), (20_000, 600)):
        monkeypatch.setattr(history_pages, "_MAX_LINES", lines)
        monkeypatch.setattr(history_pages, "_MAX_BYTES", size)
        with serve_in_thread(location) as url:
            feed = Feed(url)
            revisions = list(feed.read())
            assert rebuild(feed.pages[0].json()["registry"], revisions) == seals
            assert (len(feed.pages) > len(revisions)) == (lines == 3 or size == 600)
            assert max(len(page.data) for page in feed.pages) < 30_000 + size
            fed = Feed(url)
            assert list(fed.read("/v1/history?limit=2")) == revisions
            assert list(fed.read(f"/v1/history?after={registry.find_head(4).pin}&limit=3")) == revisions[4:]


def test_a_page_is_kept_for_good_only_as_of_a_pin(location: RegistryLocation, registry: Registry) -> None:
    for number in range(5):
        registry.panels.add(PANEL_A.replace("b0", f"b{number}"))
    head = registry.head
    with serve_in_thread(location) as url:
        feed = Feed(url)
        pinned = feed.ask(f"/v1/history?after=1&limit=2&as_of={head.pin}")
        assert pinned.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert pinned.headers["link"] == (
            f'</v1/history?after={registry.find_head(3).pin}&limit=2&as_of={head.pin}>; rel="next"'
        )
        plain = feed.ask("/v1/history?after=1&limit=2")
        assert plain.data == pinned.data
        assert plain.headers["cache-control"] == "public, max-age=2"
        assert plain.headers["link"] == f'</v1/history?after={registry.find_head(3).pin}&limit=2>; rel="next"'
        for path in ("after=3&limit=2", "after=3&limit=3", "", "after=5", "after=9999999999"):
            for as_of in ("", f"&as_of={head.pin}"):
                last = feed.ask(f"/v1/history?{path}{as_of}".replace("?&", "?"))
                assert (last.status, "link" in last.headers) == (200, False)
                assert ("immutable" in last.headers["cache-control"]) == bool(as_of)
        assert feed.ask("/v1/history?after=6").json()["revisions"] == []
        assert feed.ask(f"/v1/history?after={head}").json()["revisions"] == []
        assert feed.ask("/v1/history?after=4&limit=1000000").json()["revisions"][0]["seal"] == head.seal
        for path, status in {
            "after=4-0123456789abcdef": 409,
            "after=9-0123456789abcdef": 503,
            "as_of=4-0123456789abcdef": 409,
            "as_of=9-0123456789abcdef": 503,
            "as_of=4": 400,
            f"as_of={head.pin}&as_of={head.pin}": 400,
            "limit=0": 400,
            "limit=-1": 400,
            "after=x": 400,
            "after=1&after=2": 400,
            "before=1": 400,
        }.items():
            refusal = feed.ask(f"/v1/history?{path}")
            assert (refusal.status, refusal.headers["cache-control"]) == (status, "no-store")


def test_a_page_as_of_a_pin_stays_the_same_when_more_is_recorded(
    location: RegistryLocation, registry: Registry
) -> None:
    registry.panels.add(PANEL_A)
    registry.tags.add("second")
    pin = registry.head.pin
    with serve_in_thread(location) as url:
        feed = Feed(url)
        paths = [f"/v1/history?after={after}&as_of={pin}" for after in range(4)]
        before = [feed.ask(path) for path in paths]
        assert [len(page.json()["revisions"]) for page in before] == [2, 1, 0, 0]
        registry.tags.add("third")
        assert [feed.ask(path).data for path in paths] == [page.data for page in before]
        assert [row["revision"] for row in feed.read(f"/v1/history?limit=1&as_of={pin}")] == [1, 2]
        assert [row["revision"] for row in feed.read("/v1/history?limit=1")] == [1, 2, 3]


def test_the_schema_of_a_page_is_that_of_its_revisions(
    location: RegistryLocation, registry: Registry
) -> None:
    registry.panels.add(PANEL_A)
    with serve_in_thread(location) as url:
        feed = Feed(url)
        openapi = feed.ask("/v1/openapi.json").json()
        described = openapi["paths"]["/v1/history"]["get"]
        assert [row["name"] for row in described["parameters"]] == ["after", "skip", "limit", "as_of"]
        schema = described["responses"]["200"]["content"]["application/json"]["schema"]
        validator = jsonschema.Draft202012Validator({**schema, "components": openapi["components"]})
        page = feed.ask("/v1/history").json()
        validator.validate(page)
        for key in page["revisions"][0]:
            revision = {name: value for name, value in page["revisions"][0].items() if name != key}
            assert not validator.is_valid({**page, "revisions": [revision]}), key


@pytest.mark.sqlite_suffices
def test_a_public_service_sends_no_history_and_one_with_a_token_lets_nobody_else_keep_it(
    location: RegistryLocation, registry: Registry
) -> None:
    registry.panels.add(PANEL_A)
    with serve_in_thread(location, Options(public=True)) as url:
        answer = Feed(url).ask("/v1/history")
        assert (answer.status, answer.json()["error"]["code"]) == (409, 5)
    token = b"a-token-of-the-beamline"
    with serve_in_thread(location, Options(token_sha256=hashlib.sha256(token).hexdigest())) as url:
        with urllib3.PoolManager() as pool:
            headers = {"authorization": f"Bearer {token.decode()}"}
            answer = pool.request("GET", f"{url}/v1/history?limit=1", headers=headers)
            pin = Head(1, answer.json()["revisions"][0]["seal"]).pin
            pinned = pool.request("GET", f"{url}/v1/history?limit=1&as_of={pin}", headers=headers)
        assert answer.headers["cache-control"] == "private, max-age=2"
        assert pinned.headers["cache-control"] == "private, max-age=31536000, immutable"


def test_a_history_is_refused_from_a_revision_without_a_seal_on(
    location: RegistryLocation, registry: Registry
) -> None:
    registry.panels.add(PANEL_A)
    record_unsealed(location, 2)
    with serve_in_thread(location) as url:
        feed = Feed(url)
        page = feed.ask("/v1/history")
        assert [revision["revision"] for revision in page.json()["revisions"]] == [1]
        answer = feed.ask(page.headers["link"].partition("<")[2].partition(">")[0])
        assert (answer.status, answer.json()["error"]["code"]) == (500, 6)
        assert "revision 2 has no seal" in answer.json()["error"]["message"]


@pytest.mark.sqlite_suffices
def test_no_table_is_read_whole_for_a_page(location: RegistryLocation, registry: Registry) -> None:
    registry.panels.add(PANEL_A)
    statements: list[str] = []
    with registry._backend.database.read_transaction() as connection:
        for name in history_pages._SOURCES:
            source = history_pages.find_source(connection, name, (7, 9), 0)
            statements.append(
                str(source.query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
            )
        for statement in statements:
            plan = connection.execute(sa.text(f"EXPLAIN QUERY PLAN {statement}")).all()
            scanned = {row.detail for row in plan if row.detail.startswith("SCAN")}
            assert scanned <= {"SCAN lineage"}, statement  # which has a row for each fork
    assert len(statements) == len(history_pages._SOURCES) >= len(schema.metadata.tables) - 8


def test_a_remote_registry_has_the_pin_with_which_a_history_goes_on(
    location: RegistryLocation, registry: Registry
) -> None:
    registry.panels.add(PANEL_A)
    with serve_in_thread(location) as url, open_registry(url) as remote:
        pin = remote.head.pin
        registry.tags.add("later")
        assert [row["revision"] for row in Feed(url).read(f"/v1/history?after={pin}")] == [2]
