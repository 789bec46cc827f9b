package midas

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"midas/internal/control"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/sts"
)

// tls is how the front port greets: our certificate whatever the name, and
// HTTP/2 as Azure's own front doors have it.
func (s *Server) tls() *tls.Config {
	return &tls.Config{GetCertificate: s.ca.Certificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
}

// Client returns a client that calls the front port by the cloud's own names.
func (s *Server) Client() *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.ca.CAPEM())
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.front.Addr().String())
		},
	}}
}

// answers returns once every door answers: each refuses a request without a
// token in its own way, and the token service shows its signing keys.
func (s *Server) answers(ctx context.Context) error {
	client := s.Client()
	defer client.CloseIdleConnections()
	for url, want := range map[string]int{
		s.profile.Authority(s.ids.tenant) + "/discovery/v2.0/keys":            http.StatusOK,
		s.profile.ResourceManager() + "/subscriptions":                        http.StatusUnauthorized,
		s.profile.VaultURI("any") + "secrets":                                 http.StatusUnauthorized,
		s.profile.V1Issuer(s.ids.tenant) + ".well-known/openid-configuration": http.StatusOK,
	} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
	}
	return nil
}

// caller is the operator with one token, as a client of our own doors.
type caller struct {
	client *http.Client
	token  string
}

// do sends a body and decodes the answer.
func (c caller) do(ctx context.Context, method, url string, body, into any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(content))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// operatorClient is the public client that the operator's tokens are issued
// to: the Azure CLI's, as a token of `az account get-access-token` has it.
const operatorClient = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

// operatorToken issues a token for the operator. Who may open the control
// socket is the operator.
func (s *Server) operatorToken(ctx context.Context, resource string) (control.Token, error) {
	var grant sts.Grant
	err := s.db.View(ctx, func(tx *store.Tx) error {
		operator, err := directory.PrincipalByID(tx, s.ids.operator)
		if err != nil {
			return err
		}
		audience, version, err := sts.Audience(tx, s.profile, s.ids.tenant, resource)
		grant = sts.Grant{Principal: operator, Client: operatorClient, ClientAuth: sts.ClientAuthNone, Audience: audience, Version: version, Lifetime: sts.LifetimeUser}
		return err
	})
	if err != nil {
		return control.Token{}, err
	}
	t, err := s.sts.Issue(ctx, grant)
	return control.Token{AccessToken: t.Raw, ExpiresOn: t.ExpiresAt.Unix(), TokenType: "Bearer", Resource: resource}, err
}
