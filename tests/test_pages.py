"""The pages of the service for people: their HTML, their links, their moment, and what they refuse."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import html5lib
import pytest
import urllib3

from registry.service.options import Options
from testing.registries import RegistryFactory, RegistryLocation
from testing.services import serve_in_thread
from tests.pages import OTHER, PAGES, PANEL, make_location

_LINK = re.compile(r'(?:href|src|action)="([^"]*)"')
FOUND = [path for path in PAGES if path != "/versions/99"]


class Browser:
    """Asks for pages."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        """Return the response, redirections too."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        with urllib3.PoolManager() as pool:
            return pool.request("GET", urljoin(self.url, path), headers=names, redirect=False, retries=False)

    def read(self, path: str, status: int = 200) -> str:
        """Return the HTML of a page."""
        response = self.ask(path)
        assert response.status == status, (path, response.data[:300])
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        return response.data.decode()

    def find_pin(self, as_of: str) -> str:
        """Return the beginning of the path of pages as of a revision."""
        response = self.ask(f"/as-of?as_of={as_of}&page=/")
        assert response.status == 303
        return response.headers["location"].rstrip("/")


@pytest.fixture(scope="module")
def location(sqlite_factory: RegistryFactory, tmp_path_factory: pytest.TempPathFactory) -> RegistryLocation:
    return make_location(sqlite_factory, tmp_path_factory)


@pytest.fixture(scope="module")
def browser(location: RegistryLocation) -> Iterator[Browser]:
    with serve_in_thread(location) as url:
        yield Browser(url)


@pytest.mark.parametrize("path", FOUND)
def test_a_page_is_html_with_one_title_and_one_heading(browser: Browser, path: str) -> None:
    text = browser.read(path)
    document = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    assert len(list(document.iter("title"))) == len(list(document.iter("h1"))) == 1
    assert document.attrib["lang"] == "en"
    identifiers = [element.attrib["id"] for element in document.iter() if "id" in element.attrib]
    assert len(identifiers) == len(set(identifiers))


def test_every_link_leads_to_a_page_of_this_service(browser: Browser) -> None:
    waiting, visited = list(FOUND), set[str]()
    while waiting:
        path = waiting.pop()
        if path in visited:
            continue
        visited.add(path)
        response = browser.ask(path)
        assert response.status in {200, 303}, path
        if response.headers.get("content-type", "").startswith("text/html") and len(visited) < 100:
            for link in _LINK.findall(response.data.decode()):
                target = urlsplit(urljoin(path, link.replace("&amp;", "&")))
                assert not target.netloc, f"{path} leads to another host"
                address = f"{target.path}?{target.query}" if target.query else target.path
                if "/plot/" not in address and not address.startswith(("/search", "/as-of", "/changes")):
                    waiting.append(address)
    assert len(visited) > 60


def test_a_page_of_a_revision_tells_nothing_that_came_later(browser: Browser) -> None:
    first = browser.find_pin("2")
    assert "M088" in browser.read("/panels")
    assert "M088" not in browser.read(f"{first}/panels")
    assert "the past" in browser.read(f"{first}/panels")
    assert "the past" not in browser.read("/panels")
    browser.read(f"{first}/panels/M088", 404)
    assert "until 2019" not in browser.read(f"{first}/panels/M068")


def test_a_page_of_a_revision_may_be_kept_and_that_of_now_may_not(browser: Browser) -> None:
    first = browser.find_pin("spring")
    assert browser.ask(f"{first}/log").headers["cache-control"] == "public, max-age=86400"
    assert browser.ask("/log").headers["cache-control"] == "public, max-age=2"
    # It tells what is valid now, too.
    assert browser.ask(f"{first}/panels/M068").headers["cache-control"] == "public, max-age=2"
    etag = browser.ask("/log").headers["etag"]
    assert browser.ask("/log", if_none_match=etag).status == 304


def test_a_page_of_now_shows_a_new_revision(
    sqlite_factory: RegistryFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    location = sqlite_factory.make("sqlite")
    with serve_in_thread(location) as url, location.open() as registry:
        browser = Browser(url)
        assert "Nothing is recorded yet" in browser.read("/")
        registry.panels.add(PANEL, alias="M068")
        assert "M068" in browser.read("/")
        assert "1 panel," in browser.read("/")
        registry.panels.add(OTHER, alias="M088")
        assert "2 panels," in browser.read("/")


@pytest.mark.parametrize(
    "path", ["/", "/log", "/versions", "/versions/1", "/panels/M068", "/validity?target=M068"]
)
def test_what_people_wrote_is_text(browser: Browser, path: str) -> None:
    text = browser.read(path)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "{{ 7 * 7 }}" in text
    assert "\u202e" not in text, "it would turn the text around"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/panels/M099", 404),
        ("/panels/exp=xcsls3716:run=5", 404),
        ("/panels/<img src=x>", 404),
        ("/versions/99", 404),
        ("/versions/one", 400),
        ("/versions/99999999999999999999", 400),
        ("/versions?before=0", 400),
        ("/versions?colour=red", 400),
        ("/versions?panel=M068&panel=M088", 400),
        ("/runs/exp=nothing:run=1", 404),
        ("/runs/5", 400),
        ("/log/99", 404),
        ("/exports/1", 404),
        ("/validity?target=M068&at=2017-01-01T00:00:00Z", 422),
        ("/validity?target=M068&at=soon", 400),
        ("/validity?target=M068&kind=colour", 400),
        ("/changes?since=99", 404),
        ("/changes?since=autumn", 404),
        ("/as-of?as_of=autumn&page=/", 404),
        ("/as-of?as_of=2&page=//example.org/", 400),
        ("/as-of?as_of=2&page=https://example.org/", 400),
        ("/r/2-0000000000000000/panels", 409),
        ("/r/99-0000000000000000/panels", 503),
        ("/r/two/panels", 400),
        ("/panels/%00", 400),
        ("/no/such/page", 404),
    ],
)
def test_a_refusal_is_a_page_with_its_status(browser: Browser, path: str, status: int) -> None:
    response = browser.ask(path)
    text = browser.read(path, status)
    assert response.headers["cache-control"] == "no-store"
    document = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    assert len(list(document.iter("h1"))) == 1
    assert "<img" not in text


def test_as_of_leads_to_the_same_page(browser: Browser) -> None:
    response = browser.ask("/as-of?as_of=spring&page=/validity%3Ftarget%3DM068%26kind%3Dgain")
    assert response.status == 303
    path = response.headers["location"]
    assert re.fullmatch(r"/r/2-[0-9a-f]{16}/validity\?target=M068&kind=gain", path)
    assert "2018-01-01" in browser.read(path)


def test_a_search_leads_to_the_thing_or_to_names(browser: Browser) -> None:
    for text, place in [
        ("M068", "/panels/M068"),
        ("exp=xcsls3716:run=5", "/runs/exp=xcsls3716:run=5"),
        ("version:2", "/versions/2"),
        ("spring", "/log/2"),
        (f"{PANEL}_{OTHER}", f"/detectors/{PANEL}_{OTHER}"),
    ]:
        assert browser.ask(f"/search?q={text}").headers.get("location") == place
    assert "M088" in browser.read("/search?q=M0")
    assert "Nothing has a name" in browser.read("/search?q=zebra")
    first = browser.find_pin("2")
    assert "M088" not in browser.read(f"{first}/search?q=M0"), "that name came later"


def test_pages_load_nothing_from_elsewhere(browser: Browser) -> None:
    policy = browser.ask("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_a_public_service_names_no_people_and_no_places(location: RegistryLocation) -> None:
    with location.open() as registry:
        source = registry.versions.show(1)[0].source_path
    assert source is not None
    with serve_in_thread(location, Options(public=True)) as url:
        browser = Browser(url)
        for path in (*PAGES, "/panels/M099"):
            text = browser.ask(path).data.decode()
            assert "of-the-beamline" not in text, path
            assert source not in text, path
    with serve_in_thread(location) as url:
        assert source in Browser(url).read("/versions/1")
        assert Browser(url).read("/log/2").count("of-the-beamline") == 3


def test_a_run_tells_what_each_panel_gets_and_why(browser: Browser) -> None:
    text = browser.read("/runs/exp=xcsls3716:run=5")
    assert "because Xcs.0:Jungfrau.0 of xcsls3716 reads out" in text
    assert 'href="/versions/1"' in text
    later = browser.read("/runs/exp=xcsls3716:run=6")
    assert "(gap)" in later
    assert "no gain" in later or "gap" in later
