"""A real Redis or Valkey of the tests' own."""

from __future__ import annotations

from urllib.parse import quote

from redis import Redis
from redis.exceptions import RedisError
from services.server import MemoryServer, find_program

PASSWORD = "hunter2:/@%é"


class RedisServer(MemoryServer):
    """Every write is on disk before it is answered, so that a restart keeps it."""

    name = "redis"

    def prepare(self) -> None:
        self._program = find_program("redis-server")

    def command(self) -> list[str]:
        return [
            str(self._program), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
            "--requirepass", PASSWORD, "--save", "", "--appendonly", "yes", "--appendfsync", "always",
            "--unixsocket", str(self.folder / "socket"), "--unixsocketperm", "777",
        ]  # fmt: skip

    password = PASSWORD

    @property
    def url(self) -> str:
        return self.url_at(self.port)

    @staticmethod
    def url_at(port: int) -> str:
        return f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/0"

    @property
    def client(self) -> Redis:
        return Redis(host="127.0.0.1", port=self.port, password=PASSWORD)

    def answers(self) -> bool:
        with self.client as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False

    def empty(self) -> None:
        with self.client as client:
            client.flushall()

    def age(self, seconds: float) -> None:
        """Let so much time pass for what expires."""
        with self.client as client:
            for key in client.scan_iter("funnel:item:*", count=1000):
                if (left_ms := client.pttl(key)) >= 0:
                    client.pexpire(key, left_ms - int(seconds * 1000))
