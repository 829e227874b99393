package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

// receipt has Torchwood verify one under a policy of the log's key and its witnesses. What it proves is that its leaf is in the log: the
// leaf is made here, from what the receipt opens of it.
func receipt(_ context.Context, pinned []byte, name string) error {
	policy, err := torchwood.ParsePolicy(pinned)
	if err != nil {
		return errors.Join(errCannotLook, err)
	}
	proof, err := read(name)
	if err != nil {
		return err
	}
	extra, err := torchwood.ProofExtraData(proof)
	if err != nil {
		return err
	}
	var opening struct {
		EventHash string          `json:"event_hash"`
		Place     string          `json:"place"`
		Salt      string          `json:"salt"`
		Event     json.RawMessage `json:"event"`
	}
	if err := json.Unmarshal(extra, &opening); err != nil {
		return err
	}
	salt, err := hex.DecodeString(opening.Salt)
	if err != nil {
		return err
	}
	hash, err := hex.DecodeString(opening.EventHash)
	if err != nil {
		return err
	}
	if opening.Event != nil {
		if of := sha256.Sum256(joined([]byte{1}, salt, opening.Event)); hex.EncodeToString(of[:]) != opening.EventHash {
			return fmt.Errorf("the event is not the one whose hash was recorded")
		}
	}
	leaf := sha256.Sum256(joined([]byte{3}, salt, []byte(opening.Place), hash))
	return torchwood.VerifyProof(policy, tlog.RecordHash(leaf[:]), proof)
}

func joined(parts ...[]byte) []byte {
	var all []byte
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}
