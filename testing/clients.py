"""A client of a service that shows what was sent, and follows and repeats nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import urllib3


@dataclass(frozen=True)
class Client:
    """Sends requests to a service."""

    url: str

    def __call__(self, path: str, method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
        """Return the response to a request; names of headers have a low line for a hyphen."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        with urllib3.PoolManager() as pool:
            return pool.request(method, f"{self.url}{path}", headers=names, redirect=False, retries=False)

    def get(self, path: str) -> Any:
        """Return the JSON of an answer."""
        response = self(path)
        if response.status != 200:
            raise AssertionError(f"{path}: {response.status} {response.data!r}")
        return response.json()

    def refuse(self, path: str, method: str = "GET", **headers: str) -> tuple[int, int]:
        """Return the status and the code of a refusal."""
        response = self(path, method, **headers)
        if response.headers["content-type"] != "application/json":
            raise AssertionError(f"{path}: {response.status} {response.data!r}")
        return response.status, response.json()["error"]["code"]

    @property
    def pin(self) -> str:
        """The path of the newest revision."""
        head = self.get("/v1/head")
        return f"/v1/r/{head['revision']}-{head['seal'][:16]}"
