// receipts checks receipts of Reserve with Torchwood and Go's note package, under a policy of the log's key and its witnesses.
//
//	receipts [-rejects] POLICY FILE...
//
// Status 0: each of them holds; 1: one does not, and is named; 2: one cannot be read. With -rejects it is the other way round, for receipts
// that were tampered with. What a receipt proves is that its leaf is in the log: the leaf is made here, from what the receipt opens of it.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	rejects := flag.Bool("rejects", false, "each file has to be rejected")
	flag.Parse()
	policy, err := policyIn(flag.Arg(0))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", flag.Arg(0), err)
		os.Exit(2)
	}
	for _, path := range flag.Args()[1:] {
		proof, err := os.ReadFile(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if err := verify(policy, proof); (err != nil) != *rejects {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, map[bool]any{true: "holds, and should not", false: err}[*rejects])
			os.Exit(1)
		}
	}
	fmt.Printf("%d receipts: %s\n", flag.NArg()-1, map[bool]string{true: "each is rejected, as it should be", false: "each holds"}[*rejects])
}

func policyIn(path string) (torchwood.Policy, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return torchwood.ParsePolicy(text)
}

func verify(policy torchwood.Policy, proof []byte) error {
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
