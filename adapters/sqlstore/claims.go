package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// maxSums bounds the keys that one statement looks up. It always names so many, the
// last one again and again, so that one text is kept prepared.
const maxSums = 64

// A planner that knows little of the table yet would look through all of it for a list
// of keys, and keeps the plan: PostgreSQL is made to look up each by itself.
var (
	sqliteSelectClaims   = "SELECT sum, ticket FROM claims WHERE space = ? AND sum IN (" + marks(maxSums) + ")"
	postgresSelectClaims = "SELECT sum, ticket FROM (SELECT sum, (SELECT ticket FROM claims WHERE space = ? AND claims.sum = k.sum) AS ticket FROM (VALUES (?::bytea)" +
		strings.Repeat(", (?)", maxSums-1) + ") AS k (sum)) AS held WHERE ticket IS NOT NULL"
)

// ClaimedOf implements [storage.ClaimsReader].
func (r *reader) ClaimedOf(ctx context.Context, keys []storage.Key) (map[storage.Key]incident.ID, error) {
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	bySpace := map[string][]storage.Key{}
	for _, key := range keys {
		bySpace[key.Space] = append(bySpace[key.Space], key)
	}
	held := map[storage.Key]incident.ID{}
	for space, keys := range bySpace {
		for chunk := range slices.Chunk(keys, maxSums) {
			args, bySum := []any{space}, map[incident.Digest]storage.Key{}
			for i := range maxSums {
				key := chunk[min(i, len(chunk)-1)]
				sum := key.Sum()
				args, bySum[sum] = append(args, sum[:]), key
			}
			err := r.c.each(r.c.short(ctx), r.c.dialect.selectClaims, args, func(rows *sql.Rows) error {
				var sum sql.RawBytes
				var holder int64
				if err := rows.Scan(&sum, &holder); err != nil {
					return err
				}
				held[bySum[incident.Digest(sum)]] = incident.ID(holder)
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return held, nil
}

// ClaimAll implements [storage.ClaimsWriter].
func (t *tx) ClaimAll(ctx context.Context, claims []storage.Claim) (free bool, err error) {
	if err := t.writing(ctx); err != nil {
		return false, err
	}
	var rows [][]any
	for _, claim := range claims {
		sum := claim.Key.Sum()
		rows = append(rows, []any{claim.Key.Space, sum[:], int64(claim.Ticket)})
	}
	claimed := int64(0)
	for _, some := range insert("INSERT INTO claims (space, sum, ticket) VALUES ", rows) {
		n, err := t.c.exec(ctx, some.text+" ON CONFLICT DO NOTHING", some.args...)
		if err != nil {
			return false, t.fail(err)
		}
		claimed += n
	}
	return claimed == int64(len(claims)), nil
}

var (
	_ storage.ClaimsReader = (*reader)(nil)
	_ storage.ClaimsWriter = (*tx)(nil)
)
