"""The pages of the service in a real browser: clicked, typed into, printed, and checked for those who do not see."""

import os
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from testing.panels import use_small_panels
from testing.registries import RegistryFactory, RegistryLocation
from testing.services import serve_in_thread
from tests.pages import HOSTILE, OTHER, PAGES, PANEL, make_location
from tests.selection import keep_first_rows

CHROMIUM = shutil.which("chromium")
SCHEMES = ("light", "dark") * 4
OTHERS = (
    "/as-of?as_of=spring&page=/panels/M068",
    "/r/2-0000000000000000/panels",
    "/validity?target=M068&at=2017-01-01T00:00:00Z",
    "/versions?before=1",
    "/no/such/page",
)
"""The past, refusals, and the end of a list."""
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1200, "height": 800}
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's package chromium is not installed"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def location(sqlite_factory: RegistryFactory, tmp_path_factory: pytest.TempPathFactory) -> RegistryLocation:
    return make_location(sqlite_factory, tmp_path_factory)


@pytest.fixture(scope="module")
def url(location: RegistryLocation) -> Iterator[str]:
    with use_small_panels(), serve_in_thread(location) as url:
        yield url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Root needs no sandbox of Chromium's, and has none.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser, url: str) -> Iterator[BrowserContext]:
    """A browser that asks no other host."""
    context = chromium.new_context(base_url=url, viewport=DESK)
    elsewhere: list[str] = []
    context.on("request", lambda request: elsewhere.append(request.url))
    yield context
    context.close()
    assert [address for address in elsewhere if not address.startswith(url)] == []


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab in which nothing goes wrong, as a browser sees it."""
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    yield page
    assert wrong == []


@pytest.mark.parametrize(
    ("scheme", "path"),
    keep_first_rows(
        [
            *zip(SCHEMES, PAGES, strict=False),
            *product(SCHEMES[:2], (*PAGES, *OTHERS)),
        ],
        8,
    ),
)
def test_nothing_stands_in_the_way_of_people_who_do_not_see(
    chromium: Browser, url: str, path: str, scheme: str
) -> None:
    context = chromium.new_context(base_url=url, viewport=PHONE, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(path)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    # Only what is made to be scrolled is wider than the screen.
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    context.close()


def test_a_search_leads_to_a_panel_its_versions_and_their_pictures(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Search").fill("M068")
    page.get_by_label("Search").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Module M068")
    page.get_by_label("version 1, gain, from 2018-01-01T00:00:00Z until 2019-01-01T00:00:00Z").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Version 1: gain of M068")
    picture = page.get_by_alt_text("Maps and histograms of version 1")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", value=True, timeout=60_000)
    assert picture.evaluate("image => image.naturalWidth") > 500


def test_the_past_is_shown_and_left_again(page: Page) -> None:
    page.goto("/panels")
    expect(page.get_by_text("M088")).to_be_visible()
    page.get_by_label("As of").fill("spring")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("As of revision 2, the past")).to_be_visible()
    expect(page.get_by_text("M088")).to_have_count(0)
    page.get_by_role("link", name="M068").click()
    assert "/r/2-" in page.url, "the way on stays in the past"
    page.get_by_role("link", name="Show the newest").click()
    assert page.url.endswith("/panels/M068")
    expect(page.get_by_text("This page follows it.")).to_be_visible()


def test_a_form_is_answered_or_refused(page: Page) -> None:
    page.goto("/validity")
    page.get_by_label("Panel, module, detector or run").fill("M068")
    page.get_by_label("Time", exact=True).fill("2018-02-10T00:00:00Z")
    page.get_by_role("button", name="What holds?").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What holds for M068 at 2018-02-10 00:00:00")
    page.get_by_label("Time", exact=True).fill("2017-02-10T00:00:00Z")
    page.get_by_role("button", name="What holds?").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is valid")
    expect(page.locator("main")).to_contain_text("2018-01-01")
    expect(page.get_by_label("Panel, module, detector or run")).to_have_value("M068")
    expect(page.get_by_label("Time", exact=True)).to_have_value("2017-02-10T00:00:00Z")


def test_what_people_wrote_does_nothing(page: Page) -> None:
    for path in ("/", "/log", "/versions", "/versions/1"):
        page.goto(path)
        expect(page.locator("main")).to_contain_text("<script>alert(1)</script>")
        assert page.locator("main script").count() == 0
    assert HOSTILE.startswith("<script>")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_page_of_now_follows_new_revisions(
    chromium: Browser, sqlite_factory: RegistryFactory, *, scripts: bool
) -> None:
    location = sqlite_factory.make("sqlite")
    with serve_in_thread(location) as url, location.open() as registry:
        context = chromium.new_context(base_url=url, java_script_enabled=scripts)
        page = context.new_page()
        page.goto("/panels")
        expect(page.locator("main")).to_contain_text("No panel.")
        registry.panels.add(PANEL, alias="M068")
        expect(page.locator("main")).to_contain_text("M068", timeout=30_000)
        if scripts:
            page.get_by_label("Search").fill("half a wo")
            registry.panels.add(OTHER, alias="M088")
            page.wait_for_timeout(3_000)
            expect(page.get_by_label("Search")).to_have_value("half a wo")
            expect(page.get_by_role("status")).to_have_text("Revision 2 is newer. Show it")
            page.get_by_role("link", name="Show it").click()
            expect(page.locator("main")).to_contain_text("M088")
        context.close()


def test_a_page_of_now_says_that_the_service_is_gone_and_follows_it_when_it_is_back(
    context: BrowserContext, page: Page
) -> None:
    page.goto("/panels")
    context.set_offline(True)
    expect(page.get_by_role("status")).to_contain_text("does not answer", timeout=10_000)
    context.set_offline(False)
    expect(page.get_by_role("status")).to_be_empty(timeout=10_000)


def test_nobody_loses_what_they_type_into_a_form_without_scripts(chromium: Browser, url: str) -> None:
    context = chromium.new_context(base_url=url, java_script_enabled=False)
    page = context.new_page()
    pin = context.request.get("/v1/head").json()
    for path in ("/validity", "/changes", "/search", f"/r/{pin['revision']}-{pin['seal'][:16]}/panels"):
        page.goto(path)
        assert page.locator("noscript meta[http-equiv]").count() == 0, path
        assert page.locator("meta[http-equiv=refresh]").count() == 0, path
    page.goto("/panels")
    assert "to type, keep this moment" in page.locator(".moment").inner_text()
    context.close()


def test_a_run_shows_its_pictures_where_they_are_asked_for(page: Page) -> None:
    page.goto("/runs/exp=xcsls3716:run=5")
    page.get_by_text("Maps of pixel_gain").first.click()
    picture = page.get_by_alt_text("Maps of pixel_gain;")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", value=True, timeout=60_000)
    assert picture.evaluate("image => image.naturalWidth") > 500


def test_the_keyboard_reaches_the_content_first(page: Page) -> None:
    page.goto("/panels/M068")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_paper_has_the_content_without_forms(page: Page, tmp_path: Path) -> None:
    page.goto("/runs/exp=xcsls3716:run=5")
    page.emulate_media(media="print")
    expect(page.get_by_role("table")).to_be_visible()
    expect(page.get_by_label("Search")).to_be_hidden()
    expect(page.get_by_text("This page follows it.")).to_be_hidden()
    file = tmp_path / "page.pdf"
    page.pdf(path=file, format="A4")
    assert file.read_bytes().startswith(b"%PDF")
