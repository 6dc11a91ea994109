-- What records say, for searches by words. Only the words are kept, each once: see storage.Words. They
-- are letters, marks and digits in lower case, which the tokenizer ascii takes as they are.
CREATE TABLE texts (
	number  INTEGER PRIMARY KEY,
	ticket  INTEGER NOT NULL,
	version INTEGER NOT NULL,
	UNIQUE (ticket, version)
) STRICT;

CREATE VIRTUAL TABLE text_words USING fts5 (words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');
