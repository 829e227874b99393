// proofs looks at what Reserve's log says of itself with other people's code: Torchwood, Go's note package and Tessera.
//
//	proofs receipts [-rejects] POLICY FILE...
//	proofs checkpoints [-rejects] KEY FILE...
//	proofs published [-rejects] POLICY FILE...
//	proofs logs [-rejects] KEY FOLDER|URL...
//	proofs theirs [-rejects] KEY POLICY FOLDER
//	proofs agent SOCKET
//
// Status 0: each of them holds; 1: one does not, and is named; 2: one cannot be looked at. With -rejects it is the other way round, for
// what was tampered with. What cannot be looked at, or takes longer than the deadline, is never taken for rejected.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"k8s.io/klog/v2"
)

const deadline = 60 * time.Second

var errCannotLook = errors.New("cannot be looked at")

// A check of the thing that is named last, by what is pinned in the file that is named first. What it finds wrong is its error.
type check func(ctx context.Context, pinned []byte, name string) error

func main() {
	checks := map[string]check{"receipts": receipt, "checkpoints": checkpoint, "published": published, "logs": log}
	flags := flag.NewFlagSet("proofs", flag.ExitOnError)
	rejects := flags.Bool("rejects", false, "each has to be rejected")
	if len(os.Args) < 2 {
		stop("receipts, checkpoints, published, logs, theirs or agent", errCannotLook)
	}
	what := os.Args[1]
	flags.Parse(os.Args[2:])
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard) // what Tessera tells of each step
	if what == "agent" {
		serveAgent(flags.Arg(0))
	}
	pinned, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		stop(flags.Arg(0), err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	time.AfterFunc(deadline+time.Second, func() { stop(what, errors.New("nothing was found by the deadline")) }) // what does not look at ctx
	if what == "theirs" {
		theirs(ctx, pinned, flags.Arg(1), flags.Arg(2), *rejects)
		return
	}
	looks, known := checks[what]
	if !known || flags.NArg() < 2 {
		stop(what, errCannotLook)
	}
	for _, name := range flags.Args()[1:] {
		err := looks(ctx, pinned, name)
		if errors.Is(err, errCannotLook) || ctx.Err() != nil {
			stop(name, err)
		}
		if (err != nil) != *rejects {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, map[bool]any{true: "holds, and should not", false: err}[*rejects])
			os.Exit(1)
		}
	}
	fmt.Printf("%d %s: %s\n", flags.NArg()-1, what, map[bool]string{true: "each is rejected, as it should be", false: "each holds"}[*rejects])
}

func stop(name string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	os.Exit(2)
}

// read gives the file's bytes: one that is not there cannot be looked at.
func read(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, errors.Join(errCannotLook, err)
	}
	return data, nil
}
