-- Reports of machines that wait for a decision, among whatever else is open.
CREATE INDEX tickets_queue ON tickets (kind, open, phase, number, id) WHERE observed = 1 AND linked = 0 AND long = 0;
