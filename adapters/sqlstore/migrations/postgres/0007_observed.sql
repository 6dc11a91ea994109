-- What machines have reported: whether a ticket has observations, and nothing but those of feeds.
ALTER TABLE tickets ADD COLUMN observed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tickets ADD COLUMN fed BIGINT NOT NULL DEFAULT 0;

-- New reports of people are listed apart from those of feeds, of which there may be many more.
DROP INDEX tickets_unlinked;
CREATE INDEX tickets_unlinked ON tickets (kind, phase, linked, fed, number) WHERE long = 0;
