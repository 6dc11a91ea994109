-- Times are microseconds since 1970, UTC. Digests are 32 bytes. An unset date is NULL.
-- Text compares bytewise: SQLite's default collation, BINARY, does.

-- One row: what was given out last.
CREATE TABLE meta (
	one         INTEGER PRIMARY KEY CHECK (one = 1),
	last_seq    INTEGER NOT NULL,
	last_ticket INTEGER NOT NULL
) STRICT;

INSERT INTO meta (one, last_seq, last_ticket) VALUES (1, 0, 0);

-- What the chain of hashes covers, for ever. The triggers below let nothing but INSERT pass.
CREATE TABLE records (
	seq           INTEGER PRIMARY KEY,
	ticket        INTEGER NOT NULL,
	version       INTEGER NOT NULL,
	at            INTEGER NOT NULL,
	actor         TEXT    NOT NULL,
	command       TEXT    NOT NULL,
	cause_rule    TEXT    NOT NULL,
	cause_ticket  INTEGER NOT NULL,
	cause_version INTEGER NOT NULL,
	policy        INTEGER NOT NULL,
	type          TEXT    NOT NULL,
	data          BLOB    NOT NULL,
	digest        BLOB    NOT NULL,
	prev          BLOB    NOT NULL,
	hash          BLOB    NOT NULL,
	UNIQUE (ticket, version)
) STRICT;

CREATE TRIGGER records_are_not_changed BEFORE UPDATE ON records
BEGIN
	SELECT RAISE(ABORT, 'records are never changed: append a record instead');
END;

CREATE TRIGGER records_are_not_deleted BEFORE DELETE ON records
BEGIN
	SELECT RAISE(ABORT, 'records are never deleted: erase their contents instead');
END;

-- INSERT OR REPLACE deletes rows without asking the trigger for DELETE.
CREATE TRIGGER records_are_not_replaced BEFORE INSERT ON records
WHEN EXISTS (SELECT 1 FROM records WHERE seq = NEW.seq)
  OR EXISTS (SELECT 1 FROM records WHERE ticket = NEW.ticket AND version = NEW.version)
BEGIN
	SELECT RAISE(ABORT, 'records are never replaced: append a record instead');
END;

-- What may have to be erased one day. blobs: digests, one after the other.
CREATE TABLE record_contents (
	seq     INTEGER PRIMARY KEY REFERENCES records (seq),
	content BLOB,
	salt    BLOB NOT NULL,
	blobs   BLOB
) STRICT;

-- The fold of each ticket's records: the columns to search and sort by, and the whole ticket as JSON.
CREATE TABLE tickets (
	id           INTEGER PRIMARY KEY,
	version      INTEGER NOT NULL,
	hash         BLOB    NOT NULL,
	vocabulary   INTEGER NOT NULL,
	kind         TEXT    NOT NULL,
	status       TEXT    NOT NULL,
	phase        TEXT    NOT NULL,
	open         INTEGER NOT NULL, -- whether phase is not inactive; not generated, as it seldom changes with it
	state        TEXT    NOT NULL,
	owner        TEXT    NOT NULL,
	constituency TEXT    NOT NULL,
	priority     INTEGER NOT NULL,
	linked       INTEGER NOT NULL,
	held         INTEGER NOT NULL,
	created      INTEGER NOT NULL,
	updated      INTEGER NOT NULL,
	due          INTEGER,
	wake         INTEGER,
	subject      TEXT    NOT NULL,
	document     TEXT    NOT NULL,
	number       INTEGER NOT NULL GENERATED ALWAYS AS (id) VIRTUAL, -- no planner takes the primary key for a list by number
	due_order    INTEGER NOT NULL GENERATED ALWAYS AS (coalesce(due, -9223372036854775808)) VIRTUAL -- an unset date comes first
) STRICT;

-- What a desk asks all day.
CREATE INDEX tickets_unlinked ON tickets (kind, phase, linked, number);
CREATE INDEX tickets_mine     ON tickets (kind, open, owner, due_order, priority DESC, id);
CREATE INDEX tickets_most_due ON tickets (kind, open, due_order, priority DESC, id);
CREATE INDEX tickets_due      ON tickets (due) WHERE due IS NOT NULL;
CREATE INDEX tickets_wake     ON tickets (wake) WHERE wake IS NOT NULL;
CREATE INDEX tickets_held     ON tickets (id) WHERE held = 1;

-- Every list is read in its order, or backwards, from an index that begins with kind and open.
CREATE INDEX tickets_by_number       ON tickets (kind, open, number);
CREATE INDEX tickets_by_status       ON tickets (kind, open, status, id);
CREATE INDEX tickets_by_owner        ON tickets (kind, open, owner, id);
CREATE INDEX tickets_by_constituency ON tickets (kind, open, constituency, id);
CREATE INDEX tickets_by_priority     ON tickets (kind, open, priority, id);
CREATE INDEX tickets_by_due          ON tickets (kind, open, due_order, id);
CREATE INDEX tickets_by_created      ON tickets (kind, open, created, id);
CREATE INDEX tickets_by_updated      ON tickets (kind, open, updated, id);
CREATE INDEX tickets_by_subject      ON tickets (kind, open, subject, id);

CREATE TABLE ticket_parents (
	parent INTEGER NOT NULL,
	ticket INTEGER NOT NULL REFERENCES tickets (id),
	PRIMARY KEY (parent, ticket)
) STRICT, WITHOUT ROWID;

-- incident.Observable.Key
CREATE TABLE ticket_observables (
	key    TEXT    NOT NULL,
	ticket INTEGER NOT NULL REFERENCES tickets (id),
	PRIMARY KEY (key, ticket)
) STRICT, WITHOUT ROWID;

-- storage.MailKeys, and incident.DomainKey of each observable's domain
CREATE TABLE ticket_names (
	key    TEXT    NOT NULL,
	ticket INTEGER NOT NULL REFERENCES tickets (id),
	PRIMARY KEY (key, ticket)
) STRICT, WITHOUT ROWID;

CREATE TABLE ticket_fields (
	name   TEXT    NOT NULL,
	value  TEXT    NOT NULL,
	ticket INTEGER NOT NULL REFERENCES tickets (id),
	PRIMARY KEY (name, value, ticket)
) STRICT, WITHOUT ROWID;

-- sum: storage.Key.Sum; the value itself is not kept.
CREATE TABLE claims (
	space  TEXT    NOT NULL,
	sum    BLOB    NOT NULL,
	ticket INTEGER NOT NULL,
	PRIMARY KEY (space, sum)
) STRICT, WITHOUT ROWID;

CREATE TABLE outgoing (
	ticket     INTEGER NOT NULL,
	version    INTEGER NOT NULL,
	number     INTEGER NOT NULL,
	revision   INTEGER NOT NULL,
	status     TEXT    NOT NULL,
	sender     TEXT    NOT NULL,
	recipient  TEXT    NOT NULL,
	blob       BLOB    NOT NULL,
	queued     INTEGER NOT NULL,
	next_try   INTEGER NOT NULL,
	lease      INTEGER NOT NULL,
	attempts   INTEGER NOT NULL,
	last_error TEXT    NOT NULL,
	PRIMARY KEY (ticket, version, number)
) STRICT;

CREATE INDEX outgoing_ready ON outgoing (status, next_try);

CREATE TABLE blobs (
	digest  BLOB PRIMARY KEY,
	content BLOB NOT NULL
) STRICT;
