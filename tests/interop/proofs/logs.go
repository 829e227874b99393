package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

// A worker of fsck ends at the first tile that is wrong; once all have, the check waits for ever. With more workers than tiles none is
// missed, and what it found is its answer.
const moreThanTiles = 1024

// log has Tessera's fsck make the whole tree again from the entries, and compare each tile and the signed root. It cannot tell what the
// entries are: a leaf is a hash, and which event opens it is for the audit.
func log(ctx context.Context, pinned []byte, name string) error {
	key, err := note.NewVerifier(strings.TrimSpace(string(pinned)))
	if err != nil {
		return errors.Join(errCannotLook, err)
	}
	var fetcher fsck.Fetcher = client.FileFetcher{Root: name}
	if strings.HasPrefix(name, "http://") {
		address, err := url.Parse(name)
		if err != nil {
			return errors.Join(errCannotLook, err)
		}
		if fetcher, err = client.NewHTTPFetcher(address, nil); err != nil {
			return errors.Join(errCannotLook, err)
		}
	}
	return fsck.New(key.Name(), key, whole{fetcher}, leafHashes, fsck.Opts{N: moreThanTiles}).Check(ctx)
}

// whole refuses a bundle with fewer entries than it is to have: fsck would count on them, and panic.
type whole struct{ fsck.Fetcher }

func (f whole) ReadEntryBundle(ctx context.Context, index uint64, partial uint8) ([]byte, error) {
	data, err := f.Fetcher.ReadEntryBundle(ctx, index, partial)
	if err != nil {
		return nil, err
	}
	bundle := api.EntryBundle{}
	if err := bundle.UnmarshalText(data); err != nil {
		return nil, err
	}
	wanted := int(partial)
	if partial == 0 {
		wanted = layout.EntryBundleWidth
	}
	if len(bundle.Entries) < wanted {
		return nil, fmt.Errorf("bundle %d has %d entries of %d", index, len(bundle.Entries), wanted)
	}
	return data, nil
}

func leafHashes(data []byte) ([][]byte, error) {
	bundle := api.EntryBundle{}
	if err := bundle.UnmarshalText(data); err != nil {
		return nil, err
	}
	hashes := make([][]byte, len(bundle.Entries))
	for i, entry := range bundle.Entries {
		hashes[i] = rfc6962.DefaultHasher.HashLeaf(entry)
	}
	return hashes, nil
}
