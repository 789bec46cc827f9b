package arm_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/store"
)

// names reads the names in a list, over all its pages, following nextLink as
// clients do: as it is.
func (w *world) names(t *testing.T, as, do string) (names list, pages int) {
	t.Helper()
	r := w.request(as, do, "")
	for {
		a := w.send(t, r)
		if a.status != 200 {
			t.Fatalf("%s: %d %s", do, a.status, a.body)
		}
		var page struct {
			Value []struct {
				ID   string
				Name string
			}
			NextLink string
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || page.Value == nil {
			t.Fatalf("%s: %v %s", do, err, a.body)
		}
		for _, v := range page.Value {
			names = append(names, v.Name)
		}
		pages++
		if page.NextLink == "" {
			return names, pages
		}
		if !strings.HasPrefix(page.NextLink, "https://management.azure.com/subscriptions/") {
			t.Fatalf("the next link is %s", page.NextLink)
		}
		next := httptest.NewRequest(http.MethodGet, page.NextLink, nil)
		next.Header.Set("Authorization", r.Header.Get("Authorization"))
		r = next
	}
}

// TestListsShowWhatMayBeRead: each caller sees its own part, at every scope.
func TestListsShowWhatMayBeRead(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg10", "rg2")
	for _, id := range []string{"$RG/providers/$VMS/vm1", "$RG/providers/$VMS/vm2", "$SUB/resourceGroups/rg10/providers/$VMS/vm10", "$SUB/resourceGroups/rg2/providers/$VMS/vm3"} {
		w.run(t, []step{{do: "PUT " + id, body: `{"location":"westus"}`, want: 201}})
	}
	w.run(t, []step{{do: "PUT $RG/providers/$IDS/id1", body: `{"location":"westus"}`, want: 201}})
	const vmContributor = "9980e02c-c2be-4d73-94e8-173b1dc7cf3c"
	for _, c := range []struct {
		name, role, scope string
		groups, resources list
		machines          list
	}{
		{name: "nothing"},
		{"reader of one group", rbac.Reader, "$RG", list{"rg1"}, list{"vm1", "vm2", "id1"}, list{"vm1", "vm2"}},
		{"reader of one machine", rbac.Reader, "$RG/providers/$VMS/vm2", nil, list{"vm2"}, list{"vm2"}},
		{"machines of one group", vmContributor, "$RG", list{"rg1"}, list{"vm1", "vm2"}, list{"vm1", "vm2"}},
		{"everything", rbac.Reader, "$SUB", list{"rg1", "rg10", "rg2"}, list{"vm1", "vm2", "id1", "vm10", "vm3"}, list{"vm1", "vm2", "vm10", "vm3"}},
		{"a data role", "4633458b-17de-408a-b874-0445c86b69e6", "$SUB", nil, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.revoke("app")
			if c.role != "" {
				w.grant("app", c.role, c.scope)
			}
			for do, want := range map[string]list{"GET $SUB/resourceGroups": c.groups, "GET $SUB/resources": c.resources} {
				got, _ := w.names(t, "app", do)
				if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
					t.Errorf("%s\n%s", do, diff)
				}
			}
			if c.machines == nil {
				w.run(t, []step{{as: "app", do: "GET $SUB/providers/$VMS", want: 403, code: "AuthorizationFailed", has: list{"Microsoft.Compute/virtualMachines/read"}}})
				return
			}
			got, _ := w.names(t, "app", "GET $SUB/providers/$VMS")
			if diff := cmp.Diff(sorted(c.machines), sorted(got)); diff != "" {
				t.Error(diff)
			}
			inGroup, _ := w.names(t, "app", "GET $RG/providers/$VMS")
			if diff := cmp.Diff(sorted(without(c.machines, "vm10", "vm3")), sorted(inGroup)); diff != "" {
				t.Error(diff)
			}
			if c.scope != "$SUB" {
				w.run(t, []step{
					{as: "app", do: "GET $SUB/resourceGroups/rg10/providers/$VMS", want: 403, code: "AuthorizationFailed"},
					{as: "app", do: "GET $SUB/resourceGroups/rg10/resources", want: 403, code: "AuthorizationFailed"},
				})
			}
		})
	}
	w.run(t, []step{
		{do: "GET $SUB/resources?$V&$filter=resourceGroup eq 'RG10'", want: 200, has: list{`"id":"$SUB/resourceGroups/rg10/providers/Microsoft.Compute/virtualMachines/vm10","name":"vm10","type":"Microsoft.Compute/virtualMachines","location":"westus","tags":{}`}, hasNot: list{"properties", "rg1/"}},
	})
}

func sorted(s list) list { return slices.Sorted(slices.Values(s)) }

func without(s list, gone ...string) list {
	return slices.DeleteFunc(slices.Clone(s), func(v string) bool { return slices.Contains(gone, v) })
}

// TestFilters are the filters that az and the portal send (az-cli.md 5.3, 5.4).
func TestFilters(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg2")
	w.run(t, []step{
		{do: "PUT $RG/providers/$VMS/web", body: `{"location":"westus","tags":{"Env":"Prod","team":"blue"}}`, want: 201},
		{do: "PUT $SUB/resourceGroups/rg2/providers/$VMS/db", body: `{"location":"eastus","tags":{"env":"test"}}`, want: 201},
		{do: "PUT $RG/providers/$KVS/kv-one", body: vaultBody, want: 200},
		{do: "PUT $SUB/resourceGroups/rg2/providers/$KVS/kv-two", body: vaultBody, want: 200},
		{do: "PATCH $RG", body: `{"tags":{"env":"Prod"}}`, want: 200},
	})
	for _, c := range []struct {
		filter string
		want   list
	}{
		{"", list{"db", "kv-one", "kv-two", "web"}},
		{"resourceType eq 'Microsoft.KeyVault/vaults'", list{"kv-one", "kv-two"}},
		{"resourceType eq 'microsoft.keyvault/VAULTS' and name eq 'KV-two'", list{"kv-two"}},
		{"resourceType+eq+'Microsoft.KeyVault/vaults'", list{"kv-one", "kv-two"}},
		{"resourceType eq 'Microsoft.Network/virtualNetworks'", nil},
		{"resourceType ne 'Microsoft.KeyVault/vaults'", list{"db", "web"}},
		{"resourceGroup eq 'RG2'", list{"db", "kv-two"}},
		{"tagname eq 'env' and tagvalue eq 'Prod'", list{"web"}},
		{"tagName eq 'ENV' and tagValue eq 'prod'", nil}, // values keep their case
		{"tagName eq 'env'", list{"db", "web"}},
		{"tagName eq 'team' and tagValue eq 'Prod'", nil}, // of the same tag
		{"startswith(tagname, 'te')", list{"web"}},
		{"substringof('ONE', name)", list{"kv-one"}},
		{"location eq 'eastus'", list{"db"}},
		{"name eq 'it''s'", nil},
	} {
		got, _ := w.names(t, "", "GET $SUB/resources?$V&$expand=createdTime,changedTime,provisioningState&$filter="+c.filter)
		if diff := cmp.Diff(sorted(c.want), sorted(got)); diff != "" {
			t.Errorf("%s\n%s", c.filter, diff)
		}
	}
	groups, _ := w.names(t, "", "GET $SUB/resourcegroups?$V&$filter=tagName eq 'env' and tagValue eq 'Prod'")
	if diff := cmp.Diff(list{"rg1"}, groups); diff != "" {
		t.Error(diff)
	}
	for _, filter := range []string{"nonsense", "name eq web", "name eq 'web", "name gt 'a'", "name eq 'a' or name eq 'b'", "name eq 'a' and", "and", "size eq 'x'", "(name eq 'a')", "substringof('a' name)", strings.Repeat("name eq 'a' and ", 20) + "name eq 'a'"} {
		for _, do := range []string{"GET $SUB/resources", "GET $RG/resources", "GET $SUB/resourceGroups"} {
			w.run(t, []step{{do: do + "?$V&$filter=" + filter, want: 400, code: "InvalidFilterInQueryString"}})
		}
	}
}

// TestPaging follows nextLink over 25 machines, with and without a filter.
func TestPaging(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	var all, even list
	for i := range 25 {
		name := fmt.Sprintf("vm%02d", i)
		all = append(all, name)
		if i%2 == 0 {
			even = append(even, name)
		}
		w.run(t, []step{{do: "PUT $RG/providers/$VMS/" + name, body: fmt.Sprintf(`{"location":"westus","tags":{"even":"%t"}}`, i%2 == 0), want: 201}})
	}
	for _, c := range []struct {
		do    string
		want  list
		pages int
	}{
		{"GET $RG/providers/$VMS", all, 1},
		{"GET $RG/providers/$VMS?$V&$top=10", all, 3},
		{"GET $SUB//providers/$VMS/?$V&$TOP=24", all, 2},
		{"GET $SUB/providers/$VMS?$V&$top=25", all, 1},
		{"GET $SUB/resources?$V&$top=1", all, 25},
		{"GET $SUB/resources?$V&$top=5&$filter=tagName eq 'even' and tagValue eq 'true'", even, 3},
		{"GET $SUB/resourceGroups?$V&$top=1", list{"rg1"}, 1},
		{"GET $SUB/resources?$V&$top=5000", all, 1},
	} {
		got, pages := w.names(t, "", c.do)
		if diff := cmp.Diff(c.want, got); diff != "" || pages != c.pages {
			t.Errorf("%s: %d pages\n%s", c.do, pages, diff)
		}
	}
	for _, top := range []string{"0", "-1", "ten", "1e3", "99999999999999999999"} {
		w.run(t, []step{{do: "GET $SUB/resources?$V&$top=" + top, want: 400, code: "InvalidTopInQueryString"}})
	}
	for _, token := range []string{"!", "AAAA", "_w", "garbage"} {
		w.run(t, []step{{do: "GET $SUB/resources?$V&$skiptoken=" + token, want: 400, code: "InvalidSkipToken"}})
	}
}

// TestPagingOverManyThatAreLeftOut: rows that a filter leaves out do not end a
// list early, however many there are, nor keep it from ending.
func TestPagingOverManyThatAreLeftOut(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const rows = 2500 // more than two of the store's pages
	w.update(func(tx *store.Tx) error {
		for i := range rows {
			tags := map[string]string{}
			if i == 0 || i == rows-1 {
				tags["end"] = "yes"
			}
			if i == 0 {
				tags["first"] = "yes"
			}
			id := mustID(t, w.expand(fmt.Sprintf("$RG/providers/$VMS/vm%04d", i)))
			if err := resource.Put(tx, &resource.Resource{ID: id, Location: "westus", Tags: tags, Properties: json.RawMessage("{}")}); err != nil {
				return err
			}
		}
		return nil
	})
	for top, pages := range map[string]int{"1": 2, "2": 1, "1000": 1} {
		got, n := w.names(t, "", "GET $SUB/resources?$V&$filter=tagName eq 'end'&$top="+top)
		if diff := cmp.Diff(list{"vm0000", "vm2499"}, got); diff != "" || n != pages {
			t.Errorf("$top=%s: %d pages\n%s", top, n, diff)
		}
	}
	first, pages := w.names(t, "", "GET $SUB/resources?$V&$filter=tagName eq 'first'&$top=1")
	if diff := cmp.Diff(list{"vm0000"}, first); diff != "" || pages != 1 {
		t.Errorf("%d pages\n%s", pages, diff)
	}
	all, pages := w.names(t, "", "GET $SUB/providers/$VMS")
	if len(all) != rows || pages != 3 {
		t.Errorf("%d machines on %d pages", len(all), pages)
	}
}
