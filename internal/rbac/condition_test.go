package rbac

import (
	"strings"
	"testing"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

const (
	secretName = "@Resource[Microsoft.KeyVault/vaults/secrets:name]"
	newName    = "@Request[Microsoft.KeyVault/vaults/secrets:name]"
	ifNotGet   = "!(ActionMatches{'" + getSecret + "'})"
)

// TestConditions is what conditions come to for a secret named "Web-1" of the vault "kv1".
func TestConditions(t *testing.T) {
	known := Attributes{AttributeSecret: "Web-1", AttributeVault: "kv1"}
	for text, want := range map[string]truth{
		"ActionMatches{'" + getSecret + "'}":                     isTrue,
		"ActionMatches{'Microsoft.KeyVault/vaults/secrets/*'}":   isTrue,
		"actionmatches { '" + strings.ToUpper(getSecret) + "' }": isTrue,
		ifNotGet:                                                                                isFalse,
		"NOT " + ifNotGet:                                                                       isTrue,
		"!!!(ActionMatches{'*'})":                                                               isFalse,
		secretName + " StringEquals 'Web-1'":                                                    isTrue,
		secretName + " stringequals 'Web-1'":                                                    isTrue,
		secretName + " StringEquals {'Web-1'}":                                                  isTrue,
		secretName + " StringEquals 'web-1'":                                                    isFalse,
		secretName + " StringEqualsIgnoreCase 'web-1'":                                          isTrue,
		secretName + " StringNotEquals 'Web-1'":                                                 isFalse,
		secretName + " StringNotEqualsIgnoreCase 'WEB-1'":                                       isFalse,
		secretName + " StringNotEquals 'db'":                                                    isTrue,
		secretName + " StringStartsWith 'Web-'":                                                 isTrue,
		secretName + " StringStartsWith 'web-'":                                                 isFalse,
		secretName + " StringStartsWithIgnoreCase 'web-'":                                       isTrue,
		secretName + " StringNotStartsWith 'Web-'":                                              isFalse,
		secretName + " StringNotStartsWithIgnoreCase 'web-'":                                    isFalse,
		secretName + " StringLike 'W*-?'":                                                       isTrue,
		secretName + " StringLike 'W*-??'":                                                      isFalse,
		secretName + " StringLike '*'":                                                          isTrue,
		secretName + " StringLike 'Web-\\*'":                                                    isFalse,
		secretName + " StringLikeIgnoreCase 'w*'":                                               isTrue,
		secretName + " StringNotLike 'W*'":                                                      isFalse,
		secretName + " StringNotLikeIgnoreCase 'x*'":                                            isTrue,
		secretName + " ForAnyOfAnyValues:StringEquals {'a', 'Web-1'}":                           isTrue,
		secretName + " ForAllOfAnyValues:StringEquals {'a', 'b'}":                               isFalse,
		secretName + " ForAnyOfAllValues:StringNotEquals {'a', 'b'}":                            isTrue,
		secretName + " ForAllOfAllValues:StringNotEquals {'a', 'Web-1'}":                        isFalse,
		"@resource[ Microsoft.keyvault/VAULTS/secrets:NAME ] StringEquals 'Web-1'":              isTrue,
		"@Resource[Microsoft.KeyVault/vaults:name] StringEquals 'kv1'":                          isTrue,
		"((" + ifNotGet + ") OR (" + secretName + " StringEquals 'Web-1'))":                     isTrue,
		"((" + ifNotGet + ") OR (" + secretName + " StringEquals 'db'))":                        isFalse,
		"(" + ifNotGet + " || " + secretName + " StringLike 'W*') && ActionMatches{'*'}":        isTrue,
		"(ActionMatches{'a/b'} OR ActionMatches{'c/d'} OR ActionMatches{'*'})":                  isTrue,
		"ActionMatches{'*'} AND ActionMatches{'*'} AND " + secretName + " StringStartsWith 'x'": isFalse,
		// What is not known is neither equal nor different, and grants nothing.
		newName + " StringEquals 'Web-1'":                                        isUnknown,
		newName + " StringNotEquals 'x'":                                         isUnknown,
		"!(" + newName + " StringEquals 'x')":                                    isUnknown,
		newName + " StringLike '*'":                                              isUnknown,
		"ActionMatches{'*'} OR " + newName + " StringEquals 'x'":                 isTrue,
		"ActionMatches{'*'} AND " + newName + " StringEquals 'x'":                isUnknown,
		"ActionMatches{'a/b'} AND " + newName + " StringEquals 'x'":              isFalse,
		newName + " StringEquals 'x' OR " + secretName + " StringEquals 'Web-1'": isTrue,
	} {
		c, err := parseCondition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.eval(getSecret, known); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestConditionsRefused(t *testing.T) {
	deep := strings.Repeat("(", 100) + "ActionMatches{'*'}" + strings.Repeat(")", 100)
	for text, says := range map[string]string{
		"":                "without a condition",
		" ":               "character 2",
		"true":            "character 1: ActionMatches, an attribute or a parenthesis is expected, not 'true'",
		"(":               "expected, not ''",
		"()":              "expected, not ')'",
		ifNotGet + ")":    "the end is expected",
		"(" + ifNotGet:    "')' is expected",
		ifNotGet + " AND": "expected, not ''",
		ifNotGet + " AND " + ifNotGet + " OR " + ifNotGet: "parentheses must say",
		"ActionMatches{}":                                                 "a value is expected",
		"ActionMatches{'x'}":                                              "takes one action",
		"ActionMatches{'a/b','c/d'}":                                      "takes one action",
		"ActionMatches 'a/b' 'c'":                                         "the end is expected",
		"SubOperationMatches{'x'}":                                        "expected, not 'SubOperationMatches'",
		"@Principal[Microsoft.Directory/x:y] StringEquals 'a'":            "is not supported in conditions",
		"@Resource[Microsoft.KeyVault/vaults/keys:name] StringEquals 'a'": "is not supported in conditions",
		"@Environment[UtcNow] StringEquals 'a'":                           "is not supported in conditions",
		"@Resource[Microsoft.KeyVault/vaults:name":                        "is not supported in conditions",
		secretName:                                       "The operator ''",
		secretName + " Equals 'a'":                       "The operator 'Equals' is not supported",
		secretName + " StringMatches 'a'":                "The operator 'StringMatches' is not supported",
		secretName + " NumericEquals 1":                  "The operator 'NumericEquals'",
		secretName + " GuidEquals " + string(alice):      "The operator 'GuidEquals'",
		secretName + " ForSomeValues:StringEquals {'a'}": "is not supported",
		secretName + " StringEquals {'a','b'}":           "ForAnyOfAnyValues:StringEquals takes several",
		secretName + " StringEquals a":                   "a value is expected, not 'a'",
		secretName + " StringEquals 'a":                  "a value is expected",
		secretName + " StringEquals {'a'":                "',' or '}' is expected",
		secretName + " StringEquals {'a' 'b'}":           "',' or '}' is expected",
		"@Request[Microsoft.Authorization/roleAssignments:PrincipalId] GuidEquals 'x'": "a value is expected",
		deep:                                 "nested too deeply",
		strings.Repeat("!", 100) + "x":       "nested too deeply",
		ifNotGet + strings.Repeat(" ", 9000): "longer than 8192 bytes",
		"\xff":                               "character 1",
		"é":                                  "not 'é'",
	} {
		err := CheckCondition(text, "2.0")
		if f := refused(t, text, err, fault.Invalid, CodeInvalidCondition); !strings.Contains(f.Message, says) {
			t.Errorf("%.100q: %s, want %q", text, f.Message, says)
		}
	}
	for _, version := range []string{"", "1.0", "3.0"} {
		refused(t, version, CheckCondition("ActionMatches{'*'}", version), fault.Invalid, CodeInvalidCondition)
	}
	if err := CheckCondition("", ""); err != nil {
		t.Error(err)
	}
}

// testConditions: a condition counts at every check, and can be changed.
func testConditions(t *testing.T, db *store.DB) {
	a := Assignment{ID: azure.NewGUID(), Scope: scopeOf(t, kv), RoleID: KeyVaultSecretsUser, PrincipalID: alice, PrincipalType: PrincipalServicePrincipal,
		Condition: "(" + ifNotGet + ") OR (" + secretName + " StringStartsWith 'web-')", ConditionVersion: "2.0"}
	put := func(created bool) {
		update(t, db, func(tx *store.Tx) error {
			got, is, err := PutAssignment(tx, a, bob)
			if err == nil && (is != created || got.Condition != a.Condition || got.ConditionVersion != a.ConditionVersion) {
				t.Errorf("created %v: %+v", is, got)
			}
			return err
		})
	}
	ask := func(action string, name string) Decision {
		r := Request{Principals: []azure.ObjectID{alice}, Action: action, Data: true, Scope: scopeOf(t, secret)}
		if name != "" {
			r.Attributes = Attributes{AttributeSecret: name}
		}
		return check(t, db, r)
	}
	put(true)
	if d := ask(getSecret, ""); d.Allowed || !d.Unsettled || d.Reason != Conditional {
		t.Errorf("without the name: %+v", d)
	}
	if d := ask(getSecret, "web-1"); !d.Allowed || !strings.HasSuffix(d.String(), ", and its condition holds: "+a.Condition) {
		t.Errorf("web-1: %s", d)
	}
	if d := ask(getSecret, "db"); d.Allowed || d.Unsettled || !strings.Contains(d.String(), "only under a condition, and it does not hold here: "+a.Condition) {
		t.Errorf("db: %s", d)
	}
	if d := ask("Microsoft.KeyVault/vaults/secrets/readMetadata/action", ""); !d.Allowed {
		t.Errorf("an action that the condition does not concern: %s", d)
	}
	a.Condition = secretName + " StringEquals 'db'"
	put(false)
	if d := ask(getSecret, "web-1"); d.Allowed {
		t.Errorf("after the change: %s", d)
	}
	if d := ask(getSecret, "db"); !d.Allowed {
		t.Errorf("after the change: %s", d)
	}
	put(false)
	a.Condition, a.ConditionVersion = "", ""
	put(false)
	if d := ask(getSecret, ""); !d.Allowed {
		t.Errorf("without a condition: %s", d)
	}
}

// TestDelegation: the condition of Key Vault Data Access Administrator.
func TestDelegation(t *testing.T) {
	role := BuiltInNamed("Key Vault Data Access Administrator")
	for _, c := range []struct {
		action, role string
		request      bool
		want         truth
	}{
		{writeRole, KeyVaultSecretsUser, true, isTrue},
		{writeRole, Owner, true, isFalse},
		{writeRole, KeyVaultSecretsUser, false, isUnknown},
		{"Microsoft.Authorization/roleAssignments/delete", KeyVaultSecretsUser, false, isTrue},
		{"Microsoft.Authorization/roleAssignments/delete", Owner, false, isFalse},
		{"Microsoft.Authorization/roleAssignments/read", Owner, false, isTrue},
	} {
		a := Assignment{RoleID: c.role, PrincipalID: alice, PrincipalType: PrincipalUser}
		if _, _, got := role.judge(Request{Action: c.action, Attributes: a.Attributes(c.request)}); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// FuzzCondition: whatever is read comes to something, and what was settled
// without an attribute stays so whatever the attribute is.
func FuzzCondition(f *testing.F) {
	for _, s := range []string{ifNotGet, "(" + ifNotGet + ") OR (" + secretName + " StringLike 'a*?\\*')", vaultRolesOnly("write", "@Request"), "!(" + newName + " ForAllOfAllValues:StringNotEquals {'a','b'})", "@", "'", "{", "NOT NOT"} {
		f.Add(s, getSecret, "web-1")
	}
	f.Fuzz(func(t *testing.T, text, action, value string) {
		c, err := parseCondition(text)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		}
		every := Attributes{}
		for name := range attributes {
			every[name] = value
		}
		blind, seeing := c.eval(action, nil), c.eval(action, every)
		if seeing == isUnknown || blind != isUnknown && blind != seeing {
			t.Errorf("%q comes to %d, and to %d when all is known", text, blind, seeing)
		}
		if (negation{c}).eval(action, every) == seeing {
			t.Errorf("%q is its own negation", text)
		}
	})
}
