package entra

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"

	"midas/internal/directory"
	"midas/internal/entra/pages"
	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/wire"
)

// Names of the cookies. Their prefix makes browsers take them from this host
// only, over TLS only, and for all of its paths.
const (
	sessionCookie = "__Host-midas-session" // who is signed in
	browserCookie = "__Host-midas-browser" // which browser a form was made for
)

// visit is one request of a browser for a page.
type visit struct {
	*Door
	w       http.ResponseWriter
	r       *http.Request
	session directory.Session // zero where nobody is signed in
	ticket  string            // of the session
	browser string
	form    url.Values // what a form of ours sent, nil where none did
}

// maxPageForm bounds what a page's form sends.
const maxPageForm = 64 << 10

// page answers a browser: with a page even where something is wrong.
func (d *Door) page(w http.ResponseWriter, r *http.Request, serve func(*visit) error) error {
	err := d.visit(w, r, serve)
	if err == nil {
		return nil
	}
	f := failureOf(err)
	e := d.envelope(r, f)
	wire.EventOf(r.Context()).Code = f.code()
	if failed := pages.Write(w, f.row.status, pages.Failure{Text: f.code() + ": " + f.text, Code: f.code(), RequestID: e.TraceID, CorrelationID: e.CorrelationID, Timestamp: e.Timestamp}); failed != nil {
		return failed
	}
	return err // for the log: the answer is written
}

func (d *Door) visit(w http.ResponseWriter, r *http.Request, serve func(*visit) error) error {
	v := &visit{Door: d, w: w, r: r}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		return wrongMethod.with("GET", r.Method)
	}
	if err := v.recognize(); err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		form, err := readPageForm(r)
		if err != nil {
			return err
		}
		v.form = form
	}
	return serve(v)
}

// readPageForm reads what a form sent.
func readPageForm(r *http.Request) (url.Values, error) {
	body, err := wire.Body(r, maxPageForm)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidInput.with("the body is not a form.")
	}
	return form, nil
}

// recognize finds the browser and who is signed in in it.
func (v *visit) recognize() error {
	if c, err := v.r.Cookie(browserCookie); err == nil && len(c.Value) == 43 {
		v.browser = c.Value
	} else {
		var b [32]byte
		rand.Read(b[:])
		v.browser = base64.RawURLEncoding.EncodeToString(b[:])
		v.setCookie(browserCookie, v.browser)
	}
	c, err := v.r.Cookie(sessionCookie)
	if err != nil || c.Value == "" {
		return nil
	}
	err = v.DB.View(v.r.Context(), func(tx *store.Tx) (err error) {
		v.session, err = directory.SessionByTicket(tx, c.Value)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err == nil {
		v.ticket = c.Value
		wire.EventOf(v.r.Context()).Caller = string(v.session.User.ID)
	}
	return err
}

// signedIn reports whether somebody is.
func (v *visit) signedIn() bool { return v.ticket != "" }

// setCookie gives the browser a cookie for as long as it is open. Lax: who
// comes from an application's page is recognized, what is sent from there is not.
func (v *visit) setCookie(name, value string) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// csrf is what a form of ours carries: only this browser's own pages know it.
func (v *visit) csrf() string {
	mac := hmac.New(sha256.New, []byte(v.browser))
	mac.Write([]byte("midas.csrf.1\x00" + v.ticket))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// own reports whether what was sent is from a form of ours, in this browser.
func (v *visit) own() bool {
	sameOrigin := http.NewCrossOriginProtection().Check(v.r) == nil
	return sameOrigin && hmac.Equal([]byte(v.form.Get("csrf")), []byte(v.csrf()))
}

// formOf is what every form of a page carries. sends is where its answer may
// lead besides our own pages.
func (v *visit) formOf(action, sends string) pages.Form {
	return pages.Form{Action: action, CSRF: v.csrf(), Sends: sends}
}

// enter signs somebody in in this browser, with a session of its own: what a
// browser had before is worth nothing after that.
func (v *visit) enter(user directory.Principal) error {
	var ticket string
	err := v.DB.Update(v.r.Context(), func(tx *store.Tx) (err error) {
		if v.ticket != "" {
			if err := directory.EndSession(tx, v.ticket); err != nil {
				return err
			}
		}
		ticket, err = directory.CreateSession(tx, user.ID)
		v.session = directory.Session{User: user, SignedInAt: tx.Now}
		return err
	})
	if err != nil {
		return err
	}
	v.ticket = ticket
	v.setCookie(sessionCookie, ticket)
	return nil
}

// leave signs out.
func (v *visit) leave() error {
	ticket := v.ticket
	v.ticket, v.session = "", directory.Session{}
	v.setCookie(sessionCookie, "")
	return v.DB.Update(v.r.Context(), func(tx *store.Tx) error { return directory.EndSession(tx, ticket) })
}

// redirect sends the browser on with a GET, whatever it came with.
func (v *visit) redirect(to string) error {
	noStore(v.w.Header())
	v.w.Header().Set("Location", to)
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// trySignIn checks what was typed into a sign-in page. Where it is wrong, the
// problem says so in words for people, and the status is that of the failure.
func (v *visit) trySignIn() (problem string, status int, err error) {
	wire.EventOf(v.r.Context()).Operation = "signin"
	user, err := v.signIn(v.r.Context(), v.form.Get("username"), v.form.Get("password"))
	if err == nil {
		return "", 0, v.enter(user)
	}
	f, ok := errors.AsType[*failure](err)
	if !ok {
		return "", 0, err
	}
	texts := map[aadsts]string{
		wrongPassword:  "Your user name or password is incorrect.",
		tooManyGuesses: "There were too many wrong passwords. Wait a few minutes, then try again.",
		userDisabled:   "Your account is disabled. Ask your administrator.",
	}
	problem, ok = texts[f.number]
	if !ok {
		return "", 0, err
	}
	wire.EventOf(v.r.Context()).Code = f.code()
	return problem, http.StatusOK, nil
}
