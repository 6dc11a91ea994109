-- A row of the outbox may be a reaction of the policy, by its name, in place of a message.
ALTER TABLE outgoing ADD COLUMN reaction TEXT NOT NULL DEFAULT '';
