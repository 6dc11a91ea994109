// Package blobdir keeps large bodies as files, named by their SHA-256: a [Dir] is
// the [storage.Blobs] for one directory, which several processes may use at the
// same time.
//
// A body lies at ab/cd/abcd..., the digits of its digest in front of the whole
// digest. Files have mode 0600 and directories 0700. The directory tmp holds
// what is being written, and what is being swept. Everything is to be on one file
// system. A copy of the directory is a backup; one that is copied after the
// database misses no body that the database names.
//
// [Dir.Sweep], once a day, removes what no record came to name.
package blobdir
