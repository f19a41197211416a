"""The tables of a PostgreSQL memory, one numbered migration after another; knows SQL and no value.

They lie in the first schema of the connection's search_path. Keys and names of namespaces are UTF-8, whose
byte order is that of code points, whatever the database's collation. An index takes no more than 2,704 bytes
of a row, so each is split after 1,024 bytes into `head` and `rest`, and the primary key has a digest of what
has a rest. The order of (head, rest) is that of the whole.
"""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from funnel.errors import MemoryFailed

_LOCK = 0x46554E4D  # "FUNM": of several processes that migrate a database, one does and the others wait

_ITEMS = """
CREATE TABLE funnel_items (
    space uuid NOT NULL,  -- of the namespace: the beginning of its SHA-256
    head bytea NOT NULL,
    digest bytea NOT NULL,  -- SHA-256 of a key that has a rest; else empty
    rest bytea NOT NULL,
    value bytea NOT NULL,
    expires_at timestamptz,  -- NULL: it stays
    PRIMARY KEY (space, head, digest)
)
"""
_LIVE = """
CREATE VIEW funnel_live AS
SELECT space, head, digest, rest, value, expires_at FROM funnel_items
WHERE expires_at IS NULL OR expires_at > clock_timestamp()
"""
_NAMESPACES = """
CREATE TABLE funnel_namespaces (
    space uuid PRIMARY KEY,
    head bytea NOT NULL,
    rest bytea NOT NULL
)
"""
_WRITERS = """
CREATE TABLE funnel_writers (
    id uuid PRIMARY KEY,
    number bigint NOT NULL,
    won boolean NOT NULL,
    used_at timestamptz NOT NULL
) WITH (fillfactor = 50)
"""
_COMPARE_AND_SET = """
CREATE FUNCTION funnel_compare_and_set(
    writer uuid, write_number bigint, in_space uuid, in_head bytea, in_digest bytea, in_rest bytea,
    new_value bytea, expected bytea
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    last record;
    done boolean;
BEGIN
    INSERT INTO funnel_writers VALUES (writer, 0, false, clock_timestamp()) ON CONFLICT DO NOTHING;
    SELECT number, won INTO last FROM funnel_writers WHERE id = writer FOR UPDATE;
    IF last.number >= write_number THEN
        RETURN last.won;
    END IF;
    IF expected IS NULL THEN
        INSERT INTO funnel_items VALUES (in_space, in_head, in_digest, in_rest, new_value, NULL)
        ON CONFLICT (space, head, digest) DO UPDATE SET value = excluded.value, expires_at = NULL
        WHERE funnel_items.expires_at <= clock_timestamp();
    ELSE
        UPDATE funnel_items SET value = new_value, expires_at = NULL
        WHERE space = in_space AND head = in_head AND digest = in_digest AND value = expected
        AND (expires_at IS NULL OR expires_at > clock_timestamp());
    END IF;
    done := FOUND;
    UPDATE funnel_writers SET number = write_number, won = done, used_at = clock_timestamp()
    WHERE id = writer;
    RETURN done;
END
$$
"""
# The words of a value under TERMS: see funnel.memory.terms. No value may keep itself from being written, so
# words of that form only are taken, and no more than a tsvector holds; a text's own are fewer.
_WORDS = """
CREATE FUNCTION funnel_words(value bytea) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 10000 AS $$
    SELECT array_to_tsvector(ARRAY(
        SELECT split_part(word, '=', 1) FROM unnest(string_to_array(encode(value, 'escape'), ' ')) AS word
        WHERE word ~ '^[ab][a-z0-9]{1,13}=' LIMIT 50000
    ))
$$
"""
_WORDS_INDEX = """
CREATE INDEX funnel_items_words ON funnel_items USING gin (funnel_words(value))
WHERE substring(head FROM 1 FOR 6) = 'terms/'::bytea
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        _ITEMS,
        # Text of documents, read far more often than written: reading it costs no unpacking.
        "ALTER TABLE funnel_items ALTER COLUMN value SET STORAGE EXTERNAL",
        "CREATE INDEX funnel_items_expiring ON funnel_items (expires_at) WHERE expires_at IS NOT NULL",
        _LIVE,
        _NAMESPACES,
        "CREATE INDEX funnel_namespaces_order ON funnel_namespaces (head)",
        _WRITERS,
        _COMPARE_AND_SET,
    ),
    (_WORDS, _WORDS_INDEX),
)
"""Number n is at n - 1. One that was published is never changed: another one follows it."""


async def migrate(connection: AsyncConnection[TupleRow], url: str) -> None:
    """Bring the tables up to date, unless they are; a role that may not create tables can use them then.

    Raises: `MemoryFailed` when a newer funnel made them; `psycopg.Error`.
    """
    cursor = await connection.execute("SELECT to_regclass('funnel_migrations') IS NOT NULL")
    if await cursor.fetchone() == (True,) and await _applied(connection, url) == len(MIGRATIONS):
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        # Another process may have been first, meanwhile: to_regclass might not know yet, but this does.
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS funnel_migrations ("
            "number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied = await _applied(connection, url)
        for number, statements in enumerate(MIGRATIONS[applied:], start=applied + 1):
            for statement in statements:
                await connection.execute(statement)
            await connection.execute("INSERT INTO funnel_migrations (number) VALUES (%s)", [number])


async def _applied(connection: AsyncConnection[TupleRow], url: str) -> int:
    """The number of the last migration that was applied; 0 where there is none."""
    cursor = await connection.execute("SELECT coalesce(max(number), 0) FROM funnel_migrations")
    [(applied,)] = await cursor.fetchall()
    if applied > len(MIGRATIONS):
        reason = f"format {applied}; this version reads up to {len(MIGRATIONS)}. Upgrade funnel-rlm."
        raise MemoryFailed(url, reason)
    return int(applied)
