// Package pgp opens and seals mail with OpenPGP (RFC 4880, RFC 9580, RFC 3156),
// on gopenpgp and the go-crypto below it. Make a [Keyring], put the team's
// secret keys and the contacts' public keys into it, and hand it to [New]: the
// [PGP] is a [mail.Opener] and a [mail.Sealer].
//
// What a key says about its owner proves nothing, since anybody can write any
// address into a key. A key counts for the addresses under which the team put it
// into the ring, and for no others.
//
// It reads PGP/MIME and text with armour in it, signed, encrypted, both, in one
// message or nested, and encrypted files; also PGP/MIME that gateways took
// apart. It never looks into attached messages. Decrypted text is bounded by
// [Config.MaxBytes]; messages without integrity protection, and those that were
// changed, are not shown at all, because such text can be made to leak.
//
// Of gopenpgp it uses keys and armour. Messages are read and written with
// go-crypto, on which gopenpgp stands: gopenpgp does not tell which key signed,
// and has one clock for the whole program.
package pgp
