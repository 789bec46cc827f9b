package vault

import (
	"slices"
	"strings"
)

// The words of access policies, by the kind of object (control-plane.md E1).
var (
	secretWords      = []string{"get", "list", "set", "delete", "backup", "restore", "recover", "purge", "all"}
	keyWords         = []string{"encrypt", "decrypt", "wrapkey", "unwrapkey", "sign", "verify", "get", "list", "create", "update", "import", "delete", "backup", "restore", "recover", "purge", "release", "rotate", "getrotationpolicy", "setrotationpolicy", "all"}
	certificateWords = []string{"get", "list", "delete", "create", "import", "update", "managecontacts", "getissuers", "listissuers", "setissuers", "deleteissuers", "manageissuers", "recover", "purge", "backup", "restore", "all"}
	storageWords     = []string{"get", "list", "delete", "set", "update", "regeneratekey", "recover", "purge", "backup", "restore", "setsas", "listsas", "getsas", "deletesas", "all"}
)

// Unknown returns a word that no access policy has, "" where all are known. A
// misspelt permission would otherwise deny in silence.
func (p Permissions) Unknown() string {
	for _, list := range []struct{ given, known []string }{{p.Secrets, secretWords}, {p.Keys, keyWords}, {p.Certificates, certificateWords}, {p.Storage, storageWords}} {
		for _, word := range list.given {
			if !slices.Contains(list.known, strings.ToLower(word)) {
				return word
			}
		}
	}
	return ""
}
