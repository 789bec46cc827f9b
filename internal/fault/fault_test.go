package fault

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestError(t *testing.T) {
	cause := errors.New("disk on fire")
	err := error(Wrap(cause, Conflict, "the name %q is taken", "a").Named("NameTaken").At("name"))
	if got, want := err.Error(), `NameTaken: the name "a" is taken: disk on fire`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	wrapped := fmt.Errorf("while testing: %w", err)
	if !Is(wrapped, Conflict) || Is(wrapped, Invalid) || Is(cause, Conflict) || Is(nil, Conflict) {
		t.Error("Is misjudges a kind")
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("failed", "err", err)
	for _, want := range []string{"err.kind=conflict", "err.code=NameTaken", "err.target=name", `err.cause="disk on fire"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log %q lacks %s", log.String(), want)
		}
	}
}
