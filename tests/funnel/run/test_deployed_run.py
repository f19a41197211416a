"""A deep run over a memory as it is deployed loses nothing, whatever dies under it meanwhile."""

from __future__ import annotations

import asyncio

import pytest
import resume_worker
from chat_server import ChatServer
from resume_worker import GARDENS, LIMITS, N_CALLS, PRICES, QUESTION
from services.pgbouncer import PgBouncer
from services.redis_deployments import Watched

from funnel.llm.models import Models
from funnel.llm.openai.chat import OpenAIChat
from funnel.memory import open_memory
from funnel.memory.swap.hot_swap import HotSwap
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.run.options import ResumeOptions
from funnel.sandbox.monty.engine import MontySandbox
from funnel.trace.kinds import TurnStarted
from indexes import RawDocuments


@pytest.fixture
def server():
    with ChatServer() as server:
        server.default = resume_worker.model
        yield server


@pytest.fixture(params=["transaction", "statement"])
def pooled(request, postgres_server):
    pooler = PgBouncer(postgres_server, request.param, default_pool_size="2")
    yield pooler
    pooler.remove()


@pytest.fixture
def watched():
    servers = Watched()
    yield servers
    servers.remove()


class Deep:
    """One deep run over a memory; `meanwhile` happens once, in a thread, at its third turn."""

    def __init__(self, server, folder):
        self.server, self.folder, self.seen = server, folder, []
        self.happened = None

    def funnel(self, url):
        chat = OpenAIChat("m", base_url=self.server.url)
        return Funnel(
            RawDocuments(GARDENS).as_owner(),
            models=Models(chat, chat, prices=PRICES),
            memory=HotSwap(open_memory(url)),
            sandbox=MontySandbox(max_processes=8),
            trace_dir=self.folder,
            router=Router(),
        )

    async def asked(self, url, meanwhile=None):
        loop = asyncio.get_running_loop()

        def on_event(event):
            self.seen.append(event)
            third = isinstance(event.data, TurnStarted) and event.data.number == 3
            if third and meanwhile and self.happened is None:
                self.happened = loop.run_in_executor(None, meanwhile)

        async with self.funnel(url) as funnel:
            answer = await funnel.ask(QUESTION, Options(mode="deep", limits=LIMITS), on_event=on_event)
            if self.happened:
                await self.happened
            again = await funnel.resume(answer.run, ResumeOptions())
        assert (answer.status, again.text) == ("complete", answer.text)
        assert len(self.server.seen) == N_CALLS, "something was paid for twice"
        assert answer.usage.model_calls == N_CALLS


@pytest.fixture
def deep(server, tmp_path):
    return Deep(server, tmp_path)


async def test_behind_a_pooler(deep, pooled):
    await deep.asked(pooled.url)


async def test_behind_a_pooler_that_is_killed(deep, pooled):
    def killed():
        pooled.end()
        pooled.start()

    await deep.asked(pooled.url, killed)


async def test_over_a_master_that_dies(deep, watched):
    await deep.asked(watched.url("?prefix=acme"), watched.fail_over)


async def test_over_an_s3_server_that_says_it_is_down_when_it_has_written(deep, s3_server):
    await deep.asked(s3_server.url, lambda: s3_server.becomes("503 after writing"))
    s3_server.becomes("")
