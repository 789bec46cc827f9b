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

// heading waits for a page by its heading.
func heading(text string) act {
	return chromedp.WaitVisible(fmt.Sprintf(`//h1[contains(., %q)]`, text))
}

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
	b.run(chromedp.Navigate(w.request(cliID)), heading("Sign in"), typed(ada, kb.Tab, "wrong", kb.Enter), chromedp.WaitVisible(chromedp.CSS(`#problem:not(:empty)`)))
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
	b.run(chromedp.Navigate(w.request(cliID, "redirect_uri", "https://evil.example/")), heading("Sign in"))
	b.shoot("failure")
	if got := b.text(".detail"); !strings.HasPrefix(got, "AADSTS50011: ") {
		t.Errorf("it says %q", got)
	}
	b.mu.Lock() // a page with status 400 is noted by the browser, and is meant
	b.troubles = nil
	b.mu.Unlock()
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
	b.run(chromedp.Navigate(login+"/device?otc="+late), heading("Enter code"), typed(kb.Enter), chromedp.WaitVisible(chromedp.CSS(`#problem:not(:empty)`)))
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
  return all.filter(a => a[0] < 4.5).map(a => a[0].toFixed(2) + " " + a[1]).concat(all.length < 4 ? ["only " + all.length + " texts"] : []);
})()`

// TestReadable: in light and dark, at 100, 200 and 400 percent, every text
// stands out, nothing has to be scrolled sideways, and every field has a label.
func TestReadable(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	pages := []struct {
		name string
		show []act
	}{
		{"sign-in", []act{chromedp.Navigate(w.request(cliID)), heading("Sign in")}},
		{"problem", []act{chromedp.Navigate(w.request(cliID)), heading("Sign in"), typed(ada, kb.Tab, "wrong", kb.Enter), chromedp.WaitVisible(chromedp.CSS(`#problem:not(:empty)`))}},
		{"code", []act{chromedp.Navigate(login + "/device"), heading("Enter code")}},
		{"consent", []act{chromedp.Navigate(w.request(shopID, "login_hint", ada)), heading("Sign in"), typed(password, kb.Enter), heading("Permissions requested")}},
		{"device", []act{chromedp.Navigate(login + "/device?otc=" + w.deviceCode(t)), heading("Enter code"), typed(kb.Enter), heading("Are you trying")}},
	}
	backs := map[string]bool{}
	for _, p := range pages {
		b.run(p.show...)
		for _, scheme := range []string{"light", "dark"} {
			command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			backs[eval[string](b, `getComputedStyle(document.body).backgroundColor`)] = true
			for _, bad := range eval[[]string](b, contrasts) {
				t.Errorf("%s, %s: contrast %s", p.name, scheme, bad)
			}
			for _, zoom := range []int64{1, 2, 4} {
				command(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 1280 / zoom, Height: 1024 / zoom, DeviceScaleFactor: float64(zoom)})
				if over := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
					t.Errorf("%s, %s, %d00 %%: %d pixels too wide", p.name, scheme, zoom, over)
				}
				b.shoot(fmt.Sprintf("%s-%s-%d00", p.name, scheme, zoom))
			}
			command(b, emulation.ClearDeviceMetricsOverride, cdp.Empty{})
		}
		command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
		if n := eval[int](b, `[...document.querySelectorAll("input:not([type=hidden])")].filter(e => e.labels.length != 1).length`); n != 0 {
			t.Errorf("%s: %d fields have no label", p.name, n)
		}
	}
	if len(backs) != 2 {
		t.Errorf("light and dark look like %v", backs)
	}
	b.quiet()
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
