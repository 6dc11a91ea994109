-- How far each reader of the feed has come.
CREATE TABLE feed_bookmarks (
	name     TEXT COLLATE "C" PRIMARY KEY,
	revision BIGINT NOT NULL,
	seq      BIGINT NOT NULL,
	moved    BIGINT NOT NULL,
	lease    BIGINT NOT NULL
);
