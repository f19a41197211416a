-- The words of a value under TERMS: see funnel.memory.terms. No value may fail to be written because of its
-- words, so only words of that form are taken, and no more of them than a tsvector holds; a text has fewer.
CREATE FUNCTION funnel_words(value bytea) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 10000 AS $$
    SELECT array_to_tsvector(ARRAY(
        SELECT split_part(word, '=', 1) FROM unnest(string_to_array(encode(value, 'escape'), ' ')) AS word
        WHERE word ~ '^[ab][a-z0-9]{1,13}=' LIMIT 50000
    ))
$$;

CREATE INDEX funnel_items_words ON funnel_items USING gin (funnel_words(value))
WHERE substring(head FROM 1 FOR 6) = 'terms/'::bytea;
