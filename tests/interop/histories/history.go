package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/anishathalye/porcupine"
)

// A line of the file: what record.py writes.
type line struct {
	Op         string   `json:"op"`
	Call       int64    `json:"call"`
	Return     *int64   `json:"return"`
	Key        string   `json:"key"`
	Product    string   `json:"product"`
	AvailableG int64    `json:"available_g"`
	Release    string   `json:"release"`
	MassG      int64    `json:"mass_g"`
	ExpiresOn  string   `json:"expires_on"`
	Days       []string `json:"days"`
	Answer     *answer  `json:"answer"`
}

type answer struct {
	Refused    string `json:"refused,omitempty"`
	Draw       string `json:"draw,omitempty"`
	RemainingG int64  `json:"remaining_g,omitempty"`
	CancelledG int64  `json:"cancelled_g,omitempty"`
	Status     string `json:"status,omitempty"`
	AvailableG int64  `json:"available_g,omitempty"`
	ReleasedG  int64  `json:"released_g,omitempty"`
	DrawnG     int64  `json:"drawn_g,omitempty"`
}

// What was asked, as the model takes it. `release` is an index into a state's releases, -1 where there is none.
type asked struct {
	op      string
	key     string
	id      string
	release int
	massG   int64
	early   bool // the caller's day may have been one on which the release could still be drawn
	late    bool // and one on which it no longer could
}

type history struct {
	product    string
	availableG int64
	releases   []string
	operations []porcupine.Operation // Input: asked, Output: *answer, nil of one whose outcome is not known
}

// The operations of a file. Tries under one key become one operation, from the first call to the first answer: that it is decided once,
// within that time, is what is claimed of them. All of its answers must be the same, which is checked here.
func read(path string) (*history, error) {
	lines, err := readLines(path)
	if err != nil {
		return nil, err
	}
	found := &history{}
	expires := map[string]string{}
	for _, each := range lines {
		switch {
		case each.Op == "stockpile":
			found.product, found.availableG = each.Product, each.AvailableG
		case each.Op == "release" && each.Release != "":
			expires[each.Release] = each.ExpiresOn
			found.releases = append(found.releases, each.Release)
		}
	}
	tries, keys := map[string][]line{}, []string{}
	for number, each := range lines {
		if each.Op == "stockpile" {
			continue
		}
		if each.Key == "" {
			each.Key = fmt.Sprintf("line %d", number+1)
		}
		if tries[each.Key] == nil {
			keys = append(keys, each.Key)
		}
		tries[each.Key] = append(tries[each.Key], each)
	}
	drawnUnder := map[string]string{}
	for client, key := range keys {
		operation, err := settle(tries[key])
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", key, err)
		}
		if given := operation.Answer; given != nil && given.Draw != "" {
			if other, taken := drawnUnder[given.Draw]; taken {
				return nil, fmt.Errorf("key %s: %w", key, rejected{fmt.Sprintf("draw %s was the answer to key %s as well", given.Draw, other)})
			}
			drawnUnder[given.Draw] = key
		}
		input := asked{op: operation.Op, key: key, id: operation.Release, massG: operation.MassG}
		input.release = slices.Index(found.releases, operation.Release)
		if len(operation.Days) == 2 {
			last := expires[operation.Release]
			input.early, input.late = operation.Days[0] <= last, operation.Days[1] > last
		}
		ended := operation.Call // from then on it may happen at any time: the model keeps it as pending
		if operation.Return != nil {
			ended = *operation.Return
		}
		found.operations = append(found.operations, porcupine.Operation{
			ClientId: client, Input: input, Call: operation.Call, Output: operation.Answer, Return: ended, Metadata: client,
		})
	}
	return found, nil
}

// The tries under one key as one operation.
func settle(tries []line) (line, error) {
	whole := tries[0]
	for _, try := range tries {
		whole.Call = min(whole.Call, try.Call)
	}
	answered := slices.DeleteFunc(slices.Clone(tries), func(try line) bool { return try.Answer == nil })
	if len(answered) == 0 {
		whole.Return, whole.Answer = nil, nil
		return whole, nil
	}
	first := slices.MinFunc(answered, func(a, b line) int { return cmp.Compare(*a.Return, *b.Return) })
	for _, try := range answered {
		if *try.Answer != *first.Answer {
			return line{}, rejected{"a repeat was answered otherwise than before"}
		}
	}
	whole.Return, whole.Answer = first.Return, first.Answer
	if len(first.Days) == 2 {
		whole.Days = []string{whole.Days[0], first.Days[1]}
	}
	return whole, nil
}

func readLines(path string) ([]line, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var lines []line
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		decoder := json.NewDecoder(bytes.NewReader(scanner.Bytes()))
		decoder.DisallowUnknownFields()
		var each line
		if err := decoder.Decode(&each); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, len(lines)+1, err)
		}
		lines = append(lines, each)
	}
	return lines, scanner.Err()
}
