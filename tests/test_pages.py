"""The pages of the service for people: their HTML, their links, their moment, and what they refuse."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urljoin, urlsplit

import html5lib
import pytest
import urllib3

from registry.api import Registry
from registry.errors import NotFoundError
from registry.heads import Head
from registry.service.options import Options
from registry.service.pages import endpoints, listings, rendering
from registry.service.pages.visits import Values, Visit
from testing.panels import use_small_panels
from testing.registries import RegistryFactory, RegistryLocation
from testing.services import serve_in_thread
from tests.pages import OTHER, PAGES, PANEL, make_location

_LINK = re.compile(r'(?:href|src|action)="([^"]*)"')
FOUND = [path for path in PAGES if path != "/versions/99"]


def _list_pictures(text: str) -> list[str]:
    return re.findall(r'<img src="([^"]*)"', text)


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
    with use_small_panels(), serve_in_thread(location) as url:
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/runs/exp=xcsls3716:run=5", 2),
        ("/runs/exp=xcsls3716:run=6", 1),  # in a gap of the gain
        (f"/detectors/{PANEL}_{OTHER}", 1),
        ("/panels/M088", 1),
        ("/versions/1", 1),
        ("/versions/5", 0),  # a gap
    ],
)
def test_every_picture_of_a_page_can_be_drawn_as_of_its_revision(
    browser: Browser, path: str, count: int
) -> None:
    newest = browser.find_pin(str(browser.ask("/v1/head").json()["revision"]))
    for start in ("", newest):
        text = browser.read(f"{start}{path}")
        pictures = [link.replace("&amp;", "&") for link in _list_pictures(text)]
        assert len(pictures) == count
        for picture in pictures:
            assert picture.startswith(f"/v1{newest}/")
            answer = browser.ask(picture)
            assert answer.headers["content-type"] == "image/png", answer.data


def test_the_pictures_of_a_detector_have_the_same_urls_when_time_has_gone_on(browser: Browser) -> None:
    path = f"/detectors/{PANEL}_{OTHER}"
    assert _list_pictures(browser.read(path)) == _list_pictures(browser.read(path)) != []


def test_a_service_without_matplotlib_shows_no_broken_pictures(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "can_draw", lambda: False)
    for path in ("/runs/exp=xcsls3716:run=5", f"/detectors/{PANEL}_{OTHER}", "/panels/M088"):
        assert _list_pictures(browser.read(path)) == []


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


@pytest.mark.slow
@pytest.mark.parametrize(
    "paths",
    [
        ["/", "/search?q=M0", "/panels/M068", "/runs/exp=xcsls3716:run=6"],
        pytest.param(FOUND, marks=pytest.mark.exhaustive),
    ],
    ids=["some", "all"],
)
def test_no_page_mixes_two_revisions_when_one_arrives_between_its_pieces(
    sqlite_factory: RegistryFactory,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    paths: list[str],
) -> None:
    location = make_location(sqlite_factory, tmp_path_factory)
    find_pin, hours, pins = endpoints._find_pin, iter(range(24 * 60)), []

    def record_after_pinning(registry: Registry, stated: str | None) -> Head:
        pin = find_pin(registry, stated)
        with location.open() as writing:
            hour = next(hours)
            day = f"2018-02-{1 + hour // 24:02d}T{hour % 24:02d}:30:00Z"
            writing.versions.gap(PANEL, valid_from=day, comment="meanwhile")
            writing.runs.add(f"exp=xcsls3716:run={100 + hour}", begin=day)
            writing.tags.add(f"M0-{hour}")
        pins.append(pin)
        return pin

    now = re.compile(rf"{datetime.now(UTC).date()}[T ][0-9:.]+Z?")
    with serve_in_thread(location, Options(kept_bytes=0)) as url:
        browser = Browser(url)
        for path in paths:
            before = now.sub("now", browser.ask(path).data.decode())
            with monkeypatch.context() as patched:
                patched.setattr(endpoints, "_find_pin", record_after_pinning)
                assert now.sub("now", browser.ask(path).data.decode()) == before, path
    assert [pin.number for pin in pins] == sorted({pin.number for pin in pins}), "each saw another one"
    assert len(pins) == len(paths)


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
        ("/versions?withdrawn=perhaps", 400),
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


def test_a_refusal_is_of_the_revision_that_its_page_would_show(browser: Browser) -> None:
    first = browser.find_pin("2")
    refused = browser.read(f"{first}/panels/M088", 404)
    assert "As of revision 2, the past" in refused
    assert "The newest" not in refused
    assert f'href="{first}/versions"' in refused, "the way on stays in the past"
    assert 'href="/panels/M088">Show the newest</a>' in refused
    newest = browser.read("/versions/99", 404)
    assert "The newest: revision" in newest
    assert 'name="page" value="/versions/99"' in newest
    # Where the revision itself is refused, there is only the newest one.
    assert "The newest: revision" in browser.read("/r/2-0000000000000000/panels", 409)
    assert "<h1>This cannot be asked</h1>" in browser.read("/versions/one", 400)


def test_a_refusal_is_of_one_revision_when_another_one_arrives_meanwhile(
    browser: Browser, location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def show_nothing(visit: Visit) -> Values:
        with location.open() as registry:
            registry.tags.add("meanwhile")
        raise NotFoundError(f"as of revision {visit.pin.number}")

    monkeypatch.setattr(Visit, "read_number", lambda visit, _name: show_nothing(visit))
    text = browser.read("/versions/99", 404)
    monkeypatch.undo()
    shown = re.findall(r"evision (?:<[^>]*>)?(\d+)", text)
    assert len(set(shown)) == 1, shown
    assert browser.find_pin("meanwhile")


def test_a_slash_at_the_end_leads_to_the_page_without_it(browser: Browser) -> None:
    pin = browser.find_pin("2")
    for path, place in [
        ("/panels/", "/panels"),
        ("/panels/M068/", "/panels/M068"),
        ("/panels/M068%2F", "/panels/M068"),
        ("/log//?target=M068", "/log?target=M068"),
        (f"{pin}/tags/", f"{pin}/tags"),
        (pin, f"{pin}/"),
    ]:
        response = browser.ask(path)
        assert (response.status, response.headers.get("location")) == (303, place)
    assert browser.ask(f"{pin}/").status == 200
    assert browser.ask("/no/such/page/").headers["location"] == "/no/such/page"


def test_withdrawn_versions_are_listed_where_that_is_asked(browser: Browser) -> None:
    row = 'class="withdrawn"'
    assert row in browser.read("/versions?withdrawn=true")
    assert row not in browser.read("/versions?withdrawn=false")
    assert row not in browser.read("/versions")


@pytest.mark.parametrize("path", ["/versions?before=1", "/runs?skip=500", "/panels?skip=2", "/log?before=1"])
def test_the_end_of_a_list_is_not_called_an_empty_one(browser: Browser, path: str) -> None:
    assert re.search("<p>No more (version|run|panel|revision).</p>", browser.read(path))


def test_a_full_last_page_leads_to_no_empty_one(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    assert browser.read("/panels").count("What follows") == 0
    for length, query, count in ((1, "?skip=0", 1), (2, "?skip=00", 0)):
        monkeypatch.setattr(listings, "PAGE_LENGTH", length)
        assert browser.read(f"/panels{query}").count("What follows") == count


def test_starts_that_differ_by_a_part_of_a_second_are_shown_so(
    sqlite_factory: RegistryFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    location = sqlite_factory.make("sqlite")
    with location.open() as registry:
        registry.panels.add(PANEL)
        for part in ("", ".5"):
            registry.versions.gap(
                PANEL, valid_from=f"2019-01-01T00:00:00{part}Z", comment="broken", kinds=["gain"]
            )
    with serve_in_thread(location) as url:
        text = Browser(url).read("/versions")
    assert "2019-01-01 00:00:00<" in text
    assert re.search("2019-01-01 00:00:00.50*<", text)


def test_a_list_stays_small_whatever_people_wrote(sqlite_factory: RegistryFactory) -> None:
    location = sqlite_factory.make("sqlite")
    comment = "\u202e<" * 50_000
    with location.open() as registry:
        registry.panels.add(PANEL, alias="M068")
        for year in range(2000, 2012):
            registry.versions.gap(
                PANEL, valid_from=f"{year}-01-01T00:00:00Z", comment=comment, kinds=["gain"], any_time=True
            )
    with serve_in_thread(location) as url:
        browser = Browser(url)
        for path in ("/", "/log", "/versions", "/panels/M068"):
            assert len(browser.read(path)) < 100_000, path
        assert browser.read("/versions/1").count("&lt;") == 50_000, "its own page has all of it"


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
    past = browser.read(f"{first}/search?q=M0")
    assert "M068" in past
    assert "M088" not in past, "that name came later"
    assert "Nothing has a name" not in past
    for text, name in [("m0", "M068"), (PANEL[:6], PANEL), ("XCS", "xcsls3716"), ("spr", "spring")]:
        assert name in browser.read(f"/search?q={text}"), text
    assert "Nothing has a name" in browser.read(f"{first}/search?q=xcs")
    assert "Nothing has a name" in browser.read("/search?q=%25"), "it is a letter, not a pattern"


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
