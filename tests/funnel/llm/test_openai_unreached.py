"""Endpoints that are not reached: what the message names, and whether the call is tried again."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager

import pytest
import trustme
from chat_server import ChatServer, Reply, error

from funnel.errors import BadSetting, LLMBadResponse, LLMRefused, LLMUnavailable
from funnel.llm.base import CallOptions, Message, Request, Retry
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.openai.failures import failed_reply
from funnel.llm.openai.probing import probe

ASK = Request((Message("user", "x"),), "query", max_output_tokens=100)
COMPLETION = b'{"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}'
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(params=["aiohttp", "own"], autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.upper, PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "own":
        monkeypatch.setattr("funnel.llm.openai.client._fits_aiohttp", lambda _url: False)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


@asynccontextmanager
async def served_with(certificate: trustme.LeafCert):
    """An endpoint that speaks TLS with this certificate; yields its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(COMPLETION)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + COMPLETION)
        await writer.drain()
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await server.wait_closed()


async def failing(url: str, **options) -> tuple[LLMUnavailable, list[Retry]]:
    heard: list[Retry] = []
    chat = OpenAIChat("m", api_key="sk-secret-1", base_url=url, max_retries=1, backoff_s=0.001, **options)
    with pytest.raises(LLMUnavailable) as caught:
        await chat.complete(ASK, CallOptions(on_retry=heard.append))
    await chat.close()
    assert "\n" not in str(caught.value)
    assert not caught.value.may_be_billed
    return caught.value, heard


async def test_a_certificate_that_nobody_trusts_names_the_setting_and_is_not_tried_again(authority):
    async with served_with(authority.issue_cert("localhost")) as url:
        failed, heard = await failing(url)
    assert "its certificate is not trusted" in str(failed)
    assert "Set SSL_CERT_FILE to a file with the certificate that signed it." in str(failed)
    assert heard == []


async def test_with_the_certificate_in_ssl_cert_file_it_is_trusted(authority, ca_file, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    async with served_with(authority.issue_cert("localhost")) as url:
        chat = OpenAIChat("m", api_key="sk-secret-1", base_url=url)
        assert (await chat.complete(ASK)).text == "ok"
        await chat.close()


async def test_a_certificate_for_another_name_says_so(authority, ca_file, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    async with served_with(authority.issue_cert("elsewhere.example")) as url:
        failed, heard = await failing(url)
    assert "Hostname mismatch" in str(failed)
    assert "Write the name in OPENAI_BASE_URL that the certificate is for." in str(failed)
    assert heard == []


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_certificates_that_cannot_be_read_is_one_line(tmp_path, monkeypatch, content):
    if content:
        (tmp_path / "ca.pem").write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(BadSetting, match="SSL_CERT_FILE: holds no certificates that can be read"):
        OpenAIChat("m", base_url="https://localhost/v1")


async def test_https_at_a_port_that_speaks_http_is_told(chat_server):
    failed, heard = await failing(chat_server.url.replace("http:", "https:"))
    assert "it does not speak TLS" in str(failed)
    assert "Check whether OPENAI_BASE_URL begins with http:// or https://." in str(failed)
    assert heard == []


async def test_a_host_that_does_not_exist_is_named_and_not_tried_again(monkeypatch):
    def lookup(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    failed, heard = await failing("http://no-such-host.invalid/v1")
    assert "there is no host 'no-such-host.invalid'" in str(failed)
    assert "Check the name in OPENAI_BASE_URL." in str(failed)
    assert heard == []


async def test_a_lookup_that_fails_for_now_is_tried_again(monkeypatch):
    def lookup(*_args, **_options):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    failed, heard = await failing("http://some-host.invalid/v1")
    assert "the name 'some-host.invalid' cannot be looked up now" in str(failed)
    assert len(heard) == 1


async def test_a_refused_connection_is_tried_again_and_says_what_to_check():
    with ChatServer() as gone:
        url = gone.url
    failed, heard = await failing(url)
    assert "no connection (" in str(failed)
    assert "Check OPENAI_BASE_URL and that it runs." in str(failed)
    assert len(heard) == 1


async def test_an_endpoint_that_redirects_without_end_is_told_and_not_tried_again():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    failed, heard = await failing(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    server.close()
    assert "it redirects without end. Check that OPENAI_BASE_URL" in str(failed)
    assert heard == []


@pytest.mark.parametrize(
    ("variable", "scheme"), [("HTTP_PROXY", "http"), ("HTTPS_PROXY", "https"), ("ALL_PROXY", "http")]
)
async def test_a_dead_proxy_is_named_without_its_password(monkeypatch, variable, scheme):
    with ChatServer() as gone:
        port = gone.url.split(":")[2].removesuffix("/v1")
    monkeypatch.setenv(variable, f"http://me:p4ssw0rd@127.0.0.1:{port}")
    failed, _ = await failing(f"{scheme}://model.example/v1")
    assert f"no connection through the proxy http://127.0.0.1:{port}" in str(failed)
    assert f"Check {variable}, or name the endpoint's host in NO_PROXY to go without." in str(failed)
    assert "p4ssw0rd" not in str(failed)


async def test_a_host_in_no_proxy_is_reached_without_the_proxy(chat_server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    chat = OpenAIChat("m", base_url=chat_server.url)
    assert (await chat.complete(ASK)).text == "ok"
    await chat.close()


async def test_a_proxy_that_wants_a_password_is_told(chat_server, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", chat_server.url.removesuffix("/v1"))
    failed, _ = await failing("https://model.example/v1")
    assert f"through the proxy {chat_server.url.removesuffix('/v1')}" in str(failed)


@pytest.mark.parametrize(
    ("status", "body", "said", "unsaid"),
    [
        (401, {"error": "no"}, "Check OPENAI_API_KEY.", "OPENAI_BASE_URL"),
        (403, {"error": "no"}, "Its account may not use this model", "OPENAI_BASE_URL"),
        (402, {"error": {"message": "Insufficient Balance"}}, "Check the account's plan", "OPENAI_BASE_URL"),
        (
            404,
            {"error": {"message": "model 'm' not found, try pulling it"}},
            "Check FUNNEL_MODEL",
            "BASE_URL",
        ),
        (404, {"error": {"code": "DeploymentNotFound", "message": "no"}}, "Check FUNNEL_MODEL", "BASE_URL"),
        (404, "<html><title>404 Not Found</title></html>", "OPENAI_BASE_URL ends where", "FUNNEL_MODEL"),
        (404, "", "OPENAI_BASE_URL ends where", "FUNNEL_MODEL"),
        (404, {"detail": "Not Found"}, "OPENAI_BASE_URL ends where", "FUNNEL_MODEL"),
        (404, "404 page not found", "OPENAI_BASE_URL ends where", "FUNNEL_MODEL"),
        (404, {"error": "Cannot POST /chat/completions"}, "OPENAI_BASE_URL ends where", "FUNNEL_MODEL"),
        (405, {"detail": "Method Not Allowed"}, "OPENAI_BASE_URL ends where", "FUNNEL_MODEL"),
        (502, "<html><head><title>502 Bad Gateway</title></head>", "look at its log", "OPENAI_BASE_URL"),
    ],
)
def test_the_url_is_blamed_only_where_nothing_is_at_its_path(status, body, said, unsaid):
    failure = failed_reply(body, status=status)
    assert said in failure.advice
    assert unsaid not in failure.advice


@pytest.mark.parametrize(
    ("reply", "path", "blames_url"),
    [
        (Reply(body=b"<html>Welcome</html>"), "/v1", True),
        (Reply(body={"status": "running"}), "", True),
        (Reply(body={"status": "running"}), "/v1", False),
        (Reply(body=b'{"choices": [{"mess'), "/v1", False),
    ],
)
async def test_what_is_no_completion_blames_the_url_only_where_that_is_likely(
    chat_server, reply, path, blames_url
):
    chat_server.script(reply)
    chat = OpenAIChat("m", base_url=chat_server.url.removesuffix("/v1") + path)
    with pytest.raises(LLMBadResponse) as caught:
        await chat.complete(ASK)
    await chat.close()
    assert ("OPENAI_BASE_URL" in str(caught.value)) is blames_url


def test_a_page_is_shown_by_its_title():
    page = "<!DOCTYPE html><title>m.example | 502:  Bad\n gateway</title>"
    assert failed_reply(page, status=502).reason == "HTTP 502, a page titled 'm.example | 502: Bad gateway'"


async def test_without_a_key_a_401_says_to_set_one(chat_server):
    chat_server.script(error(401, "who are you"), Reply(status=401, body={"error": "who are you"}))
    chat = OpenAIChat("m", base_url=chat_server.url)
    with pytest.raises(LLMRefused, match=r"who are you\. Set OPENAI_API_KEY to a key of this endpoint"):
        await chat.complete(ASK)
    await chat.close()
    assert "Set OPENAI_API_KEY" in (await probe(chat_server.url, None)).detail
