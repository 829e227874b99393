"""The kernel's tables in PostgreSQL, as migrations make them. Names carry no schema: a service's connections search its schema."""

from shared.journal.record import GENESIS

_FROM_THE_FIRST = ("events", "documents")
APPEND_ONLY = (*_FROM_THE_FIRST, "histories")  # the service's role may SELECT and INSERT these, and a trigger refuses the rest


def first(shards: int = 4) -> list[str]:
    """As the first migration of each service creates them."""
    return [
        """CREATE TABLE events (
            shard smallint NOT NULL,
            position bigint NOT NULL CHECK (position > 0),
            stream text NOT NULL,
            version bigint NOT NULL CHECK (version > 0),
            type text NOT NULL,
            data json NOT NULL,  -- json, not jsonb: kept to the byte, since the hash covers the bytes
            partner text,
            partner_seq bigint,
            effective_on date NOT NULL,
            recorded_at timestamptz NOT NULL,
            command_id bytea NOT NULL,
            actor text NOT NULL,
            correlation_id text NOT NULL,
            causation_id text NOT NULL,
            salt bytea NOT NULL,
            event_hash bytea NOT NULL,
            chain_hash bytea NOT NULL,
            PRIMARY KEY (shard, position),
            UNIQUE (stream, version),
            CHECK ((partner IS NULL) = (partner_seq IS NULL))
        )""",
        "CREATE UNIQUE INDEX events_partner ON events (shard, partner, partner_seq) WHERE partner IS NOT NULL",
        """CREATE TABLE heads (
            shard smallint PRIMARY KEY,
            position bigint NOT NULL,
            chain_hash bytea NOT NULL,
            recorded_at timestamptz,  -- null: nothing recorded yet
            epoch integer NOT NULL  -- a build of an older epoch stops itself when it reads this under the lock
        )""",
        f"INSERT INTO heads SELECT shard, 0, '\\x{GENESIS.hex()}', NULL, 1 FROM generate_series(0, {shards - 1}) AS shard",  # noqa: S608
        "CREATE TABLE streams (stream text PRIMARY KEY, shard smallint NOT NULL)",
        """CREATE TABLE outcomes (
            shard smallint NOT NULL,
            command_id bytea NOT NULL,
            fingerprint bytea NOT NULL,
            first_position bigint,  -- null: refused, or accepted without an event
            events integer NOT NULL,
            stream text NOT NULL,
            version bigint NOT NULL,  -- of the stream, after the command
            refused json,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (command_id)  -- of all shards: under one id, another input may choose another stream
        )""",
        "CREATE INDEX outcomes_refused ON outcomes (recorded_at) WHERE refused IS NOT NULL",
        "CREATE TABLE documents (sha256 bytea PRIMARY KEY, media_type text NOT NULL, content bytea NOT NULL)",
        """CREATE TABLE timers (
            stream text NOT NULL,
            name text NOT NULL,
            due date NOT NULL,
            command json NOT NULL,
            PRIMARY KEY (stream, name)
        )""",
        "CREATE INDEX timers_due ON timers (due)",
        "CREATE TABLE relay_cursors (shard smallint PRIMARY KEY, position bigint NOT NULL)",
        f"INSERT INTO relay_cursors SELECT shard, 0 FROM generate_series(0, {shards - 1}) AS shard",  # noqa: S608
        """CREATE TABLE inbox_cursors (
            source text NOT NULL,
            shard smallint NOT NULL,
            position bigint NOT NULL,
            chain_hash bytea NOT NULL,
            kafka_offset bigint NOT NULL,  -- where to go on reading; a hint, since positions decide
            PRIMARY KEY (source, shard)
        )""",
        """CREATE TABLE parked (
            source text NOT NULL,
            shard smallint NOT NULL,
            position bigint NOT NULL,
            stream text NOT NULL,
            reason text NOT NULL,
            record bytea NOT NULL,  -- as a page of the journal feed
            PRIMARY KEY (source, shard, position)
        )""",
        """CREATE TABLE set_aside (
            source text NOT NULL,
            kafka_partition integer NOT NULL,
            kafka_offset bigint NOT NULL,
            reason text NOT NULL,
            PRIMARY KEY (source, kafka_partition, kafka_offset)
        )""",
        """CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$""",
        *map(_refuses_changes, _FROM_THE_FIRST),
    ]


def no_first() -> list[str]:
    """Takes back what `first` makes, unless there is something in it: a migration never ends a journal."""
    return [
        _unless_there_are("events", "the journal has events: it is not dropped"),
        "DROP TABLE events, heads, streams, outcomes, documents, timers, relay_cursors, inbox_cursors, parked, set_aside",
        "DROP FUNCTION append_only",
    ]


def lock_head() -> list[str]:
    """Locks a shard's head, and then looks up outcomes: in one round trip, but in two statements, since only a statement that begins after
    the lock was given sees what was committed before."""
    return [
        """CREATE FUNCTION lock_head(wanted smallint, ids bytea[]) RETURNS TABLE (
            head_position bigint, head_chain_hash bytea, head_recorded_at timestamptz, head_epoch integer,
            shard smallint, command_id bytea, fingerprint bytea, first_position bigint, events integer,
            stream text, version bigint, refused json
        ) LANGUAGE plpgsql SET enable_seqscan = off AS $$
            #variable_conflict use_column
            DECLARE head heads;
            BEGIN
                SELECT * INTO STRICT head FROM heads WHERE heads.shard = wanted FOR UPDATE;
                RETURN QUERY
                    SELECT head.position, head.chain_hash, head.recorded_at, head.epoch, outcomes.shard, outcomes.command_id,
                        outcomes.fingerprint, outcomes.first_position, outcomes.events, outcomes.stream, outcomes.version, outcomes.refused
                    FROM (SELECT) AS one LEFT JOIN outcomes ON outcomes.command_id = ANY (ids);
            END $$"""
    ]


def no_lock_head() -> list[str]:
    return ["DROP FUNCTION lock_head"]


def snapshots() -> list[str]:
    """A cache: whoever empties it loses nothing but time."""
    return [
        """CREATE TABLE snapshots (
            stream text PRIMARY KEY,
            version bigint NOT NULL,
            chain_hash bytea NOT NULL,  -- of the stream's event of this version: it counts only while that stands in the journal
            rules bytea NOT NULL,  -- SHA-256 of the source that made the state
            state bytea STORAGE EXTERNAL NOT NULL  -- not compressed
        )"""
    ]


def no_snapshots() -> list[str]:
    return ["DROP TABLE snapshots"]


def timer_instants() -> list[str]:
    """A build that knows of none sets timers without."""
    return ["ALTER TABLE timers ADD COLUMN at timestamptz  -- null: from the beginning of the day"]


def no_timer_instants() -> list[str]:
    """Unless one is set: it would fire with its day."""
    return [
        _unless_there_are("timers WHERE at IS NOT NULL", "timers wait for an instant: they would fire before it"),
        "ALTER TABLE timers DROP COLUMN at",
    ]


def timer_versions() -> list[str]:
    """A build that knows of none sets timers without, and fires each once a day."""
    return ["ALTER TABLE timers ADD COLUMN version bigint  -- of the event that set it; null: a build that knew of none did"]


def no_timer_versions() -> list[str]:
    return ["ALTER TABLE timers DROP COLUMN version"]


def texts() -> list[str]:
    """What people have typed: rows of it can be erased, and stay as a word that they were."""
    return [
        """CREATE TABLE texts (
            commitment text PRIMARY KEY,
            salt bytea,
            content text,  -- null: erased
            shard smallint,  -- of the first event that holds the commitment; null: it was erased before it was ever here
            position bigint,
            recorded_at timestamptz,
            erased_at timestamptz,
            wiped_at timestamptz,  -- from then on, its bytes are on no page of this table
            CHECK ((salt IS NULL) = (content IS NULL)),
            CHECK ((content IS NULL) = (erased_at IS NOT NULL))
        )""",
        "CREATE INDEX texts_to_wipe ON texts (erased_at) WHERE erased_at IS NOT NULL AND wiped_at IS NULL",
    ]


def no_texts() -> list[str]:
    """Unless one is kept: nothing else has it."""
    return [
        _unless_there_are("texts", "texts are kept: events hold commitments to them"),
        "DROP TABLE texts",
    ]


def histories() -> list[str]:
    """Written by a restore of everything, into each service's schema alike; empty while there is one history."""
    return [
        """CREATE TABLE histories (
            history smallint NOT NULL CHECK (history > 1),
            source text NOT NULL,
            shard smallint NOT NULL,
            begins bigint NOT NULL CHECK (begins > 0),  -- the position of its first event in this line, once there is one
            PRIMARY KEY (history, source, shard)
        )""",
        _refuses_changes("histories"),
    ]


def no_histories() -> list[str]:
    """Unless another one has begun: its events would be taken for those of the first."""
    return [
        _unless_there_are("histories", "there is more than one history"),
        "DROP TABLE histories",
    ]


def all_tables(shards: int = 4) -> list[str]:
    """As all migrations together leave them."""
    return [*first(shards), *lock_head(), *snapshots(), *timer_instants(), *timer_versions(), *texts(), *histories()]


def _refuses_changes(table: str) -> str:
    """Of rows that only ever come."""
    return f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION append_only()"


def _unless_there_are(rows: str, why_not: str) -> str:
    """What takes a migration back stops here where there are such rows."""
    return f"""DO $$ BEGIN
            IF EXISTS (SELECT FROM {rows}) THEN
                RAISE EXCEPTION '{why_not}' USING ERRCODE = 'restrict_violation';
            END IF;
        END $$"""
