// histories checks that what clients heard of a stockpile can be explained by one thing after another: that it is linearizable.
//
//	histories [-rejects] FILE...
//
// Status 0: each of them is; 1: one is not, and its first partition that is not is named; 2: one cannot be read, or is not decided in time.
// With -rejects it is the other way round, for histories that were broken by hand.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

const patience = 4 * time.Minute

// The history is not linearizable.
type rejected struct{ why string }

func (r rejected) Error() string { return r.why }

func main() {
	rejects := flag.Bool("rejects", false, "each file has to be rejected")
	flag.Parse()
	for _, path := range flag.Args() {
		began := time.Now()
		said, err := check(path)
		var no rejected
		switch isRejected := errors.As(err, &no); {
		case err != nil && !isRejected:
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(2)
		case isRejected != *rejects:
			fmt.Fprintf(os.Stderr, "%s: %s\n", path, map[bool]string{true: fmt.Sprint(err), false: "is linearizable, and should not be"}[isRejected])
			os.Exit(1)
		case isRejected:
			fmt.Printf("%s: rejected, as it should be\n", path)
		default:
			fmt.Printf("%s: linearizable (%s, %.1f s)\n", path, said, time.Since(began).Seconds())
		}
	}
}

// Each release by itself, with all that was asked of it; then the stockpile as one, since its grams go from one release to another, with
// what changes it and what reads it: refusals change nothing, and there would be too many orders to try.
func check(path string) (string, error) {
	found, err := read(path)
	if err != nil {
		return "", err
	}
	only := func(wanted func(asked, *answer) bool) []porcupine.Operation {
		return slices.DeleteFunc(slices.Clone(found.operations), func(operation porcupine.Operation) bool {
			return !wanted(operation.Input.(asked), operation.Output.(*answer))
		})
	}
	for index, id := range found.releases {
		own := only(func(in asked, _ *answer) bool { return in.release == index })
		if err := explain(found, "release "+id, own); err != nil {
			return "", err
		}
	}
	whole := only(func(in asked, out *answer) bool {
		switch in.op {
		case "release", "read_stock":
			return true
		case "read_release":
			return out.Status == lapsed || out.Status == cancelled
		}
		return out == nil || out.Refused == ""
	})
	if err := explain(found, "stockpile "+found.product, whole); err != nil {
		return "", err
	}
	open := 0
	for _, operation := range found.operations {
		if operation.Output.(*answer) == nil {
			open++
		}
	}
	return fmt.Sprintf("%d operations on %d releases, %d of them unknown until the end", len(found.operations), len(found.releases), open), nil
}

func explain(found *history, partition string, operations []porcupine.Operation) error {
	rules := model(found.availableG, len(found.releases))
	switch porcupine.CheckOperationsTimeout(rules, operations, patience) {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("%s: not decided within %s", partition, patience)
	}
	_, info := porcupine.CheckOperationsVerbose(rules, operations, patience)
	var longest []porcupine.Operation
	for _, order := range info.PartialLinearizationsOperations()[0] {
		if len(order) > len(longest) {
			longest = order
		}
	}
	done := map[any]bool{}
	for _, operation := range longest {
		done[operation.Metadata] = true
	}
	left := slices.DeleteFunc(slices.Clone(operations), func(operation porcupine.Operation) bool { return done[operation.Metadata] })
	next := slices.MinFunc(left, func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) })
	return rejected{fmt.Sprintf("%s: no order explains it; the longest has %d of %d operations, and no room for %s",
		partition, len(longest), len(operations), describe(next.Input.(asked), next.Output.(*answer)))}
}
