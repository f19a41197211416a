"""Redis as it is deployed: with replicas and Sentinels, as a cluster, behind TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import time
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis
from redis.exceptions import RedisError
from services.server import Server, find_program

PASSWORD = "hunter2:/@%x"
NAME = "main"


class RedisProcess(Server):
    """A redis-server with these options, which keeps nothing."""

    name = "redis"
    password = PASSWORD

    def __init__(self, *options: str, tls: bool = False) -> None:
        self.options = options
        self.tls = tls
        super().__init__()

    def prepare(self) -> None:
        self._program = find_program("redis-server")
        if self.tls:
            certify(self.folder)
            for path in self.folder.iterdir():
                path.chmod(0o644)

    def command(self) -> list[str]:
        port = ["--port", "0", "--tls-port", str(self.port)] if self.tls else ["--port", str(self.port)]
        files = {"cert": "server.pem", "key": "server.key", "ca-cert": "server.pem"} if self.tls else {}
        tls = [
            part for name, file in files.items() for part in (f"--tls-{name}-file", str(self.folder / file))
        ]
        return [
            str(self._program), *port, *tls, "--tls-auth-clients", "no", "--bind", "127.0.0.1",
            "--dir", str(self.folder), "--save", "", "--appendonly", "no",
            "--requirepass", PASSWORD, "--masterauth", PASSWORD, *self.options,
        ]  # fmt: skip

    @property
    def certificate(self) -> Path:
        return self.folder / "server.pem"

    def client(self, **options) -> Redis:
        tls = {"ssl": True, "ssl_ca_certs": str(self.certificate)} if self.tls else {}
        return Redis(host="127.0.0.1", port=self.port, password=PASSWORD, **{**tls, **options})

    def url(self, scheme: str = "redis", query: str = "", user: str = "") -> str:
        return f"{scheme}://{user}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/0{query}"

    def answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False

    def age(self, seconds: float) -> None:
        raise NotImplementedError


class RedisSentinel(RedisProcess):
    """A Sentinel that watches one master; it needs no password of its own."""

    name = "sentinel"

    def __init__(self, master: int, quorum: int) -> None:
        self.master, self.quorum = master, quorum
        super().__init__()

    def command(self) -> list[str]:
        file = self.folder / "sentinel.conf"
        if not file.exists():
            lines = [
                f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}",
                f"sentinel monitor {NAME} 127.0.0.1 {self.master} {self.quorum}",
                f'sentinel auth-pass {NAME} "{PASSWORD}"',
                f"sentinel down-after-milliseconds {NAME} 500", f"sentinel failover-timeout {NAME} 2000",
            ]  # fmt: skip
            file.write_text("\n".join(lines))
            file.chmod(0o666)
        return [str(self._program), str(file), "--sentinel"]

    def client(self, **options) -> Redis:
        return Redis(host="127.0.0.1", port=self.port, **options)


class Watched:
    """A master with replicas, and Sentinels that make one of these the master when it dies."""

    def __init__(self) -> None:
        self.servers: list[RedisProcess] = []
        self.sentinels: list[RedisSentinel] = []
        try:
            self.servers.append(RedisProcess())
            master = self.servers[0].port
            for _ in range(2):
                self.servers.append(RedisProcess("--replicaof", f"127.0.0.1 {master}"))
            for _ in range(3):
                self.sentinels.append(RedisSentinel(master, 2))
            self._await(lambda: all(self._knows_all(sentinel) for sentinel in self.sentinels))
        except BaseException:
            self.remove()
            raise

    def url(self, query: str = "") -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://:{quote(PASSWORD, safe='')}@{hosts}/{NAME}/0{query}"

    def master(self) -> RedisProcess:
        """The server that the Sentinels name now."""
        with self.sentinels[-1].client() as client:
            port = int(client.sentinel_master(NAME)["port"])
        return next(server for server in self.servers if server.port == port)

    def fail_over(self) -> None:
        """Kill the master, and wait until another is it."""
        dead = self.master()
        dead.end()
        self._await(lambda: self.master() is not dead)

    def _knows_all(self, sentinel: RedisSentinel) -> bool:
        with sentinel.client() as client:
            state = client.sentinel_master(NAME)
            replicas = client.sentinel_slaves(NAME)
        linked = [each for each in replicas if each["master-link-status"] == "ok"]
        return state["num-other-sentinels"] == 2 and len(linked) == 2

    @staticmethod
    def _await(there) -> None:
        end = time.monotonic() + 60
        while not there():
            assert time.monotonic() < end, "it did not come about within a minute"
            time.sleep(0.05)

    def remove(self) -> None:
        for server in [*self.sentinels, *self.servers]:
            server.remove()


def certify(folder: Path) -> None:
    """Write a key and a certificate for this machine that is signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
