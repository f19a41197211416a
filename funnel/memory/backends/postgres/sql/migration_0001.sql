-- Values by namespace and key, each of which is split into head and rest: see migrations.py.
CREATE TABLE funnel_items (
    space uuid NOT NULL,  -- of the namespace: the beginning of its SHA-256
    head bytea NOT NULL,
    digest bytea NOT NULL,  -- SHA-256 of a key that has a rest; else empty
    rest bytea NOT NULL,
    value bytea NOT NULL,
    expires_at timestamptz,  -- NULL: it stays
    PRIMARY KEY (space, head, digest)
);

-- Most values are text of documents, read far more often than written, and quicker to read if not packed.
ALTER TABLE funnel_items ALTER COLUMN value SET STORAGE EXTERNAL;

CREATE INDEX funnel_items_expiring ON funnel_items (expires_at) WHERE expires_at IS NOT NULL;

CREATE VIEW funnel_live AS
SELECT space, head, digest, rest, value, expires_at FROM funnel_items
WHERE expires_at IS NULL OR expires_at > clock_timestamp();

-- The names of the namespaces. A name stays; a namespace is listed while it holds a key.
CREATE TABLE funnel_namespaces (
    space uuid PRIMARY KEY,
    head bytea NOT NULL,
    rest bytea NOT NULL
);

CREATE INDEX funnel_namespaces_order ON funnel_namespaces (head);

-- The last write of each writer, so that one that is sent again is not done again.
CREATE TABLE funnel_writers (
    id uuid PRIMARY KEY,
    number bigint NOT NULL,
    won boolean NOT NULL,
    used_at timestamptz NOT NULL
) WITH (fillfactor = 50);

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
$$;
