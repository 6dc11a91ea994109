-- How far each reader of the feed has come.
CREATE TABLE feed_bookmarks (
	name     TEXT    PRIMARY KEY,
	revision INTEGER NOT NULL,
	seq      INTEGER NOT NULL,
	moved    INTEGER NOT NULL,
	lease    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
