"""Proxies before a service: nginx and varnish, as ``deployment/`` configures them in other places."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testing.programs import MissingProgramError

FILES = Path(__file__).parent.parent / "deployment"
_MAX_WAIT_SECONDS = 60
_SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that answers.

    Attributes
    ----------
    url
        Its URL: https for nginx, http for varnish.
    folder
        The folder with its files: the logs `access` and `errors`, and `authority/ca.pem`, which trusts nginx.
    process
        The Id of its first process.
    plain_url
        The URL of nginx that leads to the one with TLS.
    """

    url: str
    folder: Path
    process: int
    plain_url: str = ""

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.url.rpartition(":")[2])

    @property
    def certificate(self) -> Path | None:
        """The certificate of the authority to trust."""
        return self.folder / "authority" / "ca.pem" if self.url.startswith("https:") else None


def find_program(name: str, package: str) -> str:
    """Return the path of a program; raise a `MissingProgramError` where it is not installed."""
    program = shutil.which(name, path=_SYSTEM_PATH)
    if program is None:
        raise MissingProgramError(f"{name} is not installed: apt-get install {package}")
    return program


@contextmanager
def run_nginx(
    service: int,
    *,
    token: str | None = None,
    users: Mapping[str, str] | None = None,
    changes: Mapping[str, str] | None = None,
) -> Iterator[Proxy]:
    """Run nginx before the port of a service.

    Parameters
    ----------
    token
        The token that programs bear; None for a registry that is open to everybody.
    users
        The passwords of people, by their names.
    changes
        Other texts of the configuration, and what stands for them.
    """
    program = find_program("nginx", "nginx-light")
    with _make_folder("nginx") as folder:
        port, plain_port = find_port(), find_port()
        opened = {'default "calreg";': "default off;"} if token is None else {}
        configuration = place_nginx(folder, service, port, plain_port, {**opened, **(changes or {})})
        make_certificate(folder / "authority", folder / "tls")
        (folder / "tokens").write_text("" if token is None else f'"Bearer {token}" off;\n')
        (folder / "users").write_text(
            "".join(f"{name}:{{PLAIN}}{word}\n" for name, word in (users or {}).items())
        )
        command = [program, "-e", str(folder / "errors"), "-c", str(configuration), "-g", "daemon off;"]
        _run([*command, "-t"])
        with _start(command, port) as process:
            scheme = "https" if " ssl " in configuration.read_text() else "http"
            yield Proxy(f"{scheme}://127.0.0.1:{port}", folder, process, f"http://127.0.0.1:{plain_port}")


def place_nginx(folder: Path, service: int, port: int, plain_port: int, changes: Mapping[str, str]) -> Path:
    """Write the configuration of nginx with the places of a test into a folder, and return its path."""
    text = replace_places(
        (FILES / "nginx.conf").read_text(),
        {
            **changes,
            "/run/nginx.pid": f"{folder}/pid",
            "/var/log/nginx/error.log": f"{folder}/errors",
            "/var/log/nginx/calreg.log": f"{folder}/access",
            "/etc/nginx/calreg-tokens.map": f"{folder}/tokens",
            "/etc/nginx/calreg-users": f"{folder}/users",
            "/etc/nginx/calreg-tls": f"{folder}/tls",
            "/var/cache/calreg-nginx": f"{folder}/cache",
            "calib.example.org": f"127.0.0.1:{port}",
            "127.0.0.1:8421": f"127.0.0.1:{service}",
            "127.0.0.1:8422": f"127.0.0.1:{service}",
            "listen 80 ": f"listen 127.0.0.1:{plain_port} ",
            "listen 443 ": f"listen 127.0.0.1:{port} ",
        },
    )
    # Folders that Debian made for root.
    others = "".join(
        f"    {name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {\n", f"http {{\n{others}").replace(
        f"server_name 127.0.0.1:{port}", "server_name _"
    )
    path = folder / "nginx.conf"
    path.write_text(text)
    return path


@contextmanager
def run_varnish(service: int) -> Iterator[Proxy]:
    """Run varnish before the port of a service."""
    program = find_program("varnishd", "varnish")
    find_program("gcc", "gcc")
    with _make_folder("varnish") as folder:
        port = find_port()
        configuration = folder / "calreg.vcl"
        configuration.write_text(
            replace_places(
                (FILES / "calreg.vcl").read_text(),
                {'"8421"': f'"{service}"', '"8422"': f'"{service}"'},
            )
        )
        options = replace_places(
            _read_varnish_options(),
            {
                "127.0.0.1:6081": f"127.0.0.1:{port}",
                "/etc/varnish/calreg.vcl": str(configuration),
                "malloc,2g": "malloc,512m",
            },
        )
        if os.geteuid() != 0:  # only root can become another user
            options = options.replace("-j unix,user=vcache", "-j none")
        command = [program, *shlex.split(options), "-n", str(folder / "work")]
        with _start(command, port) as process:
            yield Proxy(f"http://127.0.0.1:{port}", folder, process)


def _read_varnish_options() -> str:
    text = (FILES / "varnish-calreg.conf").read_text().replace("\\\n", "")
    return str(re.findall(r"^ExecStart=/usr/sbin/varnishd (.+)$", text, re.MULTILINE)[0])


def replace_places(text: str, places: Mapping[str, str]) -> str:
    """Return a text with other places; raise a `LookupError` for one that does not stand there."""
    for stated, real in places.items():
        if stated not in text:
            raise LookupError(f"{stated!r} does not stand there")
        text = text.replace(stated, real)
    return text


@contextmanager
def _make_folder(name: str) -> Iterator[Path]:
    # Not below pytest's folder: the workers of a server that root starts are other users, who cannot enter it.
    with tempfile.TemporaryDirectory(prefix=f"calreg-{name}-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def make_certificate(folder: Path, place: Path, name: str = "IP:127.0.0.1") -> None:
    """Make an authority in a folder as the page says, and put its certificate for nginx into a place."""
    find_program("openssl", "openssl")
    folder.mkdir(exist_ok=True)
    text = replace_places(
        (FILES / "make-certificate.sh").read_text(),
        {"/etc/nginx/calreg-tls": str(place), "DNS:calib.example.org": name},
    )
    _run(["/bin/sh", "-c", f"cd {shlex.quote(str(folder))}; {text}"])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - of this module
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-500:]}")


@contextmanager
def _start(command: list[str], port: int) -> Iterator[int]:
    end = time.monotonic() + _MAX_WAIT_SECONDS
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(command, stdout=output, stderr=output) as process,  # noqa: S603 - of this module
    ):
        try:
            while not _is_open(port):
                if process.poll() is not None or time.monotonic() > end:
                    output.seek(0)
                    raise RuntimeError(f"{command[0]} does not answer: {output.read().decode()[-500:]}")
                time.sleep(0.01)
            yield process.pid
        finally:
            process.terminate()


def _is_open(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_MAX_WAIT_SECONDS):
            return True
    except OSError:
        return False


def find_port() -> int:
    """Return a port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
