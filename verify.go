package midas

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"midas/internal/clock"
	"midas/internal/control"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/vault"
)

// Verify looks through the data of an installation that no server runs on.
// Schemas of older versions are brought up to date by that, as at a start.
func Verify(ctx context.Context, c Config) (control.Report, error) {
	s, err := openStopped(ctx, c)
	if err != nil {
		return control.Report{}, err
	}
	report, err := s.verify(ctx)
	return report, errors.Join(err, s.Close())
}

// openStopped opens the data of an installation, and makes none where there is none.
func openStopped(ctx context.Context, c Config) (_ *Server, err error) {
	needed := []struct{ file, hint string }{{databaseFile, "name the data directory of an installation with --data"}}
	if c.RootKey == "" {
		needed = append(needed, struct{ file, hint string }{rootKeyFile, "restore it from a backup, or set MIDAS_ROOT_KEY to the key the data was sealed with"})
	}
	for _, n := range needed {
		if _, err := os.Stat(filepath.Join(c.DataDir, n.file)); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no %s in %s\nhint: %s", n.file, c.DataDir, n.hint)
		} else if err != nil {
			return nil, err
		}
	}
	s := &Server{config: c, clock: clock.New(machineClock(c), 0), log: c.Log}
	s.now = s.clock.Now
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err = s.openData(ctx); err != nil {
		return nil, err
	}
	err = s.db.View(ctx, func(tx *store.Tx) error {
		name, err := tx.Setting(settingCloud)
		if err != nil {
			return err
		}
		if name == "" {
			return fmt.Errorf("the database in %s is empty: no server has been started on it yet", c.DataDir)
		}
		return s.resume(tx, name)
	})
	return s, err
}

// maxFaults bounds the faults that are told one by one.
const maxFaults = 1000

// verification is a report that is being made.
type verification struct {
	*Server
	control.Report
}

// check does one check. What keeps it from being done is a fault, too.
func (v *verification) check(ctx context.Context, what string, do func(context.Context, *control.Check) error) error {
	c := control.Check{What: what}
	if err := do(ctx, &c); ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil {
		v.fault(&c, "%s: the check ended early: %v", what, err)
	}
	v.Checks = append(v.Checks, c)
	return nil
}

func (v *verification) fault(c *control.Check, format string, args ...any) {
	if c.Faults++; len(v.Faults) < maxFaults {
		v.Faults = append(v.Faults, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " "))
	}
}

// verify looks through all that is stored. It reads in pages, so that a server
// goes on beside it.
func (s *Server) verify(ctx context.Context) (control.Report, error) {
	v := &verification{Server: s, Report: control.Report{Faults: []string{}}}
	type check struct {
		what string
		do   func(context.Context, *control.Check) error
	}
	checks := []check{
		{"tables, by the database's own check", v.integrity},
		{"foreign keys", v.references},
	}
	for _, column := range sealedColumns() {
		checks = append(checks, check{column.what + " that open in their place", v.opens(column)})
	}
	checks = append(checks,
		check{"values of secrets that open in their place", v.values},
		check{"resources with their identities", v.resources},
		check{"managed identities with their resources", v.principals},
		check{"federated credentials with their owners", v.federated},
		check{"vaults with their resources", v.vaults},
		check{"assigned roles that exist", v.roles},
	)
	for _, c := range checks {
		if err := v.check(ctx, c.what, c.do); err != nil {
			return control.Report{}, err
		}
	}
	return v.Report, nil
}

func (v *verification) integrity(ctx context.Context, c *control.Check) error {
	n, faults, err := v.db.Integrity(ctx)
	c.Count = n
	for _, f := range faults {
		v.fault(c, "database: %s", f)
	}
	return err
}

func (v *verification) references(ctx context.Context, c *control.Check) error {
	n, faults, err := v.db.References(ctx)
	c.Count = n
	for _, f := range faults {
		v.fault(c, "database: %s", f)
	}
	return err
}

// opens opens every value of a column.
func (v *verification) opens(column sealedColumn) func(context.Context, *control.Check) error {
	return func(ctx context.Context, c *control.Check) error {
		return column.each(ctx, v.db, func(page []seal.Sealed) error {
			for _, s := range page {
				c.Count++
				if _, err := v.root.Open(s.Ciphertext, s.At); err != nil {
					v.unopened(c, s.At)
				}
			}
			return nil
		})
	}
}

func (v *verification) unopened(c *control.Check, at seal.Binding) {
	v.fault(c, "%s.%s of %s does not open: it was changed, moved, or sealed under another key", at.Table, at.Column, at.Row)
}

// values opens every value of every secret, vault by vault.
func (v *verification) values(ctx context.Context, c *control.Check) error {
	keys := sealedColumn{page: vault.SealedKeys}
	return keys.each(ctx, v.db, func(vaults []seal.Sealed) error {
		for _, sealed := range vaults {
			key, err := v.root.OpenDataKey(sealed.Ciphertext, sealed.At)
			if err != nil {
				v.fault(c, "no secret of the vault %s can be opened: its data key does not open", sealed.At.Row)
				continue
			}
			if err := v.valuesOf(ctx, c, sealed.At.Row, key); err != nil {
				return err
			}
		}
		return nil
	})
}

func (v *verification) valuesOf(ctx context.Context, c *control.Check, id string, key *seal.Key) error {
	var last vault.SealedValue
	for {
		var page []vault.SealedValue
		err := v.db.View(ctx, func(tx *store.Tx) (err error) {
			page, err = vault.SealedValues(tx, id, last.Name, last.Version, pageSize)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, s := range page {
			c.Count++
			if _, err := key.Open(s.Ciphertext, s.At); err != nil {
				v.unopened(c, s.At)
			}
		}
		last = page[len(page)-1]
	}
}
