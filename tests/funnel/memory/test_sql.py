"""SQL and Lua in files are read as they are meant."""

from __future__ import annotations

from funnel.memory.backends.postgres import queries
from funnel.memory.backends.sql import read_queries, read_statements, read_text
from funnel.memory.base import TERMS

SQLITE = "funnel.memory.backends.sqlite"
POSTGRES = "funnel.memory.backends.postgres"


def test_a_query_has_no_comment_and_what_it_includes():
    assert queries.PUT_ONE.startswith("WITH once AS (\n    INSERT INTO funnel_writers")
    assert queries.PUT_ONE.endswith("expires_at = excluded.expires_at\n")
    assert not [line for query in read_queries(POSTGRES, "sql/queries.sql").values()
                for line in query.splitlines() if line.startswith("--")]  # fmt: skip


def test_a_trigger_is_one_statement():
    kinds = [" ".join(each.split()[:2]) for each in read_statements(SQLITE, "sql/text_index.sql")]
    assert kinds == [
        "CREATE TABLE", "CREATE VIRTUAL", "CREATE TRIGGER", "CREATE TRIGGER", "CREATE TRIGGER", "INSERT INTO",
        "INSERT INTO",
    ]  # fmt: skip


def test_the_index_is_of_the_values_under_terms():
    text = read_text(SQLITE, "sql/text_index.sql")
    assert text.count(f", 1, {len(TERMS)}) = x'{TERMS.encode().hex()}'") == 4
    words = f"substring(head FROM 1 FOR {len(TERMS)}) = '{TERMS}'::bytea"
    assert words in read_text(POSTGRES, "sql/migration_0002.sql")
    assert words in queries.MATCHING
