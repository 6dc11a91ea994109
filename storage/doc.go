// Package storage is the seam between the workflow and whatever keeps its data.
//
// [Store] states the contract that every adapter keeps; adapters/memory is the
// reference, adapters/sqlstore the one for a working desk, and storagetest the
// suite that tells whether an adapter keeps it. A program that embeds Airtight
// opens an adapter and hands it to workflow/desk; it seldom calls a store
// itself, but for reading.
//
// A [Query] describes tickets. [Query.Match] and [Query.Compare] are its
// meaning; what an adapter does to find them faster is its own affair.
//
// A [Draft] collects changes in memory over a Reader, and writes them in one go
// or not at all.
package storage
