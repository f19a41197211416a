"""A real PostgreSQL of the tests' own."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg
from services.server import MemoryServer, find_program

USER, PASSWORD = "funnel", "hunter2:/@%é"


class PostgresServer(MemoryServer):
    """What is committed survives that the server is killed, but not that the machine loses power."""

    name = "postgres"

    def prepare(self) -> None:
        # Debian keeps the programs of each version off the PATH.
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda f: -int(f.parent.name))
        self._program = find_program("postgres", *folders).resolve()
        initdb = find_program("initdb", self._program.parent, *folders)
        (self.folder / "password").write_text(PASSWORD)
        (self.folder / "password").chmod(0o644)
        command = [str(initdb), "-D", "data", "-U", USER, "--pwfile=password", "--auth=scram-sha-256"]
        done = self.popen(
            [*command, "-E", "UTF8", "--locale=C", "--no-sync"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        said, _ = done.communicate()
        if done.returncode:
            raise RuntimeError(said.decode(errors="replace"))

    def command(self) -> list[str]:
        options = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder),
            "fsync": "off", "max_connections": 50, "log_statement": "none",
        }  # fmt: skip
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(self._program), "-D", str(self.folder / "data"), *settings]

    password = PASSWORD

    @property
    def url(self) -> str:
        return self.url_at(self.port)

    @staticmethod
    def url_at(port: int) -> str:
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres"

    def execute(self, query: str, *parameters) -> list[tuple]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def answers(self) -> bool:
        try:
            return self.execute("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    def end(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT ends all its processes at once and without a checkpoint, as a crash would."""
        super().end(how)

    def empty(self) -> None:
        tables = self.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'funnel_%%'")
        if kept := ", ".join(name for (name,) in tables if name != "funnel_migrations"):
            self.execute(f"TRUNCATE {kept}")

    def age(self, seconds: float) -> None:
        """Let so much time pass for what expires."""
        self.execute("UPDATE funnel_items SET expires_at = expires_at - make_interval(secs => %s)", seconds)
