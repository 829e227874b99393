package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
)

const (
	open      = "open"
	drawn     = "drawn"
	lapsed    = "lapsed"
	cancelled = "cancelled"
)

// A release: "" before it is made. What is left of it when it ends stays written there.
type release struct {
	status string
	leftG  int64
}

// The stockpile, as one who has never heard of journals would keep it. A value: a step makes a new one.
//
// `pending` are the operations that may happen at any time from now on, or never: those without an answer, and lapses. They are done only
// where that explains an answer: until somebody looks, nobody can tell when they were done.
type stockpile struct {
	availableG int64
	drawnG     int64
	releases   []release
	pending    []asked
}

func (s stockpile) with(index int, changed release) stockpile {
	s.releases = slices.Clone(s.releases)
	s.releases[index] = changed
	if changed.status != open { // whatever was to happen to it finds it closed
		s.pending = slices.DeleteFunc(slices.Clone(s.pending), func(each asked) bool { return each.release == index })
	}
	return s
}

func (s stockpile) releasedG() int64 {
	sum := int64(0)
	for _, each := range s.releases {
		if each.status == open {
			sum += each.leftG
		}
	}
	return sum
}

// What is left goes back.
func (s stockpile) closed(index int, status string) stockpile {
	s.availableG += s.releases[index].leftG
	return s.with(index, release{status, s.releases[index].leftG})
}

func (s stockpile) drawn(in asked) stockpile {
	of := s.releases[in.release]
	of.leftG -= in.massG
	if of.leftG == 0 {
		of.status = drawn
	}
	s.drawnG += in.massG
	return s.with(in.release, of)
}

// The stockpiles that this one may be after an operation with this answer: none, if it could not be given.
//
// What needs nothing pending to be right is left at that: everything pending can still happen after it, to the same end.
func (s stockpile) after(in asked, out *answer) []stockpile {
	if out == nil {
		if s.releases[in.release].status == open {
			s.pending = append(slices.Clone(s.pending), in)
		}
		return []stockpile{s}
	}
	if next, ok := s.step(in, out); ok {
		return []stockpile{next}
	}
	mayEnd := !(in.op == "draw" && out.Refused == "" || in.op == "cancel" && out.Refused == "" || out.Status == open)
	var draws, ends []asked // of one release: draws, then its end
	for _, each := range s.pending {
		switch {
		case in.release >= 0 && in.op != "release" && each.release != in.release:
		case each.op == "draw":
			draws = append(draws, each)
		case mayEnd:
			ends = append(ends, each)
		}
	}
	var found []stockpile
	for _, each := range s.choices(append(draws, ends...), in, out) {
		if next, ok := each.step(in, out); ok {
			found = append(found, next)
		}
	}
	return found
}

// This stockpile, and what it becomes by each choice among what is pending, but for draws of more than the answer leaves room for.
func (s stockpile) choices(pending []asked, in asked, out *answer) []stockpile {
	found := []stockpile{s}
	for index, each := range pending {
		of := s.releases[each.release]
		room := of.leftG
		switch in.op {
		case "read_stock":
			room = min(room, out.DrawnG-s.drawnG)
		case "draw", "cancel", "read_release":
			room -= out.RemainingG + out.CancelledG
			if in.op == "draw" && out.Refused == "" {
				room -= in.massG
			}
		}
		if of.status != open || each.op == "draw" && (!each.early || each.massG > room) {
			continue
		}
		next := s
		switch each.op {
		case "draw":
			next = next.drawn(each)
		case "cancel":
			next = next.closed(each.release, cancelled)
		case "lapse":
			next = next.closed(each.release, lapsed)
		}
		next.pending = slices.DeleteFunc(slices.Clone(next.pending), func(other asked) bool { return other == each })
		found = append(found, next.choices(pending[index+1:], in, out)...)
	}
	return found
}

// Whether this answer could be given now, and the stockpile after it.
func (s stockpile) step(in asked, out *answer) (stockpile, bool) {
	switch in.op {
	case "release":
		if out.Refused != "" {
			return s, out.Refused == "stock_short" && in.massG > s.availableG
		}
		if s.releases[in.release].status != "" || in.massG > s.availableG {
			return s, false
		}
		s.availableG -= in.massG
		if in.late { // its day has passed before anybody saw it
			s.pending = append(slices.Clone(s.pending), asked{op: "lapse", key: in.key, id: in.id, release: in.release})
		}
		return s.with(in.release, release{open, in.massG}), true
	case "read_stock":
		return s, out.AvailableG == s.availableG && out.ReleasedG == s.releasedG() && out.DrawnG == s.drawnG
	}
	of := s.releases[in.release]
	switch in.op {
	case "draw":
		switch out.Refused {
		case "release_lapsed":
			return s, of.status == lapsed || of.status == open && in.late
		case "release_exceeded":
			return s, of.status == drawn || of.status == open && in.massG > of.leftG
		case "release_cancelled":
			return s, of.status == cancelled
		case "":
			if of.status != open || !in.early || out.RemainingG != of.leftG-in.massG || out.RemainingG < 0 {
				return s, false
			}
			return s.drawn(in), true
		}
		return s, false
	case "cancel":
		if out.Refused != "" {
			return s, out.Refused == "release_not_found" && of.status != open
		}
		return s.closed(in.release, cancelled), of.status == open && out.CancelledG == of.leftG
	case "read_release":
		return s, out.Status == of.status && out.RemainingG == of.leftG
	}
	panic("no such operation: " + in.op)
}

func (s stockpile) equal(other stockpile) bool {
	return s.availableG == other.availableG && s.drawnG == other.drawnG &&
		slices.Equal(s.releases, other.releases) && slices.Equal(s.pending, other.pending)
}

func (s stockpile) hash() uint64 {
	const prime = 1099511628211
	sum := uint64(s.availableG)*prime + uint64(s.drawnG)
	for _, each := range s.releases {
		sum = (sum*prime+uint64(each.leftG))*prime + uint64(len(each.status))
	}
	return sum
}

// The model of a stockpile that has these grams before anything is asked.
func model(availableG int64, releases int) porcupine.Model {
	rules := porcupine.NondeterministicModel{
		Init: func() []any { return []any{stockpile{availableG, 0, make([]release, releases), nil}} },
		Step: func(state, input, output any) []any {
			var next []any
			for _, each := range state.(stockpile).after(input.(asked), output.(*answer)) {
				next = append(next, each)
			}
			return next
		},
		Equal: func(one, other any) bool { return one.(stockpile).equal(other.(stockpile)) },
		Hash:  func(state any) uint64 { return state.(stockpile).hash() },
	}
	return rules.ToModel()
}

func describe(in asked, out *answer) string {
	said := "no answer"
	if out != nil {
		written, _ := json.Marshal(out)
		said = string(written)
	}
	return fmt.Sprintf("%s: %s %s %d g -> %s", in.key, in.op, in.id, in.massG, said)
}
