package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"filippo.io/torchwood"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

const some = 350 // entries that are added at once

// theirs grows a log of Tessera's in the folder, which publishes a checkpoint once the witnesses of the policy have cosigned it; Torchwood
// then verifies the published one under the same policy. pinned: the log's private key, as Go's note package writes one.
//
// With rejects, the log has grown without witnesses, beyond what they have cosigned of that key: they have to find that it does not go on
// from there, and nothing that meets the policy is published.
func theirs(ctx context.Context, pinned []byte, policy, folder string, rejects bool) {
	text, err := os.ReadFile(policy)
	if err != nil {
		stop(policy, err)
	}
	required, err := torchwood.ParsePolicy(text)
	if err != nil {
		stop(policy, err)
	}
	group, err := tessera.NewWitnessGroupFromPolicy(text)
	if err != nil {
		stop(policy, err)
	}
	asked := &submissions{foundInconsistent: func() {}}
	var published []byte
	if rejects {
		if _, err = grown(ctx, pinned, folder, tessera.NewWitnessGroup(0), asked, 4); err != nil {
			stop(folder, err)
		}
		ending, cancel := context.WithCancel(ctx)
		asked.foundInconsistent = cancel
		_, err = grown(ending, pinned, folder, group, asked, 1)
		if asked.inconsistent.Load() == 0 {
			stop(folder, errors.Join(errors.New("no witness found the fork"), err))
		}
		if published, err = os.ReadFile(filepath.Join(folder, layout.CheckpointPath)); err != nil {
			stop(folder, err)
		}
	} else if published, err = grown(ctx, pinned, folder, group, asked, 2); err != nil {
		stop(folder, err)
	}
	found, _, err := torchwood.VerifyCheckpoint(published, required)
	switch {
	case (err != nil) != rejects:
		fmt.Fprintf(os.Stderr, "%s: %v\n", folder, map[bool]any{true: "a fork is cosigned", false: err}[rejects])
		os.Exit(1)
	case rejects:
		fmt.Println("a log of Tessera's that forks: the witness finds it, as it should")
	default:
		fmt.Printf("a log of Tessera's: Torchwood finds its %d leaves cosigned\n", found.N)
	}
}

// grown adds entries so many times, waiting for a checkpoint that covers them each time, and gives the one that is published at the end.
func grown(ctx context.Context, key []byte, folder string, group tessera.WitnessGroup, asked *submissions, times int) ([]byte, error) {
	signer, err := note.NewSigner(strings.TrimSpace(string(key)))
	if err != nil {
		return nil, err
	}
	driver, err := posix.New(ctx, posix.Config{Path: folder, HTTPClient: &http.Client{Transport: asked}})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithBatching(some, 100*time.Millisecond).
		WithCheckpointInterval(200*time.Millisecond).
		WithWitnesses(group, nil)
	appender, _, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return nil, err
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 50*time.Millisecond)
	var published []byte
	for turn := range times {
		var last tessera.IndexFuture
		for i := range some {
			last = appender.Add(ctx, tessera.NewEntry(fmt.Appendf(nil, "%s: entry %d of turn %d", filepath.Base(folder), i, turn)))
		}
		if _, published, err = awaiter.Await(ctx, last); err != nil {
			return nil, err
		}
	}
	return published, nil
}

// submissions counts the answers which say that the log does not go on from what the witness has cosigned.
type submissions struct {
	inconsistent      atomic.Int32
	foundInconsistent func()
}

func (s *submissions) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err == nil && answer.StatusCode == http.StatusUnprocessableEntity {
		s.inconsistent.Add(1)
		s.foundInconsistent()
	}
	return answer, err
}
