package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow"
)

// UnsealedError says that a mail was not sent, to nobody, because it cannot be
// signed or encrypted as the policy demands.
type UnsealedError struct {
	Ticket incident.ID
	Err    error // a [*mail.SealError] for each recipient with a key that is missing; or what Config.Sealer said
}

// Error implements error. It names addresses and keys.
func (e *UnsealedError) Error() string {
	return fmt.Sprintf("desk: the mail on ticket %s is not sent: %v", e.Ticket, e.Err)
}

// Unwrap returns the cause.
func (e *UnsealedError) Unwrap() error { return e.Err }

// errNoSealer is a demand that nobody can meet.
var errNoSealer = errors.New("the policy demands that it is signed or encrypted, and this desk has no keys: set Config.Sealer")

// seal protects a mail as the policy says, for each recipient by itself. kind is one
// of [workflow.Sealing]. It returns what the recipients get in place of the mail as
// it was written, and the digests of all that is kept: that mail, for the team to
// read, and then the others. If it fails nothing is kept.
func (r *run) seal(ctx context.Context, t incident.Ticket, kind workflow.Seal, raw []byte, to ...incident.Party) (copies []incident.SealedCopy, blobs []incident.Digest, err error) {
	mails := [][]byte{raw}
	var refused []error
	for _, p := range to {
		how := r.policy.Sealing.For(kind, p.Address)
		request := mail.SealRequest{
			Sign: protection(how.Sign), Encrypt: protection(how.Encrypt), From: r.desk.config.From.Address, To: []string{p.Address},
		}
		if r.desk.config.Sealer == nil && (request.Sign == mail.Always || request.Encrypt == mail.Always) {
			return nil, nil, &UnsealedError{t.ID, errNoSealer}
		}
		if r.desk.config.Sealer == nil || request.Sign == mail.Never && request.Encrypt == mail.Never {
			continue
		}
		sealed, err := r.desk.config.Sealer.Seal(ctx, raw, request)
		var missing *mail.SealError
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, nil, err
		case errors.As(err, &missing):
			refused = append(refused, err)
			continue
		case err != nil:
			return nil, nil, &UnsealedError{t.ID, err}
		}
		c := incident.SealedCopy{To: request.To, Signed: sealed.Signed, Encrypted: sealed.Encrypted, Blob: incident.DigestOf(sealed.Mail)}
		for _, problem := range sealed.Problems {
			c.Why = append(c.Why, cutLine(problem.String()))
		}
		// What is not encrypted is the same for all who get it.
		i := slices.IndexFunc(copies, func(other incident.SealedCopy) bool {
			return !c.Encrypted && !other.Encrypted && other.Signed == c.Signed
		})
		if i >= 0 {
			copies[i].To = append(copies[i].To, c.To...)
			for _, why := range c.Why {
				if !slices.Contains(copies[i].Why, why) {
					copies[i].Why = append(copies[i].Why, why)
				}
			}
			continue
		}
		if c.Signed || c.Encrypted {
			mails = append(mails, sealed.Mail)
		}
		copies = append(copies, c)
	}
	if len(refused) > 0 {
		return nil, nil, &UnsealedError{t.ID, errors.Join(refused...)}
	}
	for _, m := range mails {
		digest, err := r.draft.PutBlob(ctx, m)
		if err != nil {
			return nil, nil, err
		}
		blobs = append(blobs, digest)
	}
	return copies, blobs, nil
}

// protection is what the policy says in the words of a sealer.
func protection(p workflow.Protection) mail.Protection {
	switch p {
	case workflow.ProtectWhenPossible:
		return mail.WhenPossible
	case workflow.ProtectAlways:
		return mail.Always
	}
	return mail.Never
}

// goesTo returns what one recipient gets of a mail.
func goesTo(plain incident.Digest, copies []incident.SealedCopy, to string) incident.Digest {
	for _, c := range copies {
		if slices.Contains(c.To, to) {
			return c.Blob
		}
	}
	return plain
}
