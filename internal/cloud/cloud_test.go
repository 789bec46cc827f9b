package cloud

import (
	"strings"
	"testing"
)

func TestProfiles(t *testing.T) {
	for _, name := range Names() {
		p, err := Lookup(strings.ToLower(name))
		if err != nil || p.Name != name {
			t.Fatalf("%s: %v", name, err)
		}
		for _, host := range p.ExactHosts() {
			if host == "" || !p.Serves(strings.ToUpper(host)+".") {
				t.Errorf("%s does not serve its own %q", name, host)
			}
		}
		if v, ok := p.VaultName("KV1." + p.VaultSuffix); !ok || v != "kv1" {
			t.Errorf("%s: vault %q", name, v)
		}
		for _, host := range []string{p.VaultSuffix, "a.b." + p.VaultSuffix, "." + p.VaultSuffix, "example.org", ""} {
			if p.Serves(host) {
				t.Errorf("%s serves %q", name, host)
			}
		}
		if issuer := p.WorkloadIssuer("t"); issuer != "https://"+p.IssuerHost+"/t/" || !p.Serves(p.IssuerHost) || !strings.HasPrefix(p.TokenExchangeAudience(), "api://AzureADTokenExchange") {
			t.Errorf("%s: issuer %s, audience %s", name, issuer, p.TokenExchangeAudience())
		}
		if _, ok := p.Location(" " + p.Locations[0].DisplayName); !ok {
			t.Errorf("%s: no location %q", name, p.Locations[0].DisplayName)
		}
		if p.Locations[0].Name != p.DefaultLocation() {
			t.Errorf("%s: default location %s", name, p.DefaultLocation())
		}
	}
	if _, err := Lookup("AzureGermanCloud"); err == nil || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("an unknown cloud gives %v", err)
	}
}

func TestService(t *testing.T) {
	p, _ := Lookup("AzureCloud")
	for resource, want := range map[string]string{
		"https://management.azure.com/":        ResourceManager,
		"https://management.azure.com":         ResourceManager,
		"https://management.core.windows.net/": ResourceManager,
		"https://Management.Azure.com/":        ResourceManager,
		"797F4846-ba00-4fd7-ba43-dac1f8f63013": ResourceManager,
		"https://vault.azure.net":              KeyVault,
		"https://vault.azure.net/":             KeyVault,
		"https://graph.microsoft.com/":         Graph,
		"https://graph.windows.net/":           OldGraph,
		"https://management.azure.com//":       "",
		"https://kv1.vault.azure.net":          "",
		"management.azure.com":                 "",
		"":                                     "",
	} {
		if s, _ := p.Service(resource); s.Name != want {
			t.Errorf("%q is %q, want %q", resource, s.Name, want)
		}
	}
	china, _ := Lookup("AzureChinaCloud")
	if s, _ := china.Service("https://management.chinacloudapi.cn/"); s.Name != ResourceManager {
		t.Errorf("China's Resource Manager is %q", s.Name)
	}
	if _, ok := china.Service("https://management.azure.com/"); ok {
		t.Error("China answers for the public cloud")
	}
}
