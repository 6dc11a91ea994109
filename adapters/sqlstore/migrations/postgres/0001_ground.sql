-- Times are microseconds since 1970, UTC. Digests are 32 bytes. An unset date is NULL.
-- Text compares bytewise: COLLATE "C" on every column, whatever the database has.

-- One row: what was given out last.
CREATE TABLE meta (
	one         BIGINT PRIMARY KEY CHECK (one = 1),
	last_seq    BIGINT NOT NULL,
	last_ticket BIGINT NOT NULL
);

INSERT INTO meta (one, last_seq, last_ticket) VALUES (1, 0, 0);

-- What the chain of hashes covers, for ever. The triggers below let nothing but INSERT pass.
CREATE TABLE records (
	seq           BIGINT PRIMARY KEY,
	ticket        BIGINT NOT NULL,
	version       BIGINT NOT NULL,
	at            BIGINT NOT NULL,
	actor         TEXT COLLATE "C" NOT NULL,
	command       TEXT COLLATE "C" NOT NULL,
	cause_rule    TEXT COLLATE "C" NOT NULL,
	cause_ticket  BIGINT NOT NULL,
	cause_version BIGINT NOT NULL,
	policy        BIGINT NOT NULL,
	type          TEXT COLLATE "C" NOT NULL,
	data          BYTEA NOT NULL,
	digest        BYTEA NOT NULL,
	prev          BYTEA NOT NULL,
	hash          BYTEA NOT NULL,
	UNIQUE (ticket, version)
);

CREATE FUNCTION records_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		RAISE EXCEPTION 'records are never changed: append a record instead';
	END IF;
	RAISE EXCEPTION 'records are never deleted: erase their contents instead';
END
$$;

-- For each statement, as TRUNCATE has no rows. ALWAYS: under any session_replication_role.
CREATE TRIGGER records_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON records
	FOR EACH STATEMENT EXECUTE FUNCTION records_are_final();
ALTER TABLE records ENABLE ALWAYS TRIGGER records_are_final;

-- What may have to be erased one day. blobs: digests, one after the other.
CREATE TABLE record_contents (
	seq     BIGINT PRIMARY KEY REFERENCES records (seq),
	content BYTEA,
	salt    BYTEA NOT NULL,
	blobs   BYTEA
);

-- The fold of each ticket's records: the columns to search and sort by, and the whole ticket as JSON.
CREATE TABLE tickets (
	id           BIGINT PRIMARY KEY,
	version      BIGINT NOT NULL,
	hash         BYTEA NOT NULL,
	vocabulary   BIGINT NOT NULL,
	kind         TEXT COLLATE "C" NOT NULL,
	status       TEXT COLLATE "C" NOT NULL,
	phase        TEXT COLLATE "C" NOT NULL,
	open         BIGINT NOT NULL, -- whether phase is not inactive
	state        TEXT COLLATE "C" NOT NULL,
	owner        TEXT COLLATE "C" NOT NULL,
	constituency TEXT COLLATE "C" NOT NULL,
	priority     BIGINT NOT NULL,
	linked       BIGINT NOT NULL,
	held         BIGINT NOT NULL,
	created      BIGINT NOT NULL,
	updated      BIGINT NOT NULL,
	due          BIGINT,
	wake         BIGINT,
	subject      TEXT COLLATE "C" NOT NULL,
	document     TEXT COLLATE "C" NOT NULL,
	number       BIGINT NOT NULL GENERATED ALWAYS AS (id) STORED, -- no planner takes the primary key for a list by number
	due_order    BIGINT NOT NULL GENERATED ALWAYS AS (coalesce(due, -9223372036854775808)) STORED, -- an unset date comes first
	long         BIGINT NOT NULL GENERATED ALWAYS AS (CASE WHEN octet_length(kind) + octet_length(status) + octet_length(phase) +
		octet_length(owner) + octet_length(constituency) + octet_length(subject) > 2000 THEN 1 ELSE 0 END) STORED
);

-- What a desk asks all day.
CREATE INDEX tickets_unlinked ON tickets (kind, phase, linked, number) WHERE long = 0;
CREATE INDEX tickets_mine     ON tickets (kind, open, owner, due_order, priority DESC, id) WHERE long = 0;
CREATE INDEX tickets_most_due ON tickets (kind, open, due_order, priority DESC, id) WHERE long = 0;
CREATE INDEX tickets_due      ON tickets (due) WHERE due IS NOT NULL;
CREATE INDEX tickets_long     ON tickets (id) WHERE long = 1;
CREATE INDEX tickets_wake     ON tickets (wake) WHERE wake IS NOT NULL;
CREATE INDEX tickets_held     ON tickets (id) WHERE held = 1;

-- Every list is read in its order, or backwards, from an index that begins with kind and open. An entry of an
-- index has at most 2,704 bytes: tickets with longer texts are long, left out, and read besides.
CREATE INDEX tickets_by_number       ON tickets (kind, open, number) WHERE long = 0;
CREATE INDEX tickets_by_status       ON tickets (kind, open, status, id) WHERE long = 0;
CREATE INDEX tickets_by_owner        ON tickets (kind, open, owner, id) WHERE long = 0;
CREATE INDEX tickets_by_constituency ON tickets (kind, open, constituency, id) WHERE long = 0;
CREATE INDEX tickets_by_priority     ON tickets (kind, open, priority, id) WHERE long = 0;
CREATE INDEX tickets_by_due          ON tickets (kind, open, due_order, id) WHERE long = 0;
CREATE INDEX tickets_by_created      ON tickets (kind, open, created, id) WHERE long = 0;
CREATE INDEX tickets_by_updated      ON tickets (kind, open, updated, id) WHERE long = 0;
CREATE INDEX tickets_by_subject      ON tickets (kind, open, subject, id) WHERE long = 0;

CREATE TABLE ticket_parents (
	parent BIGINT NOT NULL,
	ticket BIGINT NOT NULL REFERENCES tickets (id),
	PRIMARY KEY (parent, ticket)
);

-- incident.Observable.Key. An entry of an index has at most 2,704 bytes, and a key may have more:
-- the indexes hold beginnings, and searches compare the whole besides.
CREATE TABLE ticket_observables (
	key    TEXT COLLATE "C" NOT NULL,
	ticket BIGINT NOT NULL REFERENCES tickets (id)
);

CREATE INDEX ticket_observables_key ON ticket_observables (left(key, 300), ticket);

-- storage.MailKeys, and incident.DomainKey of each observable's domain
CREATE TABLE ticket_names (
	key    TEXT COLLATE "C" NOT NULL,
	ticket BIGINT NOT NULL REFERENCES tickets (id)
);

CREATE INDEX ticket_names_key ON ticket_names (left(key, 300), ticket);

CREATE TABLE ticket_fields (
	name   TEXT COLLATE "C" NOT NULL,
	value  TEXT COLLATE "C" NOT NULL,
	ticket BIGINT NOT NULL REFERENCES tickets (id)
);

CREATE INDEX ticket_fields_value ON ticket_fields (left(name, 300), left(value, 300), ticket);

-- sum: storage.Key.Sum; the value itself is not kept.
CREATE TABLE claims (
	space  TEXT COLLATE "C" NOT NULL,
	sum    BYTEA NOT NULL,
	ticket BIGINT NOT NULL,
	PRIMARY KEY (space, sum)
);

CREATE TABLE outgoing (
	ticket     BIGINT NOT NULL,
	version    BIGINT NOT NULL,
	number     BIGINT NOT NULL,
	revision   BIGINT NOT NULL,
	status     TEXT COLLATE "C" NOT NULL,
	sender     TEXT COLLATE "C" NOT NULL,
	recipient  TEXT COLLATE "C" NOT NULL,
	blob       BYTEA NOT NULL,
	queued     BIGINT NOT NULL,
	next_try   BIGINT NOT NULL,
	lease      BIGINT NOT NULL,
	attempts   BIGINT NOT NULL,
	last_error TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (ticket, version, number)
);

CREATE INDEX outgoing_ready ON outgoing (status, next_try);

CREATE TABLE blobs (
	digest  BYTEA PRIMARY KEY,
	content BYTEA NOT NULL
);
