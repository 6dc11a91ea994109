// Package sqlstore is the [storage.Store] of a working desk: tickets, records,
// claims, outgoing mail and blobs in an SQL database, over database/sql. So far
// it speaks to SQLite.
//
// The package imports no driver; the program does, and opens the database:
//
//	import _ "modernc.org/sqlite"
//
//	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN("desk.db"))
//	store, err := sqlstore.New(ctx, db, sqlstore.Config{})
//	defer db.Close()
//	defer store.Close()
//
// New creates what is not there, brings an older database up to date and refuses
// every other one: one that is damaged, read-only, somebody else's, or written
// by a newer version.
//
// # SQLite
//
// New wants these settings on every connection, and refuses the database without
// them. [SQLiteDSN] has them for modernc.org/sqlite; other drivers take them
// under other names.
//
//	journal_mode=WAL      readers see a snapshot and do not block the writer
//	synchronous=FULL      a commit is on the disk before Update returns (EXTRA will do)
//	busy_timeout=5000     how long to wait for other processes, in milliseconds; any but 0
//	foreign_keys=ON
//	encoding=UTF-8        text compares bytewise
//
// A database in memory (":memory:") needs only the last two. It is good for
// tests; adapters/memory is faster.
//
// When the power fails, every update that has returned without error is there
// afterwards and every other one is wholly absent, provided that the disk keeps
// what it has acknowledged. WAL needs a local disk: not a network file system.
// Copy a database that is in use with VACUUM INTO or the backup command of
// sqlite3, never the file alone: its newest part is in the file beside it
// (-wal).
//
// # Concurrency
//
// There is one writer at a time, in all processes together. Updates of one
// process wait for each other as long as their contexts allow; for another
// process they wait as long as busy_timeout allows, and then return
// storage.ErrConflict. Views run beside the writer and beside each other, on one
// connection each; a View that stays open for long keeps SQLite from shortening
// the -wal file.
//
// # What is kept
//
// Records lie in a table that triggers keep free of UPDATE, DELETE and REPLACE;
// what may be erased of them lies in a table beside it. A ticket is a row of
// columns for searching, and the ticket as JSON. The value of a claim is not
// kept, only its SHA-256. Other programs may read the tables, which migrations/
// describes; what they write there breaks the history, or the tickets that were
// folded from it.
//
// # Limits
//
// A blob, a ticket and a record have to fit into one row: 1,000,000,000 bytes in
// SQLite as it is usually built. A query may name some 30,000 strings, and any
// number of ids. Blobs are read into memory whole. Sorting by kind, status,
// owner, constituency, priority, created or subject, and searching by state or
// status alone, looks at every ticket that the rest of the query leaves.
package sqlstore
