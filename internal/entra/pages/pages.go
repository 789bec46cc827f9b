// Package pages is what people see of the token service: the pages on which
// they sign in, give consent, enter a device's code and sign out, and the one
// that says what went wrong. It owns the templates, their style sheet and the
// headers that keep anything else out of a page. It decides nothing and
// imports the standard library only.
package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

//go:embed *.html
var sources embed.FS

//go:embed pages.css form_post.js
var assets embed.FS

// Form is what every form of a page carries.
type Form struct {
	Action string // where it is sent
	CSRF   string // binds it to the browser that it was made for
	Sends  string // where the answer may send the browser: a redirect URI, or "" for nowhere else
}

// SignIn asks who somebody is.
type SignIn struct {
	Form
	App      string // that they sign in to, "" where it is not known
	Username string // as typed before, or as the application hints
	UserCode string // of a device, "" elsewhere
	Problem  string // what was wrong before
}

// Pick asks which account to go on with.
type Pick struct {
	Form
	App, Name, Username string
}

// Permission is something that an application asks for.
type Permission struct{ Name, Text string }

// Consent asks whether an application may act for somebody.
type Consent struct {
	Form
	App, Username string
	Permissions   []Permission
}

// Code asks for the code that a device shows.
type Code struct {
	Form
	UserCode, Problem string
}

// Device asks whether a device may sign in as somebody.
type Device struct {
	Form
	App, Username, UserCode string
	Permissions             []Permission // not of our own applications
}

// SignOut asks whether to sign out.
type SignOut struct {
	Form
	Username string
}

// Message tells that something is done.
type Message struct{ Heading, Text string }

// Failure tells why something cannot be done.
type Failure struct {
	Text                                      string // "AADSTS50011: …"
	RequestID, CorrelationID, Timestamp, Code string
}

// Post sends parameters to an application by a form of its own.
type Post struct {
	To     string
	Fields []Field
}

// Field is one of them.
type Field struct{ Name, Value string }

// kinds say which template shows a page, and under which title.
func kind(page any) (name, title string) {
	switch p := page.(type) {
	case SignIn:
		return "signin.html", erroneous(p.Problem) + "Sign in"
	case Pick:
		return "pick.html", "Pick an account"
	case Consent:
		return "consent.html", "Permissions requested"
	case Code:
		return "code.html", erroneous(p.Problem) + "Enter code"
	case Device:
		return "device.html", "Sign in on a device"
	case SignOut:
		return "signout.html", "Sign out"
	case Message:
		return "message.html", p.Heading
	case Failure:
		return "failure.html", "Sign-in trouble"
	case Post:
		return "post.html", "Working"
	}
	panic("pages: no template shows this page")
}

// erroneous begins the title of a page that says what was wrong, so that it is
// what a screen reader says first.
func erroneous(problem string) string {
	if problem == "" {
		return ""
	}
	return "Error: "
}

// AssetPath is the path below which the style sheet and the script are, without slashes at its ends.
const AssetPath = "shared/pages"

// names are those of the assets with the hashes of their contents in them, so
// that a browser may keep them.
var names = map[string]string{}

var templates = parse()

func parse() map[string]*template.Template {
	for _, name := range []string{"pages.css", "form_post.js"} {
		b, err := assets.ReadFile(name)
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(b)
		base, ext, _ := strings.Cut(name, ".")
		names[name] = base + "-" + base64.RawURLEncoding.EncodeToString(sum[:9]) + "." + ext
	}
	all := map[string]*template.Template{}
	list, err := fs.Glob(sources, "*.html")
	if err != nil {
		panic(err)
	}
	functions := template.FuncMap{"asset": func(name string) string { return "/" + AssetPath + "/" + names[name] }}
	for _, name := range list {
		if name != "layout.html" {
			all[name] = template.Must(template.New("layout.html").Funcs(functions).ParseFS(sources, "layout.html", name))
		}
	}
	return all
}

// Write answers with a page.
func Write(w http.ResponseWriter, status int, page any) error {
	name, title := kind(page)
	var b bytes.Buffer
	if err := templates[name].Execute(&b, struct {
		Title string
		Page  any
	}{title, page}); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy(page))
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // with none at all, browsers leave the Origin out of forms
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "-1")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	w.Write(b.Bytes()) // a peer that went away is not our failure
	return nil
}

// policy lets a page have our style sheet and send its form to us. A browser
// holds the answer's redirect against it, too, so the application that it may
// go to is named. Only the page that sends itself has a script: ours.
func policy(page any) string {
	p := "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "
	switch page := page.(type) {
	case Post:
		return strings.Replace(p, "; form-action ", "; script-src 'self'; form-action ", 1) + source(page.To)
	case Message, Failure:
		return p + "'none'"
	case interface{ sends() string }:
		if to := page.sends(); to != "" {
			return p + "'self' " + source(to)
		}
	}
	return p + "'self'"
}

func (f Form) sends() string { return f.Sends }

// source is an address as a policy names it: its origin, or its scheme where
// it has no host.
func source(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || strings.ContainsAny(u.Host, ";, '\"*"):
		return "'none'"
	case u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}

// Asset answers with the style sheet or the script, and reports whether there
// is one of this name.
func Asset(w http.ResponseWriter, name string) bool {
	for file, known := range names {
		if name != known {
			continue
		}
		b, err := assets.ReadFile(file)
		if err != nil {
			return false
		}
		media := "text/css; charset=utf-8"
		if strings.HasSuffix(file, ".js") {
			media = "text/javascript; charset=utf-8"
		}
		w.Header().Set("Content-Type", media)
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		w.WriteHeader(http.StatusOK)
		w.Write(b)
		return true
	}
	return false
}
