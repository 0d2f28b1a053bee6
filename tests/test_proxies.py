"""nginx and varnish before a service, with the configurations of ``deployment/``."""

import http.client
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
import urllib3

from registry import transport
from registry.api import open_registry
from registry.api.readings import READINGS, Freshness
from registry.errors import NotFoundError
from registry.service.application import build_application
from registry.service.options import Options
from registry.service.pages.table import PAGES
from testing.programs import MissingProgramError
from testing.proxies import FILES, Proxy, run_nginx, run_varnish
from testing.registries import RegistryFactory, RegistryLocation
from testing.services import Application, make_state, serve_application
from tests.cli import Calreg
from tests.pages import PANEL, make_location

TOKEN = "0123456789abcdef-of-a-test"  # noqa: S105 - of a service that ends with its test
PROXIES = ("nginx", "varnish", "nginx before varnish")
VALIDITY = "validity/M068?at=2018-02-10T00:00:00Z"
pytestmark = [pytest.mark.slow, pytest.mark.small_panels]


class Switch:
    """A service whose upstream can be made to fail, for all but its health."""

    def __init__(self, application: Application) -> None:
        self.application, self.mode = application, "answers"

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if self.mode == "answers" or scope["path"] == "/healthz":
            await self.application(scope, receive, send)
        elif self.mode == "closes":
            raise ConnectionError
        else:
            await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"4")]})
            await send({"type": "http.response.body", "body": b"oops"})


class Site:
    """A registry, its service, and the proxies before it."""

    def __init__(self, location: RegistryLocation, url: str, switch: Switch, proxies: dict[str, Proxy]):
        self.location, self.url, self.switch, self.proxies = location, url, switch, proxies
        self.pools = {
            name: urllib3.PoolManager(ca_certs=proxy.certificate and str(proxy.certificate))
            for name, proxy in proxies.items()
        }

    def ask(self, name: str, path: str, method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
        """Return the response of a proxy."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.pools[name].request(
            method,
            f"{self.proxies[name].url}{path}",
            headers=names,
            redirect=False,
            retries=False,
            timeout=30,
        )

    @property
    def pin(self) -> str:
        """The beginning of the path of an answer as of the newest revision."""
        with self.location.open() as registry:
            return f"/v1/r/{registry.head.pin}"

    def await_status(self, name: str, path: str, *statuses: int) -> None:
        """Ask until one of these is the status."""
        end = time.monotonic() + 20
        while (answer := self.ask(name, path)).status not in statuses:
            assert time.monotonic() < end, (name, answer.status, answer.data[:300])

    @contextmanager
    def failing(self, mode: str) -> Iterator[None]:
        """Let the service fail; at the end, wait until the proxies ask it again."""
        self.switch.mode = mode
        try:
            yield
        finally:
            self.switch.mode = "answers"
            for name in self.proxies:
                self.await_status(name, "/v1/openapi.json", 200)


@contextmanager
def skip_without_programs() -> Iterator[None]:
    try:
        yield
    except MissingProgramError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def site(sqlite_factory: RegistryFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    location = make_location(sqlite_factory, tmp_path_factory)
    state = make_state(location)
    switch = Switch(build_application(state))
    with ExitStack() as stack, skip_without_programs():
        url = stack.enter_context(serve_application(switch))
        port = int(url.rpartition(":")[2])
        varnish = stack.enter_context(run_varnish(port))
        nginx = stack.enter_context(run_nginx(port))
        both = stack.enter_context(run_nginx(varnish.port))
        served = Site(location, url, switch, dict(zip(PROXIES, (nginx, varnish, both), strict=True)))
        yield served
        for pool in served.pools.values():
            pool.clear()
    state.close()


def find_object(location: RegistryLocation) -> Path:
    return max((location.store / "objects").rglob("*.npy"), key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("name", PROXIES)
def test_a_pinned_answer_is_asked_of_the_service_once(site: Site, name: str) -> None:
    path = f"{site.pin}/{VALIDITY}"
    answers = [site.ask(name, path) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert {answer.data for answer in answers} == {site.ask(name, path).data}
    assert answers[-1].headers["calreg-cache"] == "HIT"
    assert answers[-1].headers["cache-control"] == "public, max-age=86400"
    etag = answers[0].headers["etag"]
    assert site.ask(name, path, if_none_match=etag).status == 304
    head = site.ask(name, path, "HEAD")
    assert (head.status, head.data, head.headers["etag"]) == (200, b"", etag)


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize(
    ("path", "status"),
    [("validity/M999?at=2018-02-10T00:00:00Z", 404), ("validity/M068?at=2017-01-01T00:00:00Z", 422)],
)
def test_a_refusal_that_belongs_to_a_revision_is_kept_with_its_words(
    site: Site, name: str, path: str, status: int
) -> None:
    site.ask(name, f"{site.pin}/{path}")
    answer = site.ask(name, f"{site.pin}/{path}")
    assert (answer.status, answer.headers["calreg-cache"]) == (status, "HIT")
    assert answer.json()["error"]["code"] == {404: 3, 422: 4}[status]


@pytest.mark.parametrize("name", PROXIES)
def test_a_stored_file_comes_byte_for_byte_whole_or_in_ranges(site: Site, name: str) -> None:
    file = find_object(site.location)
    content, path = file.read_bytes(), f"/v1/objects/sha256/{file.stem}"
    size = len(content)
    for stated, part in {
        "bytes=10-": content[10:],
        "bytes=0-0": content[:1],
        "bytes=-7": content[-7:],
        f"bytes=5-{size + 9}": content[5:],
    }.items():
        answer = site.ask(name, path, range=stated)
        assert (answer.status, answer.data) == (206, part), stated
    assert site.ask(name, path, range=f"bytes={size}-").status == 416
    whole = site.ask(name, path)
    assert (whole.data, sha256(whole.data).hexdigest()) == (content, file.stem)
    assert "immutable" in whole.headers["cache-control"]
    assert whole.headers["repr-digest"].startswith("sha-256=:")
    assert site.ask(name, path, if_none_match=whole.headers["etag"]).status == 304


def test_no_proxy_tells_the_past_two_seconds_after_it_could_have_known(site: Site) -> None:
    """The answers that are kept when a revision is recorded are the last of the past."""
    while time.time() % 1 > 0.1:  # nginx counts whole seconds: the worst moment is the beginning of one
        pass
    before = {}
    for name in PROXIES:
        before[name] = site.ask(name, "/v1/head").json()["revision"]
    start = time.monotonic()
    with site.location.open() as registry:
        registry.tags.add(f"seen-{time.time_ns()}")
        head = registry.head
    last_stale, fresh = dict.fromkeys(PROXIES, 0.0), set[str]()
    while len(fresh) < len(PROXIES) and time.monotonic() < start + 30:
        for name in PROXIES:
            begun = time.monotonic()
            revision = site.ask(name, "/v1/head").json()["revision"]
            if revision == head.number:
                fresh.add(name)
            else:
                assert revision == before[name]
                assert name not in fresh, "a revision that was told is told no more"
                last_stale[name] = begun - start
    assert fresh == set(PROXIES)
    assert {name: seconds for name, seconds in last_stale.items() if seconds > 2} == {}


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize("path", ["/panels/M068", "/v1/exports", "show/M068", "/validity"])
def test_what_changes_without_a_revision_is_never_kept_longer_than_two_seconds(
    site: Site, name: str, path: str
) -> None:
    path = path if path.startswith("/") else f"{site.pin}/{path}"
    site.ask(name, path)
    answer = site.ask(name, path)
    assert (answer.status, answer.headers["cache-control"]) == (200, "public, max-age=2")
    if name == "nginx":
        assert "calreg-cache" not in answer.headers
    else:
        assert int(answer.headers["age"]) <= 2


@pytest.mark.parametrize("name", PROXIES)
def test_an_error_of_the_service_is_not_kept(site: Site, name: str) -> None:
    number = PROXIES.index(name) + 1
    paths = (
        f"/v1/head?as_of={number}",
        f"{site.pin}/validity/M068?at=2018-02-1{number}T00:00:00Z",
        "/v1/objects/sha256/" + f"{number}" * 64,
    )
    for path in paths:
        with site.failing("fails"):
            assert site.ask(name, path).status == 500
        assert site.ask(name, path).status == (404 if "objects" in path else 200)


def test_while_the_service_is_down_the_client_says_that_it_cannot_be_used(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(transport, "_ATTEMPTS", 1)
    monkeypatch.setenv("CALREG_CACHE", str(tmp_path / "cache"))
    with site.failing("closes"):
        for name, proxy in site.proxies.items():
            answer = site.ask(name, "/v1/tags")
            assert answer.status in {502, 503}
            assert answer.headers["content-type"].startswith("text/html")
            site.await_status(name, "/v1/head", 502, 503)  # what was kept of the head is soon past
            monkeypatch.setenv("CALREG_DATABASE", proxy.url)
            monkeypatch.setenv("CALREG_CA", str(proxy.certificate or ""))
            refused = Calreg(None, monkeypatch)("validity", "M068", "--at", "2018-02-10T00:00:00Z")
            assert (refused.code, refused.stdout) == (8, "")
            # varnish asks the service for its health meanwhile, whose log has the same stream here.
            (sentence,) = [line for line in refused.stderr.splitlines() if not line.startswith('{"time"')]
            assert f"the service {proxy.url} cannot be used: it answered 50" in sentence
    for proxy in site.proxies.values():
        monkeypatch.setenv("CALREG_DATABASE", proxy.url)
        monkeypatch.setenv("CALREG_CA", str(proxy.certificate or ""))
        missing = Calreg(None, monkeypatch)("validity", "M999", "--at", "2018-02-10T00:00:00Z")
        assert missing.code == NotFoundError.code


@pytest.mark.parametrize("name", PROXIES)
def test_constants_are_read_and_verified_through_a_proxy(
    site: Site, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy = site.proxies[name]
    monkeypatch.setenv("CALREG_CACHE", str(tmp_path / "cache"))
    if proxy.certificate:
        monkeypatch.setenv("CALREG_CA", str(proxy.certificate))
    with site.location.open() as local, open_registry(proxy.url) as remote:
        at = "2018-02-10T00:00:00Z"
        assert remote.head == local.head
        assert (
            remote.constants(PANEL, at=at)["pixel_gain"] == local.constants(PANEL, at=at)["pixel_gain"]
        ).all()


@pytest.mark.parametrize("name", PROXIES)
def test_pages_their_style_and_their_pictures_come_through_a_proxy(site: Site, name: str) -> None:
    page = site.ask(name, "/versions/1", accept_encoding="gzip")
    text = page.data.decode()
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for pattern, media_type in (
        (r'href="(/static/\w+\.css)"', "text/css"),
        (r'src="(/v1/r/[^"]+)"', "image/"),
    ):
        path = re.findall(pattern, text)[0].replace("&amp;", "&")
        # A first picture takes long on a busy machine.
        urllib3.request("GET", f"{site.url}{path}", retries=False, timeout=120)
        assert site.ask(name, path).headers["content-type"].startswith(media_type)
        assert site.ask(name, path).headers["calreg-cache"] == "HIT"
    served = site.ask(name, "/as-of?as_of=1&page=/log")
    assert served.status == 303
    assert served.headers["location"].startswith("/r/1-")


@pytest.mark.parametrize("name", PROXIES)
def test_what_is_counted_is_not_told_to_everybody(site: Site, name: str) -> None:
    proxy = site.proxies[name]
    paths = (
        "/metrics",
        "/metrics/",
        "//metrics",
        "/metrics%0a",
        "/%6detrics",
        "/x/../metrics",
        "/metrics/8421",
    )
    for path in (*paths, "/metrics?x", f"{proxy.url}/metrics"):
        status, body = ask_raw(proxy, path)
        assert status in {400, 403, 404}, path
        assert b"calreg_requests_total" not in body


def ask_raw(proxy: Proxy, path: str) -> tuple[int, bytes]:
    """Ask for a path that other clients would shorten."""
    if proxy.certificate:
        context = ssl.create_default_context(cafile=proxy.certificate)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            "127.0.0.1", proxy.port, context=context
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


@pytest.mark.parametrize("name", PROXIES)
def test_a_long_url_is_refused_in_the_words_of_the_service(site: Site, name: str) -> None:
    answer = site.ask(name, f"{site.pin}/panels/{'x' * 8000}")
    assert (answer.status, answer.json()["error"]["code"]) == (400, 2)
    answer = site.ask(name, f"{site.pin}/panels/{'x' * 9000}")
    assert (answer.status, answer.json()["error"]["code"]) == (414, 2)
    assert site.ask(name, f"{site.pin}/panels/{'x' * 20000}").status in {400, 414}


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
def test_only_reading_is_answered(site: Site, name: str, method: str) -> None:
    assert site.ask(name, "/v1/head", method).status == 405


def test_http_leads_to_https(site: Site) -> None:
    proxy = site.proxies["nginx"]
    answer = urllib3.request("GET", f"{proxy.plain_url}/panels?skip=1", redirect=False, retries=False)
    assert (answer.status, answer.headers["location"]) == (301, f"{proxy.url}/panels?skip=1")


def test_texts_are_compressed_for_who_accepts_it_and_files_are_not(site: Site) -> None:
    path = f"{site.pin}/log"
    packed = site.ask("nginx", path, accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.data == site.ask("nginx", path).data
    assert site.ask("nginx", path, accept_encoding="gzip", if_none_match=packed.headers["etag"]).status == 304
    file = f"/v1/objects/sha256/{find_object(site.location).stem}"
    assert "content-encoding" not in site.ask("nginx", file, accept_encoding="gzip").headers


def test_a_token_is_asked_for_before_the_cache_and_is_not_logged(site: Site) -> None:
    port = site.proxies["varnish"].port
    with skip_without_programs(), run_nginx(port, token=TOKEN, users={"ana": "a word"}) as proxy:
        guarded = Site(site.location, site.url, site.switch, {"nginx": proxy})
        path = f"{site.pin}/{VALIDITY}"
        known = {"authorization": f"Bearer {TOKEN}"}
        assert [guarded.ask("nginx", path, **known).headers["calreg-cache"] for _ in range(2)] == [
            "MISS",
            "HIT",
        ]
        for headers in ({}, {"authorization": "Bearer other"}, {"authorization": f"Basic {TOKEN}"}):
            assert guarded.ask("nginx", path, **headers).status == 401
            assert guarded.ask("nginx", "/", **headers).status == 401
        person = urllib3.make_headers(basic_auth="ana:a word")
        assert guarded.ask("nginx", "/", **person).status == 200
        assert guarded.ask("nginx", "/healthz").status == 200
        logs = "".join((proxy.folder / log).read_text() for log in ("access", "errors"))
    assert TOKEN not in logs
    assert "a word" not in logs


def test_an_answer_to_who_bears_a_token_is_in_no_shared_cache(site: Site) -> None:
    state = make_state(site.location, Options(token_sha256=sha256(TOKEN.encode()).hexdigest()))
    with ExitStack() as stack, skip_without_programs():
        url = stack.enter_context(serve_application(build_application(state)))
        port = int(url.rpartition(":")[2])
        handing_on = {
            'proxy_set_header Authorization ""': "proxy_set_header Authorization $http_authorization"
        }
        nginx = stack.enter_context(run_nginx(port, changes=handing_on))
        guarded = Site(site.location, url, site.switch, {"nginx": nginx})
        file = f"/v1/objects/sha256/{find_object(site.location).stem}"
        for path in ("/v1/head", f"{site.pin}/{VALIDITY}", file, "/"):
            for _ in range(2):
                answer = guarded.ask("nginx", path, authorization=f"Bearer {TOKEN}")
                assert (answer.status, answer.headers.get("calreg-cache")) in {(200, None), (200, "MISS")}
                assert answer.headers["cache-control"].startswith("private, max-age=")
            assert guarded.ask("nginx", path).status == 401
        logs = "".join((nginx.folder / log).read_text() for log in ("access", "errors"))
    state.close()
    assert TOKEN not in logs


def test_who_asks_too_often_from_outside_is_told_to_wait(site: Site) -> None:
    port = site.proxies["varnish"].port
    with skip_without_programs(), run_nginx(port, changes={"127.0.0.0/8 1": "127.0.0.0/8 0"}) as proxy:
        outside = Site(site.location, site.url, site.switch, {"nginx": proxy})
        statuses = {outside.ask("nginx", "/v1/head").status for _ in range(400)}
    assert statuses == {200, 429}


def test_what_nginx_does_not_keep_is_what_tells_more_than_facts_of_revisions() -> None:
    text = (FILES / "nginx.conf").read_text()
    unkept = [re.compile(pattern) for pattern in re.findall(r"location ~ (\^/(?:v1/r|r)/\S+) \{", text)[0:]]
    for paths, prefix in (
        (
            [
                (reading.path, reading.freshness is Freshness.PINNED)
                for reading in READINGS
                if not reading.is_live
            ],
            "/v1/r/4-0/",
        ),
        ([(page.path, page.is_lasting) for page in PAGES], "/r/4-0/"),
    ):
        for path, is_lasting in paths:
            real = prefix + re.sub(r"\{\w+\}", "1", path)
            assert any(pattern.search(real) for pattern in unkept) is not is_lasting, real
