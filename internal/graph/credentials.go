package graph

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
)

// passwordCredential is a password on the wire. The secret is there when it was made.
type passwordCredential struct {
	CustomKeyIdentifier *string `json:"customKeyIdentifier"`
	DisplayName         *string `json:"displayName"`
	EndDateTime         string  `json:"endDateTime"`
	Hint                string  `json:"hint"`
	KeyID               string  `json:"keyId"`
	SecretText          *string `json:"secretText"`
	StartDateTime       string  `json:"startDateTime"`
}

// keyCredential is a certificate on the wire.
type keyCredential struct {
	CustomKeyIdentifier string  `json:"customKeyIdentifier"` // its thumbprint in hexadecimal
	DisplayName         *string `json:"displayName"`
	EndDateTime         string  `json:"endDateTime"`
	Key                 *string `json:"key"` // only where keyCredentials is selected
	KeyID               string  `json:"keyId"`
	StartDateTime       string  `json:"startDateTime"`
	Type                string  `json:"type"`
	Usage               string  `json:"usage"`
}

const credentialTime = "2006-01-02T15:04:05.9999999Z"

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func onWire(c directory.Credential) passwordCredential {
	return passwordCredential{DisplayName: optional(c.DisplayName), EndDateTime: c.EndAt.UTC().Format(credentialTime), Hint: c.Hint, KeyID: c.KeyID, StartDateTime: c.StartAt.UTC().Format(credentialTime)}
}

// credentials are the passwords and certificates of an application, or of its
// service principal.
func (c *call) credentials(app azure.AppID, ofPrincipal bool) (passwords, keys json.RawMessage, err error) {
	all, err := directory.Credentials(c.tx, app)
	if err != nil {
		return nil, nil, err
	}
	p, k := []passwordCredential{}, []keyCredential{}
	for _, one := range all {
		switch {
		case one.OfPrincipal != ofPrincipal:
		case one.Kind == directory.Password:
			p = append(p, onWire(one))
		case one.Kind == directory.Certificate:
			k = append(k, c.key(one))
		}
	}
	return encode(p), encode(k), nil
}

func (c *call) key(one directory.Credential) keyCredential {
	thumbprint, _ := base64.RawURLEncoding.DecodeString(one.Thumbprint)
	k := keyCredential{CustomKeyIdentifier: strings.ToUpper(hex.EncodeToString(thumbprint)), DisplayName: optional(one.DisplayName), EndDateTime: one.EndAt.UTC().Format(credentialTime),
		KeyID: one.KeyID, StartDateTime: one.StartAt.UTC().Format(credentialTime), Type: "AsymmetricX509Cert", Usage: "Verify"}
	if contains(c.query.selected, "keyCredentials") {
		k.Key = optional(base64.StdEncoding.EncodeToString(one.Certificate))
	}
	return k
}

// passwordLife is how long a password is good for where nothing was said.
const passwordLife = 2 // years

// newPassword makes a password as a body describes it: its name and times.
func (c *call) newPassword(app azure.AppID, ofPrincipal bool, described map[string]any) (passwordCredential, error) {
	asked := directory.Credential{AppID: app, OfPrincipal: ofPrincipal, StartAt: c.tx.Now, EndAt: c.tx.Now.AddDate(passwordLife, 0, 0)}
	asked.DisplayName, _ = described["displayName"].(string)
	var err error
	for name, into := range map[string]*time.Time{"startDateTime": &asked.StartAt, "endDateTime": &asked.EndAt} {
		if s, ok := described[name].(string); ok {
			if *into, err = parseTime(s); err != nil {
				return passwordCredential{}, invalidValue(name)
			}
		}
	}
	secret, made, err := directory.MakePassword(c.tx, asked)
	if err != nil {
		return passwordCredential{}, err
	}
	wire := onWire(made)
	wire.SecretText = &secret
	return wire, nil
}

// newPasswords makes the passwords that come with a new application.
func (c *call) newPasswords(app azure.AppID, described any) (made []passwordCredential, err error) {
	list, _ := described.([]any)
	for _, d := range list {
		members, _ := d.(map[string]any)
		if members["secretText"] != nil {
			return nil, fault.New(fault.Invalid, "New password credentials must be generated with service actions.").At("passwordCredentials")
		}
		one, err := c.newPassword(app, false, members)
		if err != nil {
			return nil, err
		}
		made = append(made, one)
	}
	return made, nil
}

// keepPasswords removes the passwords that a list leaves out. New ones are
// made by addPassword only.
func (c *call) keepPasswords(app azure.AppID, ofPrincipal bool, listed any) error {
	var keep []string
	list, _ := listed.([]any)
	for _, l := range list {
		members, _ := l.(map[string]any)
		id, _ := members["keyId"].(string)
		keep = append(keep, azure.Fold(id))
	}
	all, err := directory.Credentials(c.tx, app)
	if err != nil {
		return err
	}
	var there []string
	for _, one := range all {
		if one.Kind != directory.Password || one.OfPrincipal != ofPrincipal {
			continue
		}
		there = append(there, one.KeyID)
		if !slices.Contains(keep, one.KeyID) {
			if err := directory.RemoveCredential(c.tx, app, one.KeyID); err != nil {
				return err
			}
		}
	}
	for _, id := range keep {
		if !slices.Contains(there, id) {
			return fault.New(fault.Invalid, "New password credentials must be generated with service actions.").At("passwordCredentials")
		}
	}
	return nil
}

// setKeys makes the certificates of a body the only ones.
func (c *call) setKeys(app azure.AppID, ofPrincipal bool, listed any) error {
	list, _ := listed.([]any)
	var wanted []directory.Credential
	for _, l := range list {
		members, _ := l.(map[string]any)
		k, err := readKey(members)
		if err != nil {
			return err
		}
		wanted = append(wanted, k)
	}
	err := directory.SetCertificates(c.tx, app, ofPrincipal, wanted)
	if fault.Is(err, fault.Conflict) {
		err = fault.Wrap(err, fault.Invalid, "Another key credential has the same keyId already.").At("keyCredentials")
	}
	return err
}

// readKey reads a keyCredential: a certificate in base64 of its DER or PEM.
func readKey(members map[string]any) (k directory.Credential, err error) {
	k.KeyID, _ = members["keyId"].(string)
	k.DisplayName, _ = members["displayName"].(string)
	for name, into := range map[string]*time.Time{"startDateTime": &k.StartAt, "endDateTime": &k.EndAt} {
		if s, ok := members[name].(string); ok {
			if *into, err = parseTime(s); err != nil {
				return k, invalidValue("keyCredentials." + name)
			}
		}
	}
	kind, hasType := members["type"].(string)
	usage, hasUsage := members["usage"].(string)
	if hasType && kind != "AsymmetricX509Cert" || hasUsage && usage != "Verify" {
		return k, fault.New(fault.Invalid, "A key credential is of type AsymmetricX509Cert and for usage Verify.").At("keyCredentials")
	}
	text, ok := members["key"].(string)
	if !ok {
		return k, nil
	}
	clean := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \r\n\t", r) {
			return -1
		}
		return r
	}, text)
	if k.Certificate, err = base64.StdEncoding.DecodeString(clean); err != nil || len(k.Certificate) == 0 {
		return k, invalidValue("keyCredentials.key")
	}
	if block, _ := pem.Decode(bytes.TrimSpace(k.Certificate)); block != nil {
		k.Certificate = block.Bytes
	}
	return k, nil
}

// holder finds whose credentials the path names: an application's, or those of
// its service principal.
type holder func(c *call) (app azure.AppID, ofPrincipal bool, err error)

func applicationHolder(c *call) (azure.AppID, bool, error) {
	r, err := c.application()
	return r.AppID, false, err
}

func principalHolder(c *call) (azure.AppID, bool, error) {
	o, err := c.writablePrincipal()
	return o.AppID, true, err
}

func addPassword(of holder) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		app, ofPrincipal, err := of(c)
		if err != nil {
			return reply{}, err
		}
		described, _ := c.body["passwordCredential"].(map[string]any)
		var form any
		if err := json.Unmarshal([]byte(formPassword), &form); err != nil {
			return reply{}, err
		}
		if err := conform(form, map[string]any(described), "passwordCredential", 0); err != nil {
			return reply{}, err
		}
		made, err := c.newPassword(app, ofPrincipal, described)
		if err != nil {
			return reply{}, err
		}
		return reply{body: struct {
			Context string `json:"@odata.context"`
			passwordCredential
		}{c.context("microsoft.graph.passwordCredential"), made}}, nil
	}
}

// remove takes a password or a certificate away.
func remove(of holder, kind directory.CredentialKind) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		app, ofPrincipal, err := of(c)
		if err != nil {
			return reply{}, err
		}
		id, err := c.required("keyId")
		if err != nil {
			return reply{}, err
		}
		all, err := directory.Credentials(c.tx, app)
		if err != nil {
			return reply{}, err
		}
		if !slices.ContainsFunc(all, func(one directory.Credential) bool {
			return one.KeyID == azure.Fold(id) && one.Kind == kind && one.OfPrincipal == ofPrincipal
		}) {
			return reply{}, fault.New(fault.Invalid, "No %s credential found with keyId.", strings.ToLower(string(kind))).At("keyId")
		}
		return reply{}, directory.RemoveCredential(c.tx, app, id)
	}
}
