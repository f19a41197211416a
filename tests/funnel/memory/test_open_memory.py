"""A URL opens the memory of its scheme, and a wrong one says what there is."""

import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from funnel.errors import MemoryFailed, UnknownName
from funnel.memory import FORMS, MEMORIES, known_memories, namespace, open_memory


def plugged(monkeypatch, value):
    point = EntryPoint(name="plugged", value=value, group="funnel.memory")
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda *, group: EntryPoints([point]).select(group=group)
    )


@pytest.mark.parametrize("url", ["memory://", "MEMORY://", "memory:"])
async def test_memory_is_in_process(url):
    memory = open_memory(url)
    assert memory.url == "memory://"
    await memory.close()


def test_memory_takes_no_path():
    with pytest.raises(MemoryFailed, match="takes nothing after"):
        open_memory("memory:///tmp/x")


def test_an_unknown_scheme_lists_the_known():
    with pytest.raises(UnknownName, match=r"Unknown memory 'reddis'. Known: .*memory, .*redis, .*sqlite"):
        open_memory("reddis://localhost")


def test_an_unknown_scheme_does_not_repeat_credentials():
    with pytest.raises(UnknownName) as error:
        open_memory("reddis://user:hunter2@localhost")
    assert "hunter2" not in str(error.value)


async def test_a_plug_in_is_found_by_its_entry_point(monkeypatch):
    plugged(monkeypatch, "funnel.memory.backends.in_memory:InMemory.__class__")
    assert "plugged" in known_memories()


def test_a_plug_in_gets_the_url(monkeypatch):
    plugged(monkeypatch, "builtins:str.upper")
    assert open_memory("plugged://here") == "PLUGGED://HERE"


def test_a_plug_in_that_does_not_load_is_named(monkeypatch):
    plugged(monkeypatch, "no_such_module:open")
    with pytest.raises(MemoryFailed, match="no_such_module:open does not load"):
        open_memory("plugged://user:hunter2@here")


def test_a_slash_in_a_part_is_no_border_between_parts():
    assert namespace("a/b", "c") != namespace("a", "b", "c") != namespace("a", "b/c")


@pytest.mark.parametrize("parts", [(), ("",), ("a", "")])
def test_a_namespace_has_no_empty_part(parts):
    with pytest.raises(ValueError, match="at least one part"):
        namespace(*parts)


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("redis://:hunter2@localhost", "redis", "redis"),
        ("rediss://:hunter2@localhost", "redis", "redis"),
        ("unix://:hunter2@/run/redis.sock", "redis", "redis"),
        ("postgresql://funnel:hunter2@localhost", "psycopg", "postgres"),
    ],
)
def test_a_memory_whose_extra_is_missing_says_how_to_install_it(monkeypatch, url, package, extra):
    for name in [*sys.modules]:
        if name.partition(".")[0] == package or name in {
            "funnel.memory.backends.redis.memory",
            "funnel.memory.backends.postgres.memory",
        }:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MemoryFailed) as failed:
        open_memory(url)
    assert str(failed.value).endswith(f"Run: pip install 'funnel-rlm[{extra}]'")
    assert "\n" not in str(failed.value)
    assert "hunter2" not in str(failed.value)


def test_every_memory_that_is_built_in_has_a_form_of_its_url():
    assert set(FORMS) == set(MEMORIES)
