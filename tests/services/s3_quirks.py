"""What servers that are almost S3 do otherwise; each is a WSGI application around one that is."""

from __future__ import annotations

import io
import re

HEADERS = {"if-none-match": "HTTP_IF_NONE_MATCH", "if-match": "HTTP_IF_MATCH"}
LISTING = re.compile(r"(^|&)list-type=2")


def failed(start, status, code):
    """An answer with an error of that code."""
    body = f"<Error><Code>{code}</Code><Message>So it is.</Message></Error>".encode()
    start(status, [("Content-Type", "application/xml"), ("Date", "Sat, 28 Nov 2026 12:00:00 GMT")])
    return [body]


def asked(environment):
    """The conditions of a write."""
    return [
        name for name in HEADERS.values() if environment["REQUEST_METHOD"] == "PUT" and name in environment
    ]


class Ignoring:
    """Takes these conditions and does not heed them."""

    def __init__(self, *names):
        self.names = [HEADERS[name] for name in names]

    def __call__(self, application, environment, start):
        for name in set(self.names) & set(asked(environment)):
            del environment[name]
        return application(environment, start)


class Refusing:
    """Answers so to a write under these conditions, and does not write."""

    def __init__(self, status, code, *names):
        self.status, self.code, self.names = status, code, [HEADERS[name] for name in names]

    def __call__(self, application, environment, start):
        if set(self.names) & set(asked(environment)):
            return failed(start, self.status, self.code)
        return application(environment, start)


class Saying:
    """Answers with this status and code where S3 says 412."""

    def __init__(self, status, code):
        self.status, self.code = status, code

    def __call__(self, application, environment, start):
        seen = []
        body = application(environment, lambda *answer: seen.append(answer))
        if seen[0][0].startswith("412"):
            said = failed(start, self.status, self.code)
            return [] if self.status.startswith("304") else said
        start(*seen[0])
        return body


class SayingOnce:
    """Answers so to the first write under a condition, and does not write; then it is S3."""

    def __init__(self, status, code):
        self.left, self.status, self.code = 1, status, code

    def __call__(self, application, environment, start):
        if self.left and asked(environment):
            self.left -= 1
            return failed(start, self.status, self.code)
        return application(environment, start)


class Losing:
    """Does every other write under a condition, and then says that it is down."""

    def __init__(self):
        self.seen = 0

    def __call__(self, application, environment, start):
        if not asked(environment):
            return application(environment, start)
        self.seen += 1
        if self.seen % 2:
            list(application(environment, lambda *_: None))
            return failed(start, "503 Slow Down", "SlowDown")
        return application(environment, start)


class Forgetful:
    """Lists what there was at the first listing, as long as nobody asks otherwise."""

    def __init__(self):
        self.first = {}

    def __call__(self, application, environment, start):
        if not LISTING.search(environment["QUERY_STRING"]):
            return application(environment, start)
        if not self.first:
            seen = []
            body = list(application(environment, lambda *answer: seen.append(answer)))
            self.first = {"answer": seen[0], "body": body}
        start(*self.first["answer"])
        return self.first["body"]


class Without:
    """Leaves a header out of every answer."""

    def __init__(self, name):
        self.name = name

    def __call__(self, application, environment, start):
        def left_out(status, headers, *rest):
            return start(status, [each for each in headers if each[0].lower() != self.name], *rest)

        return application(environment, left_out)


class Weak:
    """Gives an object another ETag when it is read."""

    def __call__(self, application, environment, start):
        def weakened(status, headers, *rest):
            if environment["REQUEST_METHOD"] == "GET":
                headers = [(n, f"W/{v}" if n.lower() == "etag" else v) for n, v in headers]
            return start(status, headers, *rest)

        return application(environment, weakened)


class Backwards:
    """Lists the last name first."""

    def __call__(self, application, environment, start):
        body = b"".join(application(environment, start))
        parts = re.split(rb"(?=<Contents>)|(?<=</Contents>)(?!<Contents>)", body)
        inner = [part for part in parts if part.startswith(b"<Contents>")]
        if len(inner) > 1:
            at = parts.index(inner[0])
            body = b"".join([*parts[:at], *reversed(inner), *parts[at + len(inner) :]])
        return [body]


class Page:
    """Answers everything with a page of HTML, as a proxy does."""

    def __call__(self, application, environment, start):
        io.BytesIO(environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0)))
        start("200 OK", [("Content-Type", "text/html"), ("Date", "Sat, 28 Nov 2026 12:00:00 GMT")])
        return [b"<html>Sign in</html>"]


BOTH = tuple(HEADERS)
QUIRKS = {
    "ignores both": lambda: Ignoring(*BOTH),
    "ignores if-none-match": lambda: Ignoring("if-none-match"),
    "ignores if-match": lambda: Ignoring("if-match"),
    "501": lambda: Refusing("501 Not Implemented", "NotImplemented", *BOTH),
    "501 to if-match": lambda: Refusing("501 Not Implemented", "NotImplemented", "if-match"),
    "400": lambda: Refusing("400 Bad Request", "InvalidArgument", *BOTH),
    "always 412": lambda: Refusing("412 Precondition Failed", "PreconditionFailed", *BOTH),
    "403": lambda: Refusing("403 Forbidden", "AccessDenied", *BOTH),
    "409": lambda: Saying("409 Conflict", "Conflict"),
    "409 conflict": lambda: Saying("409 Conflict", "ConditionalRequestConflict"),
    "304": lambda: Saying("304 Not Modified", "NotModified"),
    "409 once": lambda: SayingOnce("409 Conflict", "ConditionalRequestConflict"),
    "503 after writing": Losing,
    "lists what was": Forgetful,
    "lists backwards": Backwards,
    "weak etag": Weak,
    "no etag": lambda: Without("etag"),
    "html": Page,
}
