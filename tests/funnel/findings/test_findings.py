"""Findings about document versions: bounded, apart by rights, found by their terms, stored once."""

from __future__ import annotations

import logging

from funnel.asker import LOCAL_OWNER, Asker
from funnel.errors import MemoryFailed
from funnel.findings import store as module
from funnel.findings.store import MAX_CHARS, MAX_FINDINGS, FindingStore, SupportingSpan
from funnel.memory import InMemory, SqliteMemory, layout
from funnel.types import Citation
from indexes.fingerprint import fingerprint

V1 = ("leases", "v1")


def source(version=V1, start=0, text="The lease ends in May."):
    return SupportingSpan(*version, start, start + len(text), fingerprint(text), version[0].title())


def a_store(memory, asker=LOCAL_OWNER, **how):
    return FindingStore(memory, asker=asker, **how)


async def kept(memory, *facts, asker=LOCAL_OWNER):
    learnt = a_store(memory, asker)
    for asked, text in facts:
        learnt.add("sub-call", asked, text, [source()])
    await learnt.keep([])


async def found(memory, query, versions=(V1,), asker=LOCAL_OWNER):
    return [fact.text async for fact in a_store(memory, asker).find(query, versions)]


async def test_a_fact_is_found_by_what_was_asked_by_what_was_found_and_by_the_title():
    memory = InMemory()
    await kept(memory, ("When does it end?", "In May"))
    assert [await found(memory, query) for query in ("end", "May", "Leases", "grant")] == [
        ["In May"], ["In May"], ["In May"], [],
    ]  # fmt: skip


async def test_the_best_is_first():
    memory = InMemory()
    await kept(
        memory, ("Who signed?", "Ada Roth"), ("When does it end?", "In May"), ("Signed when?", "In 2019")
    )
    assert await found(memory, "signed by Roth") == ["Ada Roth", "In 2019"]


async def test_nothing_is_written_before_it_is_kept():
    memory = InMemory()
    a_store(memory).add("note", "end", "May", [source()])
    assert await memory.namespaces() == []


async def test_another_version_knows_nothing():
    memory = InMemory()
    await kept(memory, ("end", "May"))
    assert await found(memory, "end", [("leases", "v2")]) == []
    assert await a_store(memory).versions() == [V1]


async def test_askers_with_other_rights_know_nothing():
    memory = InMemory()
    await kept(memory, ("end", "May"), asker=Asker.of("alice"))
    assert await found(memory, "end", asker=Asker.of("alice")) == ["May"]
    for other in (LOCAL_OWNER, Asker.of("bob"), Asker.of("alice", "bob")):
        assert await found(memory, "end", asker=other) == []
        assert await a_store(memory, other).versions() == []


async def test_what_has_no_source_or_is_too_long_is_no_fact():
    memory, learnt = InMemory(), a_store(InMemory())
    learnt.add("note", "end", "May", [])
    learnt.add("note", "end", "x" * (MAX_CHARS + 1), [source()])
    learnt.add("note", "end", " ", [source()])
    await learnt.keep([])
    assert await memory.namespaces() == []


async def test_what_is_learnt_twice_is_kept_once_and_is_new_again(monkeypatch):
    memory, now = InMemory(), [1_000.0]
    monkeypatch.setattr(module.time, "time", lambda: now[0])
    await kept(memory, ("a", "one lease"), ("b", "two leases"))
    now[0] = 2_000.0
    await kept(memory, ("a", "one lease"))
    facts = {fact.text: fact.found_at async for fact in a_store(memory).find("lease", [V1])}
    assert facts == {"one lease": 2_000.0, "two leases": 1_000.0}
    [where] = await memory.namespaces()
    assert len(await memory.scan(where)) == 2 * 2  # each with its terms


async def test_of_too_many_the_oldest_go(monkeypatch):
    memory, now = InMemory(), [1_000.0]
    monkeypatch.setattr(module.time, "time", lambda: now[0])
    await kept(memory, ("old", "first lease"), ("older", "second lease"))
    now[0] = 2_000.0
    await kept(memory, *((f"{n}", "lease") for n in range(MAX_FINDINGS - 1)))
    [where] = await memory.namespaces()
    assert len(await memory.scan(where, "fact/", limit=9_999)) == MAX_FINDINGS
    assert len(await memory.scan(where, "terms/", limit=9_999)) == MAX_FINDINGS
    assert len(await found(memory, "old older first second")) == 1


async def test_a_fact_of_two_documents_is_found_once_by_either():
    memory, other = InMemory(), ("roth", "v7")
    learnt = a_store(memory)
    learnt.add("answer", "compare", "Both end in May", [source(), source(other)])
    await learnt.keep([])
    assert await found(memory, "compare", [V1, other]) == ["Both end in May"]
    assert await found(memory, "compare", [other]) == ["Both end in May"]


async def test_facts_end_with_their_time():
    now = [0.0]
    memory = InMemory(clock=lambda: now[0])
    learnt = a_store(memory, ttl_s=100)
    learnt.add("note", "end", "May", [source()])
    await learnt.keep([])
    now[0] = 100.0
    assert await memory.namespaces() == []


async def test_any_id_and_version_come_back(tmp_path):
    memory = SqliteMemory(f"sqlite:///{tmp_path}/m.sqlite")
    odd = [("a/b", "v/1"), ("\ud800", "%2F"), ("é ", ".")]
    learnt = a_store(memory)
    for version in odd:
        learnt.add("note", "end", "May", [source(version)])
    await learnt.keep([])
    assert sorted(await a_store(memory).versions()) == sorted(odd)
    await memory.close()


async def test_an_opening_of_a_later_version_is_passed_over():
    memory = InMemory()
    store = a_store(memory, steady=True)
    await store.keep_opening("q", "In May.", ["leases"])
    assert await store.opening("q") == ("In May.", ["leases"])
    for later in (b'{"text": "t", "exposed": []}', b'["t"]', b"5", b"\xff"):
        await memory.put_many(layout.findings(LOCAL_OWNER), {"opening/q": later})
        assert await store.opening("q") is None


async def test_what_a_later_version_wrote_is_passed_over():
    memory = InMemory()
    await kept(memory, ("end", "May"))
    [where] = await memory.namespaces()
    [key] = await memory.scan(where, "fact/")
    await memory.put_many(where, {key: b'{"sources": [], "more": 1}'})
    assert await found(memory, "end") == []


async def test_a_memory_that_fails_loses_the_facts_and_nothing_else(caplog):
    class Down(InMemory):
        async def put_many(self, *_args, **_how):
            raise MemoryFailed("memory://", "it is down")

    caplog.set_level(logging.WARNING)
    await kept(Down(), ("end", "May"))
    assert "the findings of a run are not stored" in caplog.text


# answers

CITED = [Citation("leases", "Leases", "", 0, 4, "May."), Citation("roth", "Roth", "", 5, 8, "Ada")]
VERSIONS = {"leases": "v1", "roth": "v2"}


async def told(text, citations=CITED, versions=VERSIONS):
    memory = InMemory()
    learnt = a_store(memory)
    learnt.add_answer("When does the lease end?", text, citations, versions)
    await learnt.keep([])
    all_versions = [("leases", "v1"), ("roth", "v2")]
    facts = [fact async for fact in a_store(memory).find("lease end", all_versions)]
    return sorted((fact.text, [s.document_id for s in fact.sources]) for fact in facts)


async def test_each_statement_of_an_answer_is_a_fact_with_its_own_citations():
    assert await told("It ends in May [1]. Ada signed it [2]. Nobody knows why.") == [
        ("Ada signed it.", ["roth"]),
        ("It ends in May.", ["leases"]),
    ]


async def test_data_is_one_fact_with_all_citations():
    assert await told('{\n  "end": "May"\n}') == [('{\n  "end": "May"\n}', ["leases", "roth"])]


async def test_an_answer_without_citations_is_no_fact():
    assert await told("It ends in May.", []) == []


async def test_a_statement_about_a_document_that_has_gone_is_no_fact():
    assert await told("It ends in May [1]. Ada signed it [2].", versions={"roth": "v2"}) == [
        ("Ada signed it.", ["roth"])
    ]
