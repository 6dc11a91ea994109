-- Reports of machines that wait for a decision, among whatever else is open.
CREATE INDEX tickets_queue ON tickets (kind, open, phase, number) WHERE observed = 1 AND linked = 0;
