"""The contract of a search by terms: every memory finds the same texts, with or without an index."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funnel.memory import InMemory, terms
from funnel.memory.base import TERMS, Memory, Namespace, namespace
from funnel.memory.swap.copying import copy_all
from funnel.memory.swap.hot_swap import HotSwap
from funnel.memory.text_search import matching, scanned, search
from funnel.testing.clock import FakeClock
from funnel.testing.memory.fixtures import ELSEWHERE, HERE, MakeMemory, MemoryFixtures

WORDS = [
    "lease", "leases", "the", "4.2", "§ 4.2", "HotSwap", "snake_case", "café", "cafe\u0301", "合同期限", "OR",
    "AND", "NOT", "NEAR", "a*", '"', "'", "space:x", "x" * 200, "ß", "\ud800", "\x00", "it's", "100%", "(",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join) | st.text(max_size=12)


def stored(**texts: str) -> dict[str, bytes]:
    """Return the values that make these texts searchable, by key."""
    return {TERMS + key: terms.record(text) for key, text in texts.items()}


class TextIndexContract(MemoryFixtures):
    """What a memory must find by terms, whether it is a `funnel.memory.base.TextIndex` or not.

    Inherit it as you would `MemoryContract`, with the same fixtures `make` and `clock`. A memory without an
    index always passes, since texts are then found by a scan; one with an index must find the same.
    """

    async def found(
        self, memory: Memory, query: str, where: Namespace = HERE, *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Return the names of the texts that hold a term of the query."""
        return [
            key.removeprefix(TERMS)
            for key in await matching(memory, where, terms.tokens(query), after=after, limit=limit)
        ]

    async def test_a_text_is_found_by_any_of_the_terms_in_order_of_keys(self, memory: Memory) -> None:
        await memory.put_many(HERE, stored(b="a lease of Hill House", a="two leases", c="a grant"))
        assert await self.found(memory, "lease house") == ["a", "b"]

    async def test_what_is_found_is_what_was_stored(self, memory: Memory) -> None:
        await memory.put_many(HERE, stored(a="lease, lease"))
        assert await matching(memory, HERE, terms.tokens("lease")) == {"terms/a": b"2 aleas=2"}

    async def test_texts_of_another_namespace_are_not_found(self, memory: Memory) -> None:
        await memory.put_many(HERE, stored(a="lease"))
        await memory.put_many(ELSEWHERE, stored(b="lease"))
        assert await self.found(memory, "lease") == ["a"]
        assert await self.found(memory, "lease", ELSEWHERE) == ["b"]

    async def test_only_what_is_under_the_terms_is_found(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"note/a": b"1 aleas=1", "terms": b"1 aleas=1", **stored(b="lease")})
        assert await self.found(memory, "lease") == ["b"]

    async def test_a_text_that_is_replaced_is_found_by_its_new_terms_only(self, memory: Memory) -> None:
        await memory.put_many(HERE, stored(a="lease"))
        await memory.put_many(HERE, stored(a="grant"))
        assert await self.found(memory, "lease") == []
        assert await self.found(memory, "grant") == ["a"]

    async def test_a_deleted_text_is_not_found(self, memory: Memory) -> None:
        await memory.put_many(HERE, stored(a="lease", b="lease"))
        await memory.delete_many(HERE, [TERMS + "a"])
        assert await self.found(memory, "lease") == ["b"]

    async def test_a_text_that_compare_and_set_wrote_is_found(self, memory: Memory) -> None:
        [(key, value)] = stored(a="lease").items()
        assert await memory.compare_and_set(HERE, key, expected=None, value=value)
        assert await self.found(memory, "lease") == ["a"]
        assert await memory.compare_and_set(HERE, key, expected=value, value=terms.record("grant"))
        assert await self.found(memory, "lease") == []
        assert await self.found(memory, "grant") == ["a"]

    async def test_an_expired_text_is_not_found(self, memory: Memory, clock: FakeClock) -> None:
        await memory.put_many(HERE, stored(a="lease"), ttl_s=1000)
        await memory.put_many(HERE, stored(b="lease"))
        clock.passes(1000)
        assert await self.found(memory, "lease") == ["b"]
        await memory.put_many(HERE, stored(a="grant lease"))
        assert await self.found(memory, "lease") == ["a", "b"]

    async def test_a_page_is_not_empty_although_many_before_it_have_expired(
        self, memory: Memory, clock: FakeClock
    ) -> None:
        await memory.put_many(HERE, stored(**{f"{n:02d}": "lease" for n in range(20)}), ttl_s=1000)
        await memory.put_many(HERE, stored(last="lease"))
        clock.passes(1000)
        assert await self.found(memory, "lease", limit=3) == ["last"]

    async def test_pages_cover_all_texts(self, memory: Memory) -> None:
        await memory.put_many(HERE, stored(**{f"{n}": "lease" if n % 2 else "grant" for n in range(10)}))
        assert await self.found(memory, "lease", limit=2) == ["1", "3"]
        assert await self.found(memory, "lease", after=TERMS + "3", limit=2) == ["5", "7"]
        assert await self.found(memory, "lease", after=TERMS + "7", limit=2) == ["9"]

    async def test_a_query_without_terms_finds_nothing(self, memory: Memory) -> None:
        await memory.put_many(HERE, stored(a="lease"))
        assert await self.found(memory, "the of") == []
        assert await matching(memory, HERE, [], limit=9) == {}

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_limit_of_zero_or_less_finds_nothing(self, memory: Memory, limit: int) -> None:
        # With one text, a slice to -1 would be empty, too.
        await memory.put_many(HERE, stored(a="lease", b="lease", c="lease"))
        assert await self.found(memory, "lease", limit=limit) == []

    async def test_a_term_that_is_asked_for_twice_counts_once(self, memory: Memory) -> None:
        await memory.put_many(HERE, stored(a="lease", b="grant"))
        [token] = terms.tokens("lease")
        assert list(await matching(memory, HERE, [token, token])) == [f"{TERMS}a"]

    @pytest.mark.parametrize(
        "other",
        [("tenant", "run", "11"), ("tenant", "run", "1", "2"), ("tenant", "run"), ("Tenant", "run", "1")],
    )
    async def test_texts_of_a_similarly_named_namespace_are_not_found(
        self, memory: Memory, other: tuple[str, ...]
    ) -> None:
        await memory.put_many(HERE, stored(a="lease"))
        await memory.put_many(namespace(*other), stored(b="lease"))
        assert await self.found(memory, "lease") == ["a"]
        assert await self.found(memory, "lease", namespace(*other)) == ["b"]

    async def test_texts_are_found_as_soon_as_they_are_written_by_many(self, memory: Memory) -> None:
        async def write(n: int) -> None:
            await memory.put_many(HERE, stored(**{f"{n:02d}": "lease" if n % 2 else "grant"}))

        await asyncio.gather(*map(write, range(32)))
        assert await self.found(memory, "lease") == [f"{n:02d}" for n in range(1, 32, 2)]

    async def test_any_value_under_the_terms_can_be_written_and_read(self, memory: Memory) -> None:
        odd = [b"", b"\xff\xfe\x00", b"1", b" aleas=", b"1 aleas=x", b"1 " + b"a" * 300_000 + b"=1"]
        items = {f"{TERMS}{n}": value for n, value in enumerate(odd)}
        await memory.put_many(HERE, items)
        assert await memory.get_many(HERE, list(items)) == items
        await memory.put_many(HERE, dict.fromkeys(items, b"1 agrant=1"))
        assert await self.found(memory, "grant") == [str(n) for n in range(len(odd))]
        assert await self.found(memory, "lease") == []

    async def test_sixteen_thousand_terms_of_one_text_are_all_found(self, memory: Memory) -> None:
        words = [f"w{n}é" if n % 2 else f"w{n}" for n in range(16_384)]
        await memory.put_many(HERE, stored(a=" ".join(words)))
        assert await self.found(memory, words[-1]) == await self.found(memory, words[0]) == ["a"]

    async def test_the_score_is_that_of_the_formula(self, memory: Memory) -> None:
        await memory.put_many(HERE, stored(a="lease lease grant", b="lease", c="grant"))
        [second, first] = await search(memory, {HERE: 3}, "lease", k=9)
        idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
        assert first.score == pytest.approx(idf * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2)))
        assert second.score == pytest.approx(idf * 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 1 / 2)))
        assert [first.key, second.key] == ["a", "b"]

    async def test_equal_texts_are_ranked_by_namespace_and_key(self, memory: Memory) -> None:
        await memory.put_many(ELSEWHERE, stored(a="lease"))
        await memory.put_many(HERE, stored(b="lease", a="lease", c="lease"))
        found = await search(memory, {ELSEWHERE: 1, HERE: 3}, "lease", k=3)
        assert [(text.where, text.key) for text in found] == [(HERE, "a"), (HERE, "b"), (HERE, "c")]

    async def test_a_copy_is_searched_like_the_original(self, memory: Memory) -> None:
        one = InMemory()
        await one.put_many(HERE, stored(a="lease", b="grant"))
        await copy_all(one, memory)
        assert await self.found(memory, "lease") == ["a"]

    async def test_a_swap_keeps_the_texts_found(self, memory: Memory) -> None:
        hot = HotSwap(InMemory())
        await hot.put_many(HERE, stored(a="lease", b="grant"))
        await hot.swap(memory)
        await hot.put_many(HERE, stored(c="lease"))
        await hot.delete_many(HERE, [TERMS + "b"])
        assert await self.found(hot, "lease") == ["a", "c"]
        assert await self.found(hot, "grant") == []
        await hot.swap(InMemory())
        assert await self.found(hot, "lease") == ["a", "c"]
        await hot.close()

    # Every backend inherits this one test, and it empties the namespace that it shares between examples.
    @settings(
        max_examples=25,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
        deadline=None,
    )
    @given(texts=st.dictionaries(st.sampled_from("abcdef"), TEXTS), query=TEXTS, limit=st.integers(1, 4))
    def test_the_index_finds_what_a_scan_finds(
        self, make: MakeMemory, texts: dict[str, str], query: str, limit: int
    ) -> None:
        async def both() -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
            memory = make(FakeClock())
            await memory.delete_many(HERE, await memory.scan(HERE))
            await memory.put_many(HERE, stored(**texts))
            asked = terms.tokens(query)
            native = await matching(memory, HERE, asked, limit=limit)
            plain = await scanned(memory, HERE, asked, after="", limit=limit)
            ranked = await search(memory, {HERE: len(texts)}, query, k=9)
            await memory.close()
            reference = InMemory()
            await reference.put_many(HERE, stored(**texts))
            assert ranked == await search(reference, {HERE: len(texts)}, query, k=9)
            return list(native.items()), list(plain.items())

        native, plain = asyncio.run(both())
        assert native == plain
