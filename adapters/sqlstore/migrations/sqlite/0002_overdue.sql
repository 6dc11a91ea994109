-- A sweep looks at a ticket when its due date has come, unless that is a clock's.
UPDATE tickets SET wake = due
WHERE open = 1 AND due IS NOT NULL AND (wake IS NULL OR wake > due) AND json_extract(document, '$.dueByClock') IS NULL;
