"""A worker of the service: granian imports it in each of its processes."""

from __future__ import annotations

import os

import msgspec

from registry.api.serving import open_to_serve
from registry.service.application import build_application
from registry.service.connections import watch_connections
from registry.service.gate import Gate
from registry.service.options import VARIABLE, Options
from registry.service.pages.rendering import prepare_templates
from registry.service.request_log import write_log
from registry.service.state import State
from registry.settings import find_settings


def build_service() -> Gate:
    """Return the service of the registry of the environment, which is opened when it is first asked."""
    write_log()
    options = msgspec.json.decode(os.environ[VARIABLE], type=Options)
    watch_connections(options.silent_seconds)
    settings = find_settings()
    prepare_templates()
    return build_application(State(settings, open_to_serve, options))
