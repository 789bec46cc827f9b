package graph

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"midas/internal/fault"
)

// sample is an application to filter.
func sample() *entity {
	return &entity{of: applications, members: map[string]json.RawMessage{
		"displayName": encode("O'Shop <1>"), "appId": encode("aaaaaaaa-0000-4000-8000-000000000001"), "identifierUris": encode([]string{"api://a", "https://b/c"}),
		"createdDateTime": encode("2031-02-03T04:05:06Z"), "isFallbackPublicClient": encode(true), "notes": json.RawMessage(`null`),
		"appRoles": json.RawMessage(`[{"id":"1","value":"Orders.Read","isEnabled":true}]`),
		"web":      json.RawMessage(`{"homePageUrl":"https://shop.example","implicitGrantSettings":{"enableIdTokenIssuance":true}}`),
		"api":      json.RawMessage(`{"requestedAccessTokenVersion":2}`),
	}}
}

func TestFilter(t *testing.T) {
	for filter, want := range map[string]bool{
		`displayName eq 'o''shop <1>'`:                                             true,
		`displayName eq 'O''Shop'`:                                                 false,
		`displayName ne 'x'`:                                                       true,
		`startswith(displayName,'o''')`:                                            true,
		`startsWith(displayName, 'O''SHOP')`:                                       true,
		`endswith(displayName,'<1>')`:                                              true,
		`not(startswith(displayName,'x'))`:                                         true,
		`not startswith(displayName,'o')`:                                          false,
		`identifierUris/any(s:s eq 'api://a')`:                                     true,
		`identifierUris/any(s:s eq 'api://z')`:                                     false,
		`identifierUris/any(s:startswith(s,'https:'))`:                             true,
		`identifierUris/any(s:s eq 'x' or s eq 'https://b/c')`:                     true,
		`appRoles/any(r:r/value eq 'orders.read' and r/isEnabled eq true)`:         true,
		`appRoles/any(r:r/value eq 'orders.read' and r/isEnabled eq false)`:        false,
		`displayName eq 'x' or isFallbackPublicClient eq true and notes eq null`:   true,
		`(displayName eq 'x' or isFallbackPublicClient eq true) and notes ne null`: false,
		`displayName in ('a','o''shop <1>')`:                                       true,
		`displayName in ('a')`:                                                     false,
		`createdDateTime ge 2031-02-03T00:00:00Z`:                                  true,
		`createdDateTime lt 2031-02-03T04:05:06Z`:                                  false,
		`createdDateTime le 2031-02-03T05:05:06+01:00`:                             true,
		`web/homePageUrl eq 'https://shop.example'`:                                true,
		`web/implicitGrantSettings/enableIdTokenIssuance eq true`:                  true,
		`api/requestedAccessTokenVersion gt 1`:                                     true,
		`api/requestedAccessTokenVersion eq 1`:                                     false,
		`notes eq null`:                                                            true,
		`APPID EQ 'AAAAAAAA-0000-4000-8000-000000000001'`:                          true,
		"  displayName\teq\n'o''shop <1>'  ":                                       true,
	} {
		e, err := parseFilter(filter)
		if err == nil {
			err = applications.check(e, true)
		}
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		if got, err := sample().matches(e); err != nil || got != want {
			t.Errorf("%s: %v, %v", filter, got, err)
		}
	}
}

func TestFilterRefused(t *testing.T) {
	for _, filter := range []string{
		``, `displayName`, `displayName eq`, `eq 'x'`, `displayName eq 'x`, `displayName eq x`, `displayName eq 'x' and`, `(displayName eq 'x'`, `displayName eq 'x')`,
		`displayName like 'x'`, `contains(displayName,'x')`, `startswith(displayName)`, `startswith(,'x')`, `displayName in ()`, `displayName in 'x'`, `displayName in ('x',)`,
		`colour eq 'x'`, `web/colour eq 'x'`, `displayName/x eq 'x'`, `identifierUris eq 'x'`, `web eq null`, `isFallbackPublicClient eq 'true'`, `isFallbackPublicClient gt true`,
		`displayName gt 'x'`, `createdDateTime ge 'yesterday'`, `api/requestedAccessTokenVersion eq 'x'`, `displayName/any(c:c eq 'x')`, `identifierUris/any(c:d eq 'x')`,
		`identifierUris/any(c c eq 'x')`, `identifierUris/any()`, `identifierUris/any(c:c/x eq 'x')`, `identifierUris/any(c:not(c eq 'x'))`, `owners/$count eq 0`,
		"displayName eq '\x00'", "displayName eq '\xff'", strings.Repeat("(", 100) + "x", strings.Repeat("not ", 100) + "notes eq null", `displayName eq '` + strings.Repeat("x", maxFilter) + `'`,
		strings.TrimSuffix(strings.Repeat("notes eq null or ", 600), " or "), `notes in (` + strings.Repeat("'x',", 600) + `'x')`,
	} {
		e, err := parseFilter(filter)
		if err == nil {
			err = applications.check(e, true)
		}
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%.60q gives %v", filter, err)
		}
	}
	for _, filter := range []string{`displayName ne 'x'`, `not(notes eq null)`, `endswith(displayName,'x')`, `notes eq null and displayName ne 'x'`} {
		e, err := parseFilter(filter)
		if err != nil {
			t.Fatal(err)
		}
		if err := applications.check(e, false); err == nil || !strings.Contains(err.Error(), "ConsistencyLevel") {
			t.Errorf("%s without the header: %v", filter, err)
		}
	}
}

// TestNarrow holds that what an index is asked for is what every match has.
func TestNarrow(t *testing.T) {
	for filter, want := range map[string]string{
		`appId eq 'a'`: "map[appid:a]",
		`appId eq 'a' and startswith(displayName,'x')`:          "map[appid:a]",
		`appId eq 'a' or displayName eq 'b'`:                    "map[]",
		`not(appId eq 'a')`:                                     "map[]",
		`servicePrincipalNames/any(c:c eq 'x')`:                 "map[serviceprincipalnames:x]",
		`servicePrincipalNames/any(c:c eq 'x' or c eq 'y')`:     "map[]",
		`servicePrincipalNames/any(c:startswith(c,'x'))`:        "map[]",
		`id eq 'a' and (userPrincipalName eq 'b' or id eq 'c')`: "map[id:a]",
		`appId eq null`: "map[]",
	} {
		e, err := parseFilter(filter)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(narrow(e, nil)); got != want {
			t.Errorf("%s: %s", filter, got)
		}
	}
}

// FuzzFilter wants the parser and what follows it to end, without a panic, and
// a filter that was narrowed to match only what it was narrowed to.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`displayName eq 'x'`, `startswith(displayName,'it''s')`, `identifierUris/any(s:s eq 'api://a')`, `not(a in ('b','c')) and (d gt 1 or e eq null)`,
		`createdDateTime ge 2031-02-03T04:05:06Z`, `appRoles/any(r:r/value eq 'a' and r/isEnabled eq true)`, `'`, `((`, `a/any(b:`, "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := parseFilter(s)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if applications.check(e, true) != nil {
			return
		}
		one := sample()
		ok, err := one.matches(e)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if at, narrowed := narrow(e, nil)["appid"]; ok && narrowed && !strings.EqualFold(at, "aaaaaaaa-0000-4000-8000-000000000001") {
			t.Fatalf("%q matches and is narrowed to %q", s, at)
		}
	})
}

// FuzzBody wants a body to be refused or to come back as what it was.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{}`, `{"displayName":"x","web":{"redirectUris":["a"]}}`, `{"appRoles":[{"id":"x"}]}`, `[]`, `null`, `{"a":1}{`, "{\"a\":\"\\u0000\"}", `{"tags":null}`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		body, err := parseBody(b)
		if err != nil {
			return
		}
		ch, err := (&call{body: body}).changes(applications, true)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%q: %v", b, err)
			}
			return
		}
		merged, err := ch.onto([]byte(`{"web":{"homePageUrl":"x"}}`))
		if err != nil {
			return
		}
		members, err := given(merged)
		if err != nil {
			t.Fatalf("%q became %q: %v", b, merged, err)
		}
		e := entity{of: applications, members: members}
		shown, err := e.render(nil, true, "", nil)
		if err != nil || !json.Valid(shown) {
			t.Fatalf("%q is shown as %q: %v", b, shown, err)
		}
	})
}

// FuzzBatch and FuzzPath want what comes from outside to be refused or to be whole.
func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"requests":[{"id":"1","method":"GET","url":"/me","dependsOn":["2"]},{"id":"2","method":"POST","url":"/users","body":{}}]}`))
	f.Add([]byte(`{"requests":[{"id":"1","method":"GET","url":"/me","dependsOn":["x"]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parseBatch(b)
		if err == nil && (len(all) == 0 || len(all) > maxBatch) {
			t.Fatalf("%q gives %d requests", b, len(all))
		}
	})
}

// FuzzPath takes paths apart.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"applications(appId='x')", "users('it''s')", "users('x'", "users()", "a(b=c)"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seg string) {
		parts, err := splitKeys([]string{seg})
		if err == nil && strings.Contains(seg, "(") && (len(parts) != 2 || parts[1].key == nil) {
			t.Fatalf("%q gives %v", seg, parts)
		}
	})
}
