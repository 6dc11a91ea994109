-- What records say, for searches by words. Only the words are kept, each once: see storage.Words.
CREATE TABLE texts (
	number  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	ticket  BIGINT NOT NULL,
	version BIGINT NOT NULL,
	words   TEXT[] COLLATE "C" NOT NULL DEFAULT '{}',
	UNIQUE (ticket, version)
);

CREATE INDEX texts_words ON texts USING gin (words);
