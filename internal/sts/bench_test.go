package sts

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

// BenchmarkRawSign is the limit of BenchmarkIssue: what one signature costs.
func BenchmarkRawSign(b *testing.B) {
	w := withKeys(b)
	k, digest := w.snapshot.Load().keys[0], sha256.Sum256([]byte("a token"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rsa.SignPKCS1v15(nil, k.private, crypto.SHA256, digest[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIssue(b *testing.B) {
	w := withKeys(b)
	b.ReportAllocs()
	for b.Loop() {
		w.issue(b, w.grant())
	}
}

// BenchmarkRawVerify is the limit of BenchmarkVerifyNew.
func BenchmarkRawVerify(b *testing.B) {
	w := withKeys(b)
	k, digest := w.snapshot.Load().keys[0], sha256.Sum256([]byte("a token"))
	signature, _ := rsa.SignPKCS1v15(nil, k.private, crypto.SHA256, digest[:])
	b.ReportAllocs()
	for b.Loop() {
		if err := rsa.VerifyPKCS1v15(&k.private.PublicKey, crypto.SHA256, digest[:], signature); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifySeen(b *testing.B) {
	w := withKeys(b)
	raw := w.issue(b, w.grant()).Raw
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Verify(b.Context(), raw, w.arm); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyNew(b *testing.B) {
	w := withKeys(b)
	raw := w.issue(b, w.grant()).Raw
	b.ReportAllocs()
	for b.Loop() {
		clear(w.verified.shards[sha256.Sum256([]byte(raw))[0]%cacheShards].entries)
		if _, err := w.Verify(b.Context(), raw, w.arm); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyAfterChange is a token right after some principal changed.
func BenchmarkVerifyAfterChange(b *testing.B) {
	w := withKeys(b)
	raw := w.issue(b, w.grant()).Raw
	for b.Loop() {
		b.StopTimer()
		w.update(b, func(tx *store.Tx) error { return directory.SetEnabled(tx, w.user.ID, true) })
		b.StartTimer()
		if _, err := w.Verify(b.Context(), raw, w.arm); err != nil {
			b.Fatal(err)
		}
	}
}
