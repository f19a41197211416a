"""Serves moto's S3 on the port that is named: one request after another, and with a clock that can be put on.

moto looks at a condition and writes in two steps, between which its own threads may come; S3 does not.
"""

from __future__ import annotations

import sys
import threading
from datetime import timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs

import moto.s3.models
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from s3_quirks import QUIRKS
from werkzeug.serving import make_server

utcnow = moto.s3.models.utcnow
passed = [timedelta()]
quirks = []
turn = threading.Lock()
application = DomainDispatcherApplication(create_backend_app)


def now():
    return utcnow() + sum(passed, timedelta())


def serve(environment, start):
    if environment["PATH_INFO"] == "/-/age":
        passed.append(timedelta(seconds=float(parse_qs(environment["QUERY_STRING"])["s"][0])))
        start("204 No Content", [])
        return []

    if environment["PATH_INFO"] == "/-/quirk":
        quirks[:] = [QUIRKS[name]() for name in parse_qs(environment["QUERY_STRING"]).get("name", ())]
        start("204 No Content", [])
        return []

    def as_now(status, headers, *rest):
        headers = [header for header in headers if header[0].lower() != "date"]
        return status, [*headers, ("Date", format_datetime(now().astimezone(), usegmt=False))], *rest

    def plain(environment, start):
        return application(environment, lambda *answer: start(*as_now(*answer)))

    with turn:
        return list(quirks[0](plain, environment, start) if quirks else plain(environment, start))


class Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_said):
        pass


moto.s3.models.utcnow = now
make_server("127.0.0.1", int(sys.argv[1]), serve, threaded=True, request_handler=Handler).serve_forever()
