"""What is asked of the tables of a PostgreSQL memory; knows SQL and no connection.

A write with a number that its writer has used already writes nothing. The time is the server's.
"""

from __future__ import annotations

GET_ONE = """
SELECT 1, value FROM funnel_live WHERE space = %(space)s AND head = %(head)s AND digest = %(digest)s
"""
GET = """
SELECT k.n, i.value
FROM unnest(%(heads)s::bytea[], %(digests)s::bytea[]) WITH ORDINALITY AS k (head, digest, n)
JOIN funnel_live i ON i.space = %(space)s AND i.head = k.head AND i.digest = k.digest
"""
ENTRIES = """
SELECT k.n, i.value, extract(epoch FROM i.expires_at - clock_timestamp())::float8
FROM unnest(%(heads)s::bytea[], %(digests)s::bytea[]) WITH ORDINALITY AS k (head, digest, n)
JOIN funnel_live i ON i.space = %(space)s AND i.head = k.head AND i.digest = k.digest
"""

_ONCE = """
WITH once AS (
    INSERT INTO funnel_writers VALUES (%(writer)s, %(number)s, true, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET number = excluded.number, won = true, used_at = excluded.used_at
    WHERE funnel_writers.number < excluded.number
    RETURNING 1
)
"""
NAME = """
INSERT INTO funnel_namespaces VALUES (%(space)s, %(space_head)s, %(space_rest)s) ON CONFLICT DO NOTHING
"""
_ENDS = "clock_timestamp() + make_interval(secs => %(ttl_s)s)"
_REPLACE = """
ON CONFLICT (space, head, digest) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
"""
PUT_ONE = f"""{_ONCE}
INSERT INTO funnel_items SELECT %(space)s, %(head)s, %(digest)s, %(rest)s, %(value)s, {_ENDS} FROM once
{_REPLACE}
"""  # noqa: S608 - made of constants only
# The values in binary: escaping them as text takes ten times as long as all the rest.
PUT = f"""{_ONCE}
INSERT INTO funnel_items SELECT %(space)s, k.head, k.digest, k.rest, k.value, {_ENDS} FROM once, unnest(
    %(heads)s::bytea[], %(digests)s::bytea[], %(rests)s::bytea[], %(values)b::bytea[]
) AS k (head, digest, rest, value)
{_REPLACE}
"""  # noqa: S608 - made of constants only
DELETE = f"""
{_ONCE}
DELETE FROM funnel_items i USING once, unnest(%(heads)s::bytea[], %(digests)s::bytea[]) AS k (head, digest)
WHERE i.space = %(space)s AND i.head = k.head AND i.digest = k.digest
"""  # noqa: S608 - made of constants only
COMPARE_AND_SET = """
SELECT funnel_compare_and_set(
    %(writer)s, %(number)s, %(space)s, %(head)s, %(digest)s, %(rest)s, %(value)s, %(expected)s
)
"""

# One bound on each side: of more, the planner thinks so little is left that it sorts a whole namespace.
SCAN = """
SELECT head, rest FROM funnel_live WHERE space = %(space)s
AND (head, rest) >= (%(first_head)s, %(first_rest)s) AND (head, rest) < (%(last_head)s, %(last_rest)s)
ORDER BY head, rest LIMIT %(limit)s
"""
# What substring says is the condition of the index of words, to the letter.
MATCHING = """
SELECT head, rest, value FROM funnel_live
WHERE space = %(space)s AND (head, rest) >= (%(first_head)s, %(first_rest)s)
AND substring(head FROM 1 FOR 6) = 'terms/'::bytea AND funnel_words(value) @@ %(words)s::tsquery
ORDER BY head, rest LIMIT %(limit)s
"""
NAMESPACES = """
SELECT n.head, n.rest FROM funnel_namespaces n WHERE (n.head, n.rest) >= (%(first_head)s, %(first_rest)s)
AND EXISTS (SELECT FROM funnel_live i WHERE i.space = n.space)
ORDER BY n.head, n.rest LIMIT %(limit)s
"""

# What has expired, and writers whose process is long gone. Rows that another process sweeps are left to it.
SWEEP_ITEMS = """
DELETE FROM funnel_items WHERE (space, head, digest) IN (
    SELECT space, head, digest FROM funnel_items WHERE expires_at <= clock_timestamp()
    LIMIT 10000 FOR UPDATE SKIP LOCKED
)
"""
SWEEP_WRITERS = "DELETE FROM funnel_writers WHERE used_at < clock_timestamp() - interval '1 day'"
