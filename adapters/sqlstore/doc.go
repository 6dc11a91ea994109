// Package sqlstore is the [storage.Store] of a working desk: tickets, records,
// claims, outgoing mail, blobs and bookmarks in an SQL database, over
// database/sql. It speaks to SQLite, and to PostgreSQL 13 and later.
//
// The package imports no driver; the program does, and opens the database:
//
//	import _ "modernc.org/sqlite"
//
//	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN("desk.db"))
//	store, err := sqlstore.New(ctx, db, sqlstore.Config{})
//
//	import _ "github.com/jackc/pgx/v5/stdlib"
//
//	db, err := sql.Open("pgx", "postgres://desk@db.example.org/desk")
//	store, err := sqlstore.New(ctx, db, sqlstore.Config{Dialect: sqlstore.PostgreSQL})
//
//	defer db.Close()
//	defer store.Close()
//
// New creates what is not there, brings an older database up to date and refuses
// every other one: one that is damaged, read-only, somebody else's, or written
// by a newer version. [Store.Join] lets a program change its own tables and a
// ticket in one transaction.
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
// # PostgreSQL
//
// The tables lie in the first schema of the search path that exists. New refuses
// a server or connection that has not
//
//	server_encoding and client_encoding UTF8
//	synchronous_commit=on (or remote_apply), fsync=on, full_page_writes=on
//	default_transaction_read_only=off
//	session_replication_role=origin
//
// and any connection that leads to a standby. Between program and server may be a
// pooler that keeps a connection for a session, not for a transaction only:
// statements are prepared. The connection that writes sets
// idle_in_transaction_session_timeout to a minute, if nobody else has set it, so
// that a program which has vanished from the network does not hold the lock.
//
// The owner of the schema can do everything. A desk that is to add and read, and
// never to alter a record, runs as another role; the owner runs New first, after
// each update of the program too, and grants:
//
//	GRANT USAGE ON SCHEMA public TO desk;
//	GRANT SELECT ON airtight_migrations TO desk;
//	GRANT SELECT, INSERT ON records, record_contents, claims, blobs TO desk;
//	GRANT SELECT, INSERT, UPDATE ON tickets, outgoing, texts TO desk;
//	GRANT SELECT, INSERT, DELETE ON ticket_parents, ticket_observables, ticket_names, ticket_fields TO desk;
//	GRANT SELECT, INSERT, UPDATE, DELETE ON feed_bookmarks TO desk;
//	GRANT SELECT, UPDATE ON meta TO desk;
//
// With one server, what it has acknowledged is as safe as its disk. With two, a
// primary and a synchronous standby, it survives the loss of either machine: set
// synchronous_standby_names on the primary, name both servers in the data source
// name, and promote the standby when the primary is gone for good (pg_promote, or
// a program such as Patroni, which must also keep the old primary from coming
// back as one):
//
//	postgres://desk@db1.example.org,db2.example.org/desk?target_session_attrs=read-write
//
// Until then updates return [ErrUnavailable], and by themselves find the new
// primary afterwards. An update whose connection is lost during COMMIT may have
// been committed; the error says so. Look before it is made again: a claim that
// is made in the same update tells.
//
// A server whose disk is full refuses updates with [ErrFull]. If it cannot write
// its log (pg_wal) it stops, and has to be started again once there is room; give
// the log a disk of its own, and the server a supervisor.
//
// # Concurrency
//
// There is one writer at a time, in all processes together. Updates of one
// process wait for each other as long as their contexts allow; for another
// process they wait as long as busy_timeout allows on SQLite, and on PostgreSQL
// as long as the context and lock_timeout allow, and then return
// storage.ErrConflict. Views run beside the writer and beside each other, on one
// connection each; a View that stays open for long keeps SQLite from shortening
// the -wal file, and PostgreSQL from removing old rows.
//
// # What is kept
//
// Records lie in a table that triggers keep free of UPDATE, DELETE, REPLACE and
// TRUNCATE; what may be erased of them lies in a table beside it. A ticket is a
// row of columns for searching, and the ticket as JSON. The value of a claim is
// not kept, only its SHA-256. Other programs may read the tables, which
// migrations/ describes; what they write there breaks the history, or the tickets
// that were folded from it.
//
// # Limits
//
// A blob, a ticket and a record have to fit into one row: 1,000,000,000 bytes.
// PostgreSQL keeps no NUL and no invalid UTF-8 in a text ([ErrText]; data,
// content and blobs are bytes), and of a claim's Space and a bookmark's name 2,000
// bytes at most. A query may name some 30,000 strings, and any number of ids.
// Blobs are read into memory whole.
//
// Lists in the order of one column, and in that of storage.MostDue, either way,
// seek their beginning and read on from there, up to Limit tickets of each kind, open and
// closed, and those that Statuses, States, Owners, Constituencies, Links, Due,
// UpdatedSince and Scope pass over on the way. Parent, Fields, Touches, Under,
// Mail, DueBefore, WakeBy and HeldOnly seek, and sort what they find. An order of
// several columns sorts all that the query describes, and so does any order on a
// database with dozens of kinds.
//
// The history of one ticket, and one record of it by its version, are sought too,
// from either end; Types passes over the ticket's records of other types.
package sqlstore
