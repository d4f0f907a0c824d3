-- What reserving, settling, releasing and expiring do to the tables. Made once under a lock; every function is
-- one statement for its caller and takes its purses in one order, so that no two wait for each other.

CREATE TABLE IF NOT EXISTS zos_format (format int NOT NULL);

CREATE TABLE IF NOT EXISTS zos_holder (id text PRIMARY KEY, lease_until timestamptz NOT NULL);

CREATE TABLE IF NOT EXISTS zos_purse (
    context text NOT NULL, scope text NOT NULL, period text NOT NULL,
    used bigint NOT NULL DEFAULT 0, reserved bigint NOT NULL DEFAULT 0,
    used_micros bigint NOT NULL DEFAULT 0, reserved_micros bigint NOT NULL DEFAULT 0,
    unpriced bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (context, scope, period)
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS zos_reservation (
    id text PRIMARY KEY, holder text NOT NULL, context text NOT NULL, day text NOT NULL,
    tokens bigint NOT NULL, micros bigint, limits text NOT NULL, purses jsonb NOT NULL, closed_at timestamptz
);
CREATE INDEX IF NOT EXISTS zos_reservation_open ON zos_reservation (holder) WHERE closed_at IS NULL;
CREATE INDEX IF NOT EXISTS zos_reservation_closed ON zos_reservation (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS zos_usage (
    day text COLLATE "C" NOT NULL, context text NOT NULL, model text NOT NULL, provider text NOT NULL, client text NOT NULL,
    calls bigint NOT NULL, estimated_calls bigint NOT NULL,
    input bigint NOT NULL, output bigint NOT NULL, cache_read bigint NOT NULL, cache_write bigint NOT NULL,
    reasoning bigint NOT NULL, expired bigint NOT NULL, cost_micros bigint NOT NULL, unpriced_calls bigint NOT NULL,
    PRIMARY KEY (day, context, model, provider, client)
);

-- A sum that stops at the largest number, and at zero.
CREATE OR REPLACE FUNCTION zos_sum(a bigint, b bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(least(a::numeric + b, 9223372036854775807), 0)::bigint
$$;

CREATE OR REPLACE FUNCTION zos_state(p_context text, p_purses jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'scope', scope, 'period', period, 'used', used, 'reserved', reserved,
        'used_micros', used_micros, 'reserved_micros', reserved_micros, 'unpriced', unpriced)), '[]')
    FROM zos_purse
    WHERE context = p_context AND (scope, period) IN (SELECT value->>0, value->>1 FROM jsonb_array_elements(p_purses))
$$;

CREATE OR REPLACE FUNCTION zos_lock(p_context text, p_purses jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE purse jsonb;
BEGIN
    FOR purse IN SELECT value FROM jsonb_array_elements(p_purses) WITH ORDINALITY ORDER BY ordinality LOOP
        PERFORM 1 FROM zos_purse WHERE context = p_context AND scope = purse->>0 AND period = purse->>1 FOR UPDATE;
        IF NOT FOUND THEN
            INSERT INTO zos_purse (context, scope, period) VALUES (p_context, purse->>0, purse->>1) ON CONFLICT DO NOTHING;
            PERFORM 1 FROM zos_purse WHERE context = p_context AND scope = purse->>0 AND period = purse->>1 FOR UPDATE;
        END IF;
    END LOOP;
END $$;

-- Holds what is asked for if every check (`{scope, period, unit, amount, asked}`) allows it.
CREATE OR REPLACE FUNCTION zos_reserve(
    p_id text, p_holder text, p_context text, p_day text, p_tokens bigint, p_micros bigint,
    p_limits text, p_purses jsonb, p_checks jsonb
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    limited jsonb;
    place int := 0;
    standing numeric;
BEGIN
    PERFORM zos_lock(p_context, p_purses);
    FOR limited IN SELECT value FROM jsonb_array_elements(p_checks) WITH ORDINALITY ORDER BY ordinality LOOP
        SELECT CASE WHEN limited->>'unit' = 'tokens' THEN used::numeric + reserved ELSE used_micros::numeric + reserved_micros END
            INTO standing FROM zos_purse
            WHERE context = p_context AND scope = limited->>'scope' AND period = limited->>'period';
        IF standing + (limited->>'asked')::numeric > (limited->>'amount')::numeric THEN
            RETURN jsonb_build_object('refused', place, 'purses', zos_state(p_context, p_purses));
        END IF;
        place := place + 1;
    END LOOP;
    INSERT INTO zos_reservation VALUES (p_id, p_holder, p_context, p_day, p_tokens, p_micros, p_limits, p_purses, NULL)
        ON CONFLICT (id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('duplicate', true);
    END IF;
    UPDATE zos_purse SET reserved = zos_sum(reserved, p_tokens),
        reserved_micros = zos_sum(reserved_micros, coalesce(p_micros, 0))
        WHERE context = p_context AND (scope, period) IN (SELECT value->>0, value->>1 FROM jsonb_array_elements(p_purses));
    RETURN jsonb_build_object('purses', zos_state(p_context, p_purses));
END $$;

-- Closes a reservation: `settle` books the counts, `release` nothing, `expire` what was held. The second time
-- changes nothing. `p_counts`: total, input, output, cache_read, cache_write, reasoning, estimated (0 or 1).
CREATE OR REPLACE FUNCTION zos_close(
    p_id text, p_kind text, p_counts bigint[], p_micros bigint, p_model text, p_provider text, p_client text
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    held zos_reservation;
    spent bigint := 0;
    cost bigint := p_micros;
    expired bigint := 0;
BEGIN
    SELECT * INTO held FROM zos_reservation WHERE id = p_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('unknown', true);
    END IF;
    IF held.closed_at IS NULL THEN
        PERFORM zos_lock(held.context, held.purses);
        UPDATE zos_reservation SET closed_at = now() WHERE id = p_id;
        IF p_kind = 'settle' THEN
            spent := p_counts[1];
        ELSIF p_kind = 'expire' THEN
            spent := held.tokens;
            expired := held.tokens;
            cost := held.micros;
        END IF;
        UPDATE zos_purse SET used = zos_sum(used, spent), reserved = zos_sum(reserved, -held.tokens),
            used_micros = CASE WHEN p_kind = 'release' THEN used_micros ELSE zos_sum(used_micros, coalesce(cost, 0)) END,
            reserved_micros = zos_sum(reserved_micros, -coalesce(held.micros, 0)),
            unpriced = unpriced + CASE WHEN p_kind <> 'release' AND cost IS NULL THEN 1 ELSE 0 END
            WHERE context = held.context
            AND (scope, period) IN (SELECT value->>0, value->>1 FROM jsonb_array_elements(held.purses));
        IF p_kind <> 'release' THEN
            INSERT INTO zos_usage AS u VALUES (held.day, held.context, p_model, p_provider, p_client, 1, p_counts[7],
                p_counts[2], p_counts[3], p_counts[4], p_counts[5], p_counts[6], expired,
                coalesce(cost, 0), CASE WHEN cost IS NULL THEN 1 ELSE 0 END)
            ON CONFLICT (day, context, model, provider, client) DO UPDATE SET
                calls = u.calls + 1,
                estimated_calls = u.estimated_calls + excluded.estimated_calls,
                input = zos_sum(u.input, excluded.input),
                output = zos_sum(u.output, excluded.output),
                cache_read = zos_sum(u.cache_read, excluded.cache_read),
                cache_write = zos_sum(u.cache_write, excluded.cache_write),
                reasoning = zos_sum(u.reasoning, excluded.reasoning),
                expired = zos_sum(u.expired, excluded.expired),
                cost_micros = zos_sum(u.cost_micros, excluded.cost_micros),
                unpriced_calls = u.unpriced_calls + excluded.unpriced_calls;
        END IF;
    END IF;
    RETURN jsonb_build_object('context', held.context, 'day', held.day, 'limits', held.limits,
        'purses', zos_state(held.context, held.purses));
END $$;

-- Books one reservation whose holder's lease has ended as spent, and says whether there was one.
CREATE OR REPLACE FUNCTION zos_expire_one() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE dead text;
BEGIN
    SELECT r.id INTO dead FROM zos_reservation r
        WHERE r.closed_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM zos_holder h WHERE h.id = r.holder AND h.lease_until > now())
        LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM zos_close(dead, 'expire', ARRAY[0, 0, 0, 0, 0, 0, 1]::bigint[], NULL, '', '', '');
    RETURN true;
END $$;
