"""The memory contract fails for memories that are wrong in one way each; so what it misses is seen here."""

from __future__ import annotations

import asyncio
import math

import pytest

from funnel.memory import InMemory
from funnel.memory.base import TERMS, Entry, require_keys
from funnel.testing import FakeClock
from funnel.testing.memory import HERE, LastingMemoryContract
from funnel.testing.text_index import TextIndexContract


class SlicesToTheLimit(InMemory):
    async def scan(self, where, prefix="", *, after="", limit=1000):
        return (await super().scan(where, prefix, after=after, limit=10_000))[:limit]


class SlicesNamespacesToTheLimit(InMemory):
    async def namespaces(self, *, after="", limit=1000):
        return (await super().namespaces(after=after, limit=10_000))[:limit]


class HasNoLimitOfItsOwn(InMemory):
    async def scan(self, where, prefix="", *, after="", limit=10**9):
        return await super().scan(where, prefix, after=after, limit=limit)


class GivesAPageAtMost(InMemory):
    async def scan(self, where, prefix="", *, after="", limit=1000):
        return await super().scan(where, prefix, after=after, limit=min(limit, 1000))


class StartsAtThePrefix(InMemory):
    async def scan(self, where, prefix="", *, after="", limit=1000):
        return await super().scan(
            where, prefix, after="" if after < prefix or not prefix else after, limit=limit
        )


class ForgetsThePrefixAfterTheFirstPage(InMemory):
    async def scan(self, where, prefix="", *, after="", limit=1000):
        return await super().scan(where, "" if after else prefix, after=after, limit=limit)


class GivesTheKeyItself(InMemory):
    async def scan(self, where, prefix="", *, after="", limit=1000):
        keys = await super().scan(where, prefix, limit=10_000)
        return [key for key in keys if key >= after][: max(limit, 0)]


class SortsByCase(InMemory):
    async def scan(self, where, prefix="", *, after="", limit=1000):
        return sorted(await super().scan(where, prefix, after=after, limit=limit), key=str.casefold)


class FoldsCase(InMemory):
    async def put_many(self, where, items, *, ttl_s=None):
        await super().put_many(where, {key.lower(): value for key, value in items.items()}, ttl_s=ttl_s)


class StripsKeys(InMemory):
    async def put_many(self, where, items, *, ttl_s=None):
        await super().put_many(
            where, {key.rstrip() or key: value for key, value in items.items()}, ttl_s=ttl_s
        )


class SharesEntries(InMemory):
    async def get_entries(self, where, keys):
        found = {}
        for space in [where, *self._spaces]:
            found |= await super().get_entries(space, keys)
        return found


class ComparesAnywhere(InMemory):
    async def compare_and_set(self, where, key, *, expected, value):
        return await super().compare_and_set(HERE, key, expected=expected, value=value)


class TakesNoValueForAnEmptyOne(InMemory):
    async def compare_and_set(self, where, key, *, expected, value):
        return await super().compare_and_set(where, key, expected=expected or None, value=value)


class ComparesInTwoSteps(InMemory):
    async def compare_and_set(self, where, key, *, expected, value):
        require_keys([key])
        found = (await self.get_many(where, [key])).get(key)
        await asyncio.sleep(0)
        if found == expected:
            await self.put_many(where, {key: value})
        return found == expected


class KeepsTheEndOnCompareAndSet(InMemory):
    async def compare_and_set(self, where, key, *, expected, value):
        entry = (await self.get_entries(where, [key])).get(key)
        done = await super().compare_and_set(where, key, expected=expected, value=value)
        if done and entry:
            await self.put_many(where, {key: value}, ttl_s=entry.ttl_s)
        return done


class TakesTheEndAwayWhenItLoses(InMemory):
    async def compare_and_set(self, where, key, *, expected, value):
        await super().put_many(where, await self.get_many(where, [key]))
        return await super().compare_and_set(where, key, expected=expected, value=value)


class KeepsTheLaterEnd(InMemory):
    async def put_many(self, where, items, *, ttl_s=None):
        for key, value in items.items():
            entry = (await self.get_entries(where, [key])).get(key, Entry(b"", None))
            later = ttl_s if ttl_s is None or entry.ttl_s is None else max(ttl_s, entry.ttl_s)
            await super().put_many(where, {key: value}, ttl_s=later)


class EndsOneValueOfABatch(InMemory):
    async def put_many(self, where, items, *, ttl_s=None):
        for number, (key, value) in enumerate(items.items()):
            await super().put_many(where, {key: value}, ttl_s=None if number else ttl_s)


class KeepsTheEndOfWhatWasDeleted(InMemory):
    def __init__(self, **options):
        super().__init__(**options)
        self.ends = {}

    async def delete_many(self, where, keys):
        self.ends |= {key: entry.ttl_s for key, entry in (await self.get_entries(where, keys)).items()}
        await super().delete_many(where, keys)

    async def put_many(self, where, items, *, ttl_s=None):
        for key, value in items.items():
            await super().put_many(where, {key: value}, ttl_s=ttl_s or self.ends.get(key))


class RoundsTheEnd(InMemory):
    async def put_many(self, where, items, *, ttl_s=None):
        await super().put_many(where, items, ttl_s=ttl_s if ttl_s is None else math.ceil(ttl_s) + 1)


class EndsWithinTheCentury(InMemory):
    async def put_many(self, where, items, *, ttl_s=None):
        await super().put_many(where, items, ttl_s=ttl_s if ttl_s is None else min(ttl_s, 3e9))


class WritesOneByOne(InMemory):
    async def put_many(self, where, items, *, ttl_s=None):
        for key, value in items.items():
            await super().put_many(where, {key: value}, ttl_s=ttl_s)


class ListsEmptyNamespaces(InMemory):
    async def namespaces(self, *, after="", limit=1000):
        return sorted(where for where in self._spaces if where > after)[: max(limit, 0)]


class ListsFromTheNamespaceItself(InMemory):
    async def namespaces(self, *, after="", limit=1000):
        first = [where for where in await super().namespaces(limit=10_000) if where >= after]
        return first[1 if after else 0 :][: max(limit, 0)]


class CountsExpiredNamespaces(InMemory):
    async def namespaces(self, *, after="", limit=1000):
        page = sorted(where for where in self._spaces if where > after)[: max(limit, 0)]
        return [where for where in page if self._live(where).values]


class RefusesToBeToldTwice(InMemory):
    async def delete_many(self, where, keys):
        for key in keys:
            del self._live(where).values[key]


class SaysNothingWhenClosed(InMemory):
    def _require_open(self):
        """It is open to everybody."""


class ForgetsWhereItIsWhenClosed(InMemory):
    @property
    def url(self):
        return "" if self._closed else "memory://"


class MatchesAnywhereInTheName(InMemory):
    async def matching(self, where, tokens, *, after="", limit=1000):
        spaces = [space for space in self._spaces if space.lower().startswith(where.lower())]
        found = {}
        for space in spaces:
            keys = await self.scan(space, TERMS, after=after)
            found |= await self.get_many(space, keys)
        held = {k: v for k, v in sorted(found.items()) if any(f" {t}=".encode() in v for t in tokens)}
        return dict([*held.items()][: max(limit, 0)])


class MatchesToASlice(InMemory):
    async def matching(self, where, tokens, *, after="", limit=1000):
        found = await self.get_many(where, await self.scan(where, TERMS, after=after))
        held = {key: value for key, value in found.items() if any(f" {t}=".encode() in value for t in tokens)}
        return dict([*held.items()][:limit])


WRONG = [
    (SlicesToTheLimit, "test_a_limit_of_zero_or_less_gives_no_keys", {"limit": -1}),
    (SlicesNamespacesToTheLimit, "test_a_limit_of_zero_or_less_gives_no_namespaces", {"limit": -1}),
    (HasNoLimitOfItsOwn, "test_five_thousand_keys_in_one_call", {}),
    (GivesAPageAtMost, "test_five_thousand_keys_in_one_call", {}),
    (StartsAtThePrefix, "test_after_need_not_be_a_key", {}),
    (ForgetsThePrefixAfterTheFirstPage, "test_after_may_sort_before_or_after_the_prefix", {}),
    (GivesTheKeyItself, "test_after_may_sort_before_or_after_the_prefix", {}),
    (SortsByCase, "test_keys_sort_by_code_point_not_by_utf16_or_locale", {}),
    (FoldsCase, "test_keys_that_some_systems_confuse_are_distinct", {}),
    (StripsKeys, "test_keys_that_some_systems_confuse_are_distinct", {}),
    (SharesEntries, "test_namespaces_do_not_see_each_other", {}),
    (ComparesAnywhere, "test_compare_and_set_sees_its_own_namespace_only", {}),
    (TakesNoValueForAnEmptyOne, "test_an_empty_value_can_be_expected", {}),
    (ComparesInTwoSteps, "test_of_many_writers_one_wins", {"n_writers": 2}),
    (KeepsTheEndOnCompareAndSet, "test_what_compare_and_set_writes_never_expires", {}),
    (TakesTheEndAwayWhenItLoses, "test_a_failed_compare_and_set_does_not_change_the_expiry", {}),
    (KeepsTheLaterEnd, "test_an_earlier_expiry_replaces_a_later_one", {}),
    (EndsOneValueOfABatch, "test_all_values_of_a_batch_expire", {}),
    (KeepsTheEndOfWhatWasDeleted, "test_a_key_that_is_deleted_and_written_again_never_expires", {}),
    (RoundsTheEnd, "test_a_life_shorter_than_a_tick_of_the_clock_ends", {}),
    (EndsWithinTheCentury, "test_an_expiry_in_three_thousand_years_is_kept", {}),
    (WritesOneByOne, "test_a_batch_that_fails_writes_nothing", {}),
    (ListsEmptyNamespaces, "test_reading_creates_no_namespace", {}),
    (ListsFromTheNamespaceItself, "test_after_need_not_be_a_namespace", {}),
    (CountsExpiredNamespaces, "test_a_page_of_namespaces_is_full_although_some_have_expired", {}),
    (SaysNothingWhenClosed, "test_a_closed_memory_says_so", {"call": lambda memory: memory.scan(HERE)}),
    (ForgetsWhereItIsWhenClosed, "test_its_url_is_one_line_and_does_not_change", {}),
    (InMemory, "test_what_was_written_is_still_there_after_reopening", {}),
    (InMemory, "test_two_open_memories_see_what_the_other_writes", {}),
]
WRONG_INDEXES = [
    (MatchesAnywhereInTheName, "test_texts_of_a_similarly_named_namespace_are_not_found",
     {"other": ("tenant", "run", "11")}),
    (MatchesToASlice, "test_a_limit_of_zero_or_less_finds_nothing", {"limit": -1}),
]  # fmt: skip


async def fails(suite, memory_class, test, options):
    """Run one test of a suite with a memory of this class; it has to fail."""
    clock = FakeClock()
    asked = getattr(suite, test).__code__.co_varnames[: getattr(suite, test).__code__.co_argcount]
    given = {
        "make": lambda clock: memory_class(clock=clock),
        "clock": clock,
        "memory": memory_class(clock=clock),
        **options,
    }
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await getattr(suite(), test)(**{name: given[name] for name in asked if name != "self"})


@pytest.mark.parametrize(("memory_class", "test", "options"), WRONG)
async def test_a_wrong_memory_fails_the_contract(memory_class, test, options):
    await fails(LastingMemoryContract, memory_class, test, options)


@pytest.mark.parametrize(("memory_class", "test", "options"), WRONG_INDEXES)
async def test_a_wrong_index_fails_the_contract(memory_class, test, options):
    await fails(TextIndexContract, memory_class, test, options)
