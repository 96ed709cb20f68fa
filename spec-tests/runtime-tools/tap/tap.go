// Package tap writes test results in the Test Anything Protocol, version 13. It has the functions that runtime-tools
// calls of the library of this import path, which Debian does not package; it was written from the protocol's text.
package tap

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"sort"
	"strings"
)

// T is one stream of test points.
type T struct {
	Writer io.Writer // where the stream goes: standard output unless set
	count  *int
	todo   bool
}

// New returns a stream without a header yet.
func New() *T {
	return &T{count: new(int)}
}

func (t *T) printf(format string, args ...interface{}) {
	w := t.Writer
	if w == nil {
		w = os.Stdout
	}
	fmt.Fprintf(w, format, args...)
}

// Header prints the protocol's version and, unless it is 0, the plan.
func (t *T) Header(tests int) {
	t.printf("TAP version 13\n")
	if tests > 0 {
		t.printf("1..%d\n", tests)
	}
}

// AutoPlan prints the plan from what was counted.
func (t *T) AutoPlan() {
	t.printf("1..%d\n", *t.count)
}

// Ok prints a test point.
func (t *T) Ok(ok bool, description string) {
	*t.count++
	not, directive := "", ""
	if !ok {
		not = "not "
	}
	if t.todo {
		directive = " # TODO"
	}
	t.printf("%sok %d%s - %s\n", not, *t.count, directive, oneLine(description))
}

// Pass prints a test point that passed.
func (t *T) Pass(description string) { t.Ok(true, description) }

// Fail prints a test point that failed.
func (t *T) Fail(description string) { t.Ok(false, description) }

// Skip prints so many skipped test points.
func (t *T) Skip(tests int, description string) {
	for ; tests > 0; tests-- {
		*t.count++
		t.printf("ok %d # SKIP %s\n", *t.count, oneLine(description))
	}
}

// Todo returns the same stream, its test points marked as not expected to pass.
func (t *T) Todo() *T {
	todo := *t
	todo.todo = true
	return &todo
}

// Diagnostic prints comment lines.
func (t *T) Diagnostic(message string) {
	for _, line := range strings.Split(strings.TrimRight(message, "\n"), "\n") {
		t.printf("# %s\n", line)
	}
}

// Diagnosticf is Diagnostic with a format.
func (t *T) Diagnosticf(format string, args ...interface{}) {
	t.Diagnostic(fmt.Sprintf(format, args...))
}

// YAML prints a diagnostic block that belongs to the test point before it. JSON values are YAML values.
func (t *T) YAML(message interface{}) error {
	lines := []string{}
	if v := reflect.ValueOf(message); v.Kind() == reflect.Map {
		for _, key := range v.MapKeys() {
			value, err := json.Marshal(v.MapIndex(key).Interface())
			if err != nil {
				return err
			}
			lines = append(lines, fmt.Sprintf("%v: %s", key.Interface(), value))
		}
		sort.Strings(lines)
	} else {
		value, err := json.Marshal(message)
		if err != nil {
			return err
		}
		lines = append(lines, string(value))
	}
	t.printf("  ---\n  %s\n  ...\n", strings.Join(lines, "\n  "))
	return nil
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }
