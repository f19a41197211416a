"""Tests of values under keys: get returns what was put, for any key, any number, in its namespace."""

from __future__ import annotations

import pytest

from funnel.errors import MemoryFailed
from funnel.memory.base import Memory, namespace
from funnel.testing.memory.fixtures import ELSEWHERE, HERE, MemoryFixtures


class ValueContract(MemoryFixtures):
    """Tests of values and keys, and of the isolation of namespaces."""

    async def test_get_returns_what_was_put(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b"1", "b": b"2"})
        assert await memory.get_many(HERE, ["a", "b"]) == {"a": b"1", "b": b"2"}

    async def test_a_missing_key_is_left_out(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b"1"})
        assert await memory.get_many(HERE, ["a", "z"]) == {"a": b"1"}

    async def test_a_second_put_replaces(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b"1"})
        await memory.put_many(HERE, {"a": b"2"})
        assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}

    async def test_an_empty_value_is_a_value(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b""})
        assert await memory.get_many(HERE, ["a"]) == {"a": b""}

    async def test_every_byte_comes_back(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": bytes(range(256))})
        assert (await memory.get_many(HERE, ["a"]))["a"] == bytes(range(256))

    async def test_twenty_megabytes_come_back(self, memory: Memory) -> None:
        value = bytes(range(256)) * 80_000
        await memory.put_many(HERE, {"a": value})
        assert (await memory.get_many(HERE, ["a"]))["a"] == value

    async def test_a_deleted_key_is_gone(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b"1", "b": b"2"})
        await memory.delete_many(HERE, ["a", "never there"])
        assert await memory.get_many(HERE, ["a", "b"]) == {"b": b"2"}

    @pytest.mark.parametrize(
        "key",
        [
            "\ud800",
            "a\udfffb",
            "\U0001f600",
            "\U0010ffff",
            "/",
            "a//b/",
            "../..",
            "\x00",
            "a\x00",
            "\n",
            " ",
            "é",
            "e\u0301",
            "%",
            ":",
            "{a}",
        ],
    )
    async def test_a_key_may_contain_any_character(self, memory: Memory, key: str) -> None:
        await memory.put_many(HERE, {key: b"1", key + "2": b"2"})
        assert await memory.get_many(HERE, [key, key + "2"]) == {key: b"1", key + "2": b"2"}
        assert await memory.compare_and_set(HERE, key, expected=b"1", value=b"3")
        assert await memory.scan(HERE) == [key, key + "2"]
        await memory.delete_many(HERE, [key])
        assert await memory.scan(HERE) == [key + "2"]

    async def test_keys_that_some_systems_confuse_are_distinct(self, memory: Memory) -> None:
        keys = [
            "a",
            "A",
            "a ",
            "a\x00",
            "\uff41",
            "\u00e9",
            "e\u0301",
            "\u0131",
            "i",
            "I",
            "ss",
            "\u00df",
            "01",
            "1",
        ]
        await memory.put_many(HERE, {key: ascii(key).encode() for key in keys})
        assert await memory.get_many(HERE, keys) == {key: ascii(key).encode() for key in keys}

    @pytest.mark.parametrize("character", ["a", "/", "\U0001f600", "\ud800"])
    async def test_a_key_may_have_a_thousand_characters(self, memory: Memory, character: str) -> None:
        keys = [character * 1000, character * 999 + "c", character * 999 + "b", character * 999]
        await memory.put_many(HERE, {key: key[-1:].encode("utf-8", "surrogatepass") for key in keys})
        found = await memory.get_many(HERE, keys)
        assert [found[key] for key in keys] == [key[-1:].encode("utf-8", "surrogatepass") for key in keys]
        assert await memory.scan(HERE, after=min(keys), limit=2) == sorted(keys)[1:3]
        assert await memory.scan(HERE, character * 999 + "b") == sorted(
            key for key in keys if key.startswith(character * 999 + "b")
        )
        assert await memory.compare_and_set(HERE, keys[0], expected=None, value=b"") is False
        await memory.delete_many(HERE, keys[:1])
        assert sorted(await memory.get_many(HERE, keys)) == sorted(keys[1:])

    async def test_a_key_that_is_named_twice_counts_once(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b"1", "b": b"2"})
        assert await memory.get_many(HERE, ["a", "b", "a"]) == {"a": b"1", "b": b"2"}
        assert (await memory.get_entries(HERE, ["a", "a"])).keys() == {"a"}
        await memory.delete_many(HERE, ["a", "a"])
        assert await memory.scan(HERE) == ["b"]

    async def test_nothing_to_do_is_no_error(self, memory: Memory) -> None:
        await memory.put_many(HERE, {})
        await memory.delete_many(HERE, [])
        assert await memory.get_many(HERE, []) == {}
        assert await memory.get_entries(HERE, []) == {}

    async def test_five_thousand_keys_in_one_call(self, memory: Memory) -> None:
        items = {f"{n:04d}": str(n).encode() for n in range(5_000)}
        await memory.put_many(HERE, items)
        assert await memory.get_many(HERE, list(items)) == items
        assert (await memory.get_entries(HERE, list(items))).keys() == items.keys()
        assert await memory.scan(HERE) == sorted(items)[:1000]
        assert await memory.scan(HERE, limit=10_000) == sorted(items)
        await memory.delete_many(HERE, list(items))
        assert await memory.scan(HERE) == []

    async def test_a_batch_that_fails_writes_nothing(self, memory: Memory) -> None:
        with pytest.raises((TypeError, ValueError, MemoryFailed)):
            await memory.put_many(HERE, {"a": b"1", "": b"2"})
        assert await memory.scan(HERE) == []

    async def test_an_empty_key_is_refused(self, memory: Memory) -> None:
        with pytest.raises(ValueError, match="may not be empty"):
            await memory.compare_and_set(HERE, "", expected=None, value=b"1")

    async def test_namespaces_do_not_see_each_other(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b"here"})
        await memory.put_many(ELSEWHERE, {"a": b"elsewhere"})
        await memory.delete_many(ELSEWHERE, ["a"])
        assert await memory.get_many(HERE, ["a"]) == {"a": b"here"}
        assert await memory.get_many(ELSEWHERE, ["a"]) == {}
        assert await memory.get_entries(ELSEWHERE, ["a"]) == {}

    async def test_compare_and_set_sees_its_own_namespace_only(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b"here"})
        assert not await memory.compare_and_set(ELSEWHERE, "a", expected=b"here", value=b"1")
        assert await memory.compare_and_set(ELSEWHERE, "a", expected=None, value=b"elsewhere")
        assert await memory.get_many(HERE, ["a"]) == {"a": b"here"}
        assert await memory.get_many(ELSEWHERE, ["a"]) == {"a": b"elsewhere"}

    @pytest.mark.parametrize("key", ["../2/a", "/a", "2/a", "%2e%2e/2/a", "a\x00b", "*", "tenant/run/2/a"])
    async def test_a_key_cannot_leave_its_namespace(self, memory: Memory, key: str) -> None:
        await memory.put_many(ELSEWHERE, {"a": b"theirs"})
        await memory.put_many(HERE, {key: b"mine"})
        assert await memory.scan(HERE) == [key]
        assert await memory.get_many(ELSEWHERE, ["a", key]) == {"a": b"theirs"}

    async def test_namespaces_with_a_common_beginning_are_distinct(self, memory: Memory) -> None:
        await memory.put_many(namespace("tenant"), {"run/1/a": b"1"})
        await memory.put_many(namespace("tenant", "run"), {"1/a": b"2"})
        assert await memory.scan(HERE) == []
