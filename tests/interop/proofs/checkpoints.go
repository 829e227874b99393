package main

import (
	"context"
	"errors"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

// checkpoint has Go's note package open one with the log's Ed25519 key. Lines of other keys are none of its business.
func checkpoint(_ context.Context, pinned []byte, name string) error {
	key, err := note.NewVerifier(strings.TrimSpace(string(pinned)))
	if err != nil {
		return errors.Join(errCannotLook, err)
	}
	text, err := read(name)
	if err != nil {
		return err
	}
	opened, err := note.Open(text, note.VerifierList(key))
	if err != nil {
		return err
	}
	found, err := torchwood.ParseCheckpoint(opened.Text)
	if err == nil && found.Origin != key.Name() {
		return errors.New("it is of another log than the key")
	}
	return err
}

// published has Torchwood verify one under a policy of the log's key and its witnesses.
func published(_ context.Context, pinned []byte, name string) error {
	policy, err := torchwood.ParsePolicy(pinned)
	if err != nil {
		return errors.Join(errCannotLook, err)
	}
	text, err := read(name)
	if err != nil {
		return err
	}
	_, _, err = torchwood.VerifyCheckpoint(text, policy)
	return err
}
