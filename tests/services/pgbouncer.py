"""A real PgBouncer of the tests' own, before their PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import psycopg
from services.postgres_server import PASSWORD, USER, PostgresServer
from services.server import Server, find_program


class PgBouncer(Server):
    """Few sessions of the server for all clients, so that each transaction may have another one."""

    name = "pgbouncer"

    def __init__(self, postgres: PostgresServer, mode: str, **options: str) -> None:
        self._postgres = postgres
        self._options = {"pool_mode": mode, "default_pool_size": "3", **options}
        super().__init__()

    def prepare(self) -> None:
        # Debian keeps it off the PATH of who is not root.
        self._program = find_program("pgbouncer", Path("/usr/sbin"))
        settings = {
            "listen_addr": "127.0.0.1", "listen_port": str(self.port), "unix_socket_dir": "",
            "auth_type": "scram-sha-256", "auth_file": f"{self.folder}/users", "admin_users": USER,
            "server_login_retry": "0.2", "max_client_conn": "500", **self._options,
        }  # fmt: skip
        lines = [f"{name} = {value}" for name, value in settings.items()]
        where = f"* = host=127.0.0.1 port={self._postgres.port}"
        (self.folder / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
        (self.folder / "pgbouncer.ini").write_text("\n".join(["[databases]", where, "[pgbouncer]", *lines]))
        for name in ("users", "pgbouncer.ini"):
            (self.folder / name).chmod(0o644)

    def command(self) -> list[str]:
        return [str(self._program), "-q", str(self.folder / "pgbouncer.ini")]

    password = PASSWORD

    @property
    def url(self) -> str:
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        return self._postgres.url_at(port)

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.url, autocommit=True) as connection:
                return connection.execute("SELECT 1", binary=True).fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def age(self, seconds: float) -> None:
        self._postgres.age(seconds)
