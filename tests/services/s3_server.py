"""A server that speaks S3, of the tests' own: moto's, in a process of its own."""

from __future__ import annotations

import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

from services.server import MemoryServer

KEY, SECRET = "hunter2-key", "hunter2/secret"
BUCKET = "memories"
_AUTHORIZATION = f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host"


class S3Server(MemoryServer):
    """It keeps its objects in its process: a restart empties it."""

    name = "s3"

    def prepare(self) -> None:
        pass

    def command(self) -> list[str]:
        return [sys.executable, str(Path(__file__).with_name("s3_serve.py")), str(self.port)]

    @staticmethod
    def _user() -> None:
        """Whoever runs the tests: nobody else need be able to read the interpreter."""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"s3://{KEY}:{SECRET.replace('/', '%2F')}@{BUCKET}/memory?endpoint={self.endpoint}"

    def answers(self) -> bool:
        return self.ask("PUT", f"/{BUCKET}")[0] == 200

    def becomes(self, quirk: str) -> None:
        """Be the server of that quirk from now on; "" is S3."""
        self.ask("GET", f"/-/quirk?name={quote(quirk)}")

    def empty(self) -> None:
        self.becomes("")
        self.ask("POST", "/moto-api/reset")
        self.ask("PUT", f"/{BUCKET}")

    def age(self, seconds: float) -> None:
        # Its dates are whole seconds.
        self.ask("GET", f"/-/age?s={seconds + 1}")

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """One request with no client library between, as somebody else would change the bucket."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {"Authorization": _AUTHORIZATION})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
