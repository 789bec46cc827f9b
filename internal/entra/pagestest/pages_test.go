package pagestest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"midas/internal/directory"
)

// typed presses keys, whatever has the focus.
func typed(keys ...string) act { return chromedp.KeyEvent(strings.Join(keys, "")) }

// focused waits until what is to have the focus has it: a key that is pressed
// before goes nowhere.
var focused = chromedp.WaitReady(chromedp.CSS(`:root:not(:has([autofocus])), :root:has([autofocus]:focus)`))

// heading waits for a page by its heading.
func heading(text string) act {
	return chromedp.Steps(chromedp.WaitVisible(fmt.Sprintf(`//h1[contains(., %q)]`, text)), focused)
}

// problem waits for a page that says what was wrong.
var problem = chromedp.Steps(chromedp.WaitVisible(chromedp.CSS(`#problem:not(:empty)`)), focused)

// TestSignInByKeyboard goes from an application to the pages and back without
// a mouse, to one that takes the answer in its address and one in a form.
func TestSignInByKeyboard(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	b.run(chromedp.Navigate(w.request(cliID)), heading("Sign in"))
	b.shoot("sign-in")
	if got := eval[string](b, `document.activeElement.id`); got != "username" {
		t.Errorf("the focus is on %q", got)
	}
	b.run(typed(ada, kb.Tab))
	if got := eval[string](b, `getComputedStyle(document.activeElement).outlineStyle + " " + document.activeElement.id`); got != "solid password" {
		t.Errorf("what has the focus looks %q", got)
	}
	b.run(typed(password, kb.Enter))
	if got := b.arrived(); got.Get("code") == "" || got.Get("state") != "a state" {
		t.Errorf("the application gets %v", got)
	}
	b.quiet()

	// An application that is not ours asks first; the answer comes by a form.
	b.run(chromedp.Navigate(w.request(shopID, "response_mode", "form_post")), heading("Permissions requested"))
	b.shoot("consent")
	if got := b.text(".permissions"); !strings.Contains(got, "Access Azure Resource Manager as you") || !strings.Contains(got, "Sign you in") {
		t.Errorf("it asks for %q", got)
	}
	b.run(typed(kb.Tab))
	if got := eval[string](b, `document.activeElement.textContent`); got != "Cancel" {
		t.Errorf("the first choice is %q", got)
	}
	b.run(typed(kb.Tab, kb.Enter))
	if got := b.arrived(); got.Get("code") == "" || got.Get("state") != "a state" {
		t.Errorf("the application gets %v", got)
	}
	b.quiet()

	b.run(chromedp.Navigate(w.request(cliID, "prompt", "select_account")), heading("Pick an account"))
	b.shoot("pick")
	b.run(typed(kb.Enter))
	b.arrived()
	b.run(chromedp.Navigate(login+"/common/oauth2/v2.0/logout"), heading("Sign out"))
	b.shoot("sign-out")
	b.run(typed(kb.Enter), heading("You signed out"))
	b.quiet()
}

// badRequest is how the browser notes a page that is an answer with this status.
const badRequest = "network: Failed to load resource: the server responded with a status of 400 (Bad Request)"

// try types a password on a sign-in page and waits for the page that answers.
func (b *browser) try(password string) {
	b.Helper()
	eval[string](b, `document.documentElement.dataset.page = "old"`)
	b.run(typed(password, kb.Enter), chromedp.WaitReady(chromedp.CSS(`html:not([data-page]) #password:focus`)))
}

// TestMistakes: what is wrong is said where a screen reader says it first, and
// the name that was typed stays.
func TestMistakes(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	b.run(chromedp.Navigate(w.request(cliID)), heading("Sign in"), typed(ada, kb.Tab, "wrong", kb.Enter), problem)
	b.shoot("wrong-password")
	if got := b.text("#problem"); got != "Your user name or password is incorrect." {
		t.Errorf("it says %q", got)
	}
	if got := eval[string](b, `[document.title, document.activeElement.id, username.value, password.value, password.getAttribute("aria-describedby"), problem.getAttribute("role")].join("|")`); got != "Error: Sign in - Midas|password|"+ada+"||problem|alert" {
		t.Errorf("the page is %q", got)
	}
	for range 9 {
		b.try("wrong")
	}
	b.try(password)
	b.shoot("locked-out")
	if got := b.text("#problem"); !strings.HasPrefix(got, "There were too many wrong passwords.") {
		t.Errorf("it says %q", got)
	}
	w.ahead.Add(int64(time.Minute))
	b.run(typed(password, kb.Enter))
	if got := b.arrived(); got.Get("code") == "" {
		t.Errorf("after the lock: %v", got)
	}
	b.quiet()
	b.run(chromedp.Navigate(w.request(cliID, "redirect_uri", "https://evil.example/")), heading("Sign in"))
	b.shoot("failure")
	if got := b.text(".detail"); !strings.HasPrefix(got, "AADSTS50011: ") {
		t.Errorf("it says %q", got)
	}
	b.quiet(badRequest)
}

// TestDevice enters a code by keyboard: one that is good, and one that is over.
func TestDevice(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	code, late := w.deviceCode(t), w.deviceCode(t)
	b.run(chromedp.Navigate(login+"/device"), heading("Enter code"))
	b.shoot("code")
	b.run(typed(strings.ToLower(code), kb.Enter), heading("Sign in"), typed(ada, kb.Tab, password, kb.Enter), heading("Are you trying to sign in to Microsoft Azure CLI?"))
	b.shoot("device")
	b.run(chromedp.Focus(chromedp.CSS(`button[value="accept"]`)), typed(kb.Enter), heading("Microsoft Azure CLI"))
	b.shoot("device-done")
	if got := b.text("main p"); !strings.HasPrefix(got, "You have signed in to Microsoft Azure CLI on your device.") {
		t.Errorf("it says %q", got)
	}
	w.ahead.Add(int64(directory.DeviceCodeLife))
	b.run(chromedp.Navigate(login+"/device?otc="+late), heading("Enter code"), typed(kb.Enter), problem)
	b.shoot("expired-code")
	if got := b.text("#problem"); !strings.HasPrefix(got, "That code is not valid.") {
		t.Errorf("it says %q", got)
	}
	b.quiet()
}

// contrasts are the worst ratios of text to its background, as WCAG 2 has
// them, with what they are of.
const contrasts = `(() => {
  const rgb = s => s.match(/[\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const back = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c } return [255, 255, 255] };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05) };
  const all = [];
  for (const e of document.querySelectorAll("main *")) {
    const own = [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim());
    if (own) all.push([ratio(rgb(getComputedStyle(e).color), back(e)), e.outerHTML.slice(0, 60)]);
    if (e.placeholder) all.push([ratio(rgb(getComputedStyle(e, "::placeholder").color), back(e)), "placeholder"]);
  }
  return all.filter(a => a[0] < 4.5).map(a => a[0].toFixed(2) + " " + a[1]).concat(all.length < 3 ? ["only " + all.length + " texts"] : []);
})()`

// cut is what does not fit: the page, where it has to be scrolled sideways, and
// every element that is partly outside of it or of which a part is hidden. A
// pixel is for what the browser rounds.
const cut = `(() => {
  const page = document.documentElement;
  const out = [...document.querySelectorAll("main, main *:not(svg *)")].filter(e => {
    const r = e.getBoundingClientRect();
    return r.width && (r.left < -1 || r.right > page.clientWidth + 1 || r.top + scrollY < -1 || r.bottom + scrollY > page.scrollHeight + 1 || e.clientWidth && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1));
  }).map(e => e.outerHTML.slice(0, 60));
  return page.scrollWidth > page.clientWidth ? ["the page, " + page.scrollWidth + " in " + page.clientWidth].concat(out) : out;
})()`

// inline is what a page has in it of script and style: nothing is allowed.
const inline = `[...document.querySelectorAll("*")].filter(e => e.matches("script:not([src]), style, [style], base, iframe") || [...e.attributes].some(a => a.name.startsWith("on") || /^\s*javascript:/i.test(a.value))).map(e => e.outerHTML.slice(0, 60))`

// unlabeled are fields without a label of their own, and buttons without a text.
const unlabeled = `[...document.querySelectorAll("input:not([type=hidden])")].filter(e => e.labels.length != 1).concat([...document.querySelectorAll("button")].filter(e => !e.innerText.trim())).map(e => e.outerHTML)`

// shown is a page and how to get there.
type shown struct {
	name  string
	steps []act
}

// tour goes to every page that people see, from somebody who is not signed in
// to one who signs out.
func (w *world) tour(t *testing.T) []shown {
	long := strings.Repeat("n", 90) // without a place to break it
	return []shown{
		{"sign-in", []act{chromedp.Navigate(w.request(cliID)), heading("Sign in")}},
		{"problem", []act{chromedp.Navigate(w.request(cliID)), heading("Sign in"), typed(ada, kb.Tab, "wrong", kb.Enter), problem}},
		{"failure", []act{chromedp.Navigate(w.request(cliID, "redirect_uri", "https://"+long+".example/")), heading("Sign in"), chromedp.Click(chromedp.CSS(`summary`))}},
		{"code", []act{chromedp.Navigate(login + "/device"), heading("Enter code")}},
		{"expired", []act{chromedp.Navigate(login + "/device?otc=AAAAAAAAA"), heading("Enter code"), typed(kb.Enter), problem}},
		{"consent", []act{chromedp.Navigate(w.request(shopID, "login_hint", ada)), heading("Sign in"), typed(password, kb.Enter), heading("Permissions requested")}},
		{"device", []act{chromedp.Navigate(login + "/device?otc=" + w.deviceCode(t)), heading("Enter code"), typed(kb.Enter), heading("Are you trying")}},
		{"pick", []act{chromedp.Navigate(w.request(cliID, "prompt", "select_account")), heading("Pick an account")}},
		{"sign-out", []act{chromedp.Navigate(login + "/common/oauth2/v2.0/logout"), heading("Sign out")}},
		{"message", []act{typed(kb.Enter), heading("You signed out")}},
	}
}

// TestReadable: in light and dark, at 100, 200 and 400 percent, every text
// stands out, nothing is cut or has to be scrolled to sideways, every field has
// a label, and no page has script or style in it.
func TestReadable(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	backs := map[string]bool{}
	for _, p := range w.tour(t) {
		b.run(p.steps...)
		for _, scheme := range []string{"light", "dark"} {
			command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			backs[eval[string](b, `getComputedStyle(document.body).backgroundColor`)] = true
			b.none(p.name+", "+scheme+": contrast", contrasts)
			for _, zoom := range []int64{1, 2, 4} { // a browser that zooms has so many pixels less, each so much larger
				command(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 1280 / zoom, Height: 1024 / zoom, DeviceScaleFactor: float64(zoom)})
				b.none(fmt.Sprintf("%s, %s, %d00 %%: cut", p.name, scheme, zoom), cut)
				b.shoot(fmt.Sprintf("%s-%s-%d00", p.name, scheme, zoom))
			}
			command(b, emulation.ClearDeviceMetricsOverride, cdp.Empty{})
		}
		command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
		b.none(p.name+": no label", unlabeled)
		b.none(p.name+": in the page", inline)
	}
	if len(backs) != 2 {
		t.Errorf("light and dark look like %v", backs)
	}
	b.quiet(badRequest)
}

// none wants that a list on the page is empty.
func (b *browser) none(what, list string) {
	b.Helper()
	for _, s := range eval[[]string](b, list) {
		b.Errorf("%s: %s", what, s)
	}
}

// TestPolicyHolds: what is not ours does not run on a page, and the browser
// says so: the silence of the other tests means something.
func TestPolicyHolds(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	b.run(chromedp.Navigate(w.request(cliID)), heading("Sign in"))
	b.quiet()
	told, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`new Promise(done => {
		const told = [];
		document.addEventListener("securitypolicyviolation", e => { told.push(e.effectiveDirective); if (told.length == 3) done(told.sort().join(" ")) });
		const style = document.createElement("style"); style.textContent = "body { color: red }"; document.head.append(style);
		const script = document.createElement("script"); script.textContent = "window.ran = true"; document.head.append(script);
		const image = document.createElement("img"); image.src = "https://evil.example/x.png"; document.body.append(image);
	})`, chromedp.EvalAwaitPromise))
	if err != nil || told != "img-src script-src-elem style-src-elem" {
		t.Errorf("the page is told of %q, %v", told, err)
	}
	if got := eval[string](b, `String(window.ran) + " " + getComputedStyle(document.body).color`); strings.Contains(got, "true") || strings.Contains(got, "rgb(255, 0, 0)") {
		t.Errorf("it ran: %s", got)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.troubles) < 3 {
		t.Errorf("the browser says %q", b.troubles)
	}
}
