-- What is asked of the tables of a PostgreSQL memory. The time is the server's. A write with a number that its
-- writer has used already writes nothing.

-- name: place
-- The schema of the tables, or the one to make them in, and whether it has any. The path is that of the URL, or
-- the one that the session began with, whatever another client of a pooler has set since; it ends with this
-- statement.
WITH asked AS MATERIALIZED (
    SELECT set_config('search_path', coalesce(
        %(path)s::text, (SELECT reset_val FROM pg_settings WHERE name = 'search_path')
    ), true)
)
SELECT coalesce(
    (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass('funnel_migrations')),
    current_schema()
)::text, to_regclass('funnel_migrations') IS NOT NULL FROM asked

-- name: once
WITH once AS (
    INSERT INTO funnel_writers VALUES (%(writer)s, %(number)s, true, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET number = excluded.number, won = true, used_at = excluded.used_at
    WHERE funnel_writers.number < excluded.number
    RETURNING 1
)

-- name: replace
ON CONFLICT (space, head, digest) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at

-- name: get_one
SELECT 1, value FROM funnel_live WHERE space = %(space)s AND head = %(head)s AND digest = %(digest)s

-- name: get
SELECT k.n, i.value
FROM unnest(%(heads)s::bytea[], %(digests)s::bytea[]) WITH ORDINALITY AS k (head, digest, n)
JOIN funnel_live i ON i.space = %(space)s AND i.head = k.head AND i.digest = k.digest

-- name: entries
SELECT k.n, i.value, extract(epoch FROM i.expires_at - clock_timestamp())::float8
FROM unnest(%(heads)s::bytea[], %(digests)s::bytea[]) WITH ORDINALITY AS k (head, digest, n)
JOIN funnel_live i ON i.space = %(space)s AND i.head = k.head AND i.digest = k.digest

-- name: name
-- Before the first write to a namespace.
INSERT INTO funnel_namespaces VALUES (%(space)s, %(space_head)s, %(space_rest)s) ON CONFLICT DO NOTHING

-- name: put_one
-- include: once
INSERT INTO funnel_items
SELECT %(space)s, %(head)s, %(digest)s, %(rest)s, %(value)s,
    clock_timestamp() + make_interval(secs => %(ttl_s)s)
FROM once
-- include: replace

-- name: put
-- The values are sent in binary, since escaping them as text takes ten times as long as all the rest.
-- include: once
INSERT INTO funnel_items
SELECT %(space)s, k.head, k.digest, k.rest, k.value, clock_timestamp() + make_interval(secs => %(ttl_s)s)
FROM once, unnest(
    %(heads)s::bytea[], %(digests)s::bytea[], %(rests)s::bytea[], %(values)b::bytea[]
) AS k (head, digest, rest, value)
-- include: replace

-- name: delete
-- include: once
DELETE FROM funnel_items i USING once, unnest(%(heads)s::bytea[], %(digests)s::bytea[]) AS k (head, digest)
WHERE i.space = %(space)s AND i.head = k.head AND i.digest = k.digest

-- name: compare_and_set
-- The function names its tables without a schema, and the path ends with the statement.
WITH placed AS MATERIALIZED (SELECT set_config('search_path', %(path)s, true))
SELECT funnel_compare_and_set(
    %(writer)s, %(number)s, %(space)s, %(head)s, %(digest)s, %(rest)s, %(value)s, %(expected)s
) FROM placed

-- name: scan
-- One bound on each side. With more of them the planner expects so few rows that it sorts a whole namespace.
SELECT head, rest FROM funnel_live WHERE space = %(space)s
AND (head, rest) >= (%(first_head)s, %(first_rest)s) AND (head, rest) < (%(last_head)s, %(last_rest)s)
ORDER BY head, rest LIMIT %(limit)s

-- name: matching
-- The condition with substring is that of the index of words, to the letter.
SELECT head, rest, value FROM funnel_live
WHERE space = %(space)s AND (head, rest) >= (%(first_head)s, %(first_rest)s)
AND substring(head FROM 1 FOR 6) = 'terms/'::bytea AND funnel_words(value) @@ %(words)s::tsquery
ORDER BY head, rest LIMIT %(limit)s

-- name: namespaces
SELECT n.head, n.rest FROM funnel_namespaces n WHERE (n.head, n.rest) >= (%(first_head)s, %(first_rest)s)
AND EXISTS (SELECT FROM funnel_live i WHERE i.space = n.space)
ORDER BY n.head, n.rest LIMIT %(limit)s

-- name: sweep_items
-- Delete expired items. Rows that another process sweeps are left to it.
DELETE FROM funnel_items WHERE (space, head, digest) IN (
    SELECT space, head, digest FROM funnel_items WHERE expires_at <= clock_timestamp()
    LIMIT 10000 FOR UPDATE SKIP LOCKED
)

-- name: sweep_writers
-- Delete writers whose process is long gone.
DELETE FROM funnel_writers WHERE used_at < clock_timestamp() - interval '1 day'
