-- Automatic mail that no person has cleared is counted; see storage.Charge.
ALTER TABLE outgoing ADD COLUMN charge TEXT NOT NULL DEFAULT '';

CREATE INDEX outgoing_charged ON outgoing (charge, ticket, version, number) WHERE charge <> '';
