package entra

import (
	"errors"
	"net/http"

	"midas/internal/directory"
	"midas/internal/entra/pages"
	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/wire"
)

// devicePage is where the user of a device enters its code, signs in, and
// lets it in or not.
func (d *Door) devicePage(w http.ResponseWriter, r *http.Request) error {
	return d.page(w, r, func(v *visit) error {
		wire.EventOf(r.Context()).Operation = "deviceauth"
		code, _ := wire.Query(r, "otc")
		if v.form == nil {
			return v.showCode(code, "")
		}
		if code = v.form.Get("user_code"); !v.own() {
			return v.showCode(code, "")
		}
		kept, a, err := v.deviceOf(code)
		if f, ok := errors.AsType[*failure](err); ok && (f.number == badUserCode || f.number == tooManyGuesses) {
			wire.EventOf(r.Context()).Code = f.code()
			problem := "That code is not valid. It may have expired, or been used already. Check the code, or start again on your device."
			if f.number == tooManyGuesses {
				problem = "There were too many wrong codes. Wait a few minutes, then try again."
			}
			return v.showCode(code, problem)
		}
		if err != nil {
			return err
		}
		wire.EventOf(r.Context()).Target = string(a.id)
		return v.deviceStep(kept, a, code)
	})
}

func (v *visit) showCode(code, problem string) error {
	if len(code) > 24 {
		code = ""
	}
	return pages.Write(v.w, http.StatusOK, pages.Code{Form: v.formOf(devicePath, ""), UserCode: code, Problem: problem})
}

// deviceOf finds the device that shows a code. Wrong codes from an address are
// counted as wrong passwords are.
func (v *visit) deviceOf(code string) (kept directory.DeviceCode, a application, err error) {
	address := directory.GuessesFrom(wire.EventOf(v.r.Context()).Client)
	err = v.update(v.r.Context(), func(tx *store.Tx) (err error) {
		if err := directory.CountGuess(tx, address); err != nil {
			return lockedOut(err)
		}
		kept, err = directory.DeviceByUserCode(tx, code)
		if fault.Is(err, fault.NotFound) {
			return refused{badUserCode.with()}
		}
		if err != nil {
			return err
		}
		if err := directory.TakeBackGuess(tx, address); err != nil {
			return err
		}
		a, err = findApplication(tx, string(kept.App))
		return err
	})
	return kept, a, err
}

// deviceStep does what a form of the device's pages asks for.
func (v *visit) deviceStep(kept directory.DeviceCode, a application, code string) error {
	form := v.formOf(devicePath, "")
	step := v.form.Get("step")
	if step == "signin" {
		problem, status, err := v.trySignIn()
		if err != nil {
			return err
		}
		if problem != "" {
			return pages.Write(v.w, status, pages.SignIn{Form: form, App: a.name, UserCode: code, Username: v.form.Get("username"), Problem: problem})
		}
	}
	if !v.signedIn() || step == "other" {
		return pages.Write(v.w, http.StatusOK, pages.SignIn{Form: form, App: a.name, UserCode: code})
	}
	g, err := v.examineDevice(kept, a)
	if err != nil {
		return err
	}
	switch step {
	case "decline":
		return v.decideDevice(kept, a, g, directory.DeviceDeclined)
	case "accept":
		return v.decideDevice(kept, a, g, directory.DeviceApproved)
	}
	page := pages.Device{Form: v.formOf(devicePath, ""), App: a.name, Username: v.session.User.UPN, UserCode: code}
	if !a.firstParty {
		page.Permissions = g.describe()
	}
	return pages.Write(v.w, http.StatusOK, page)
}

// examineDevice checks what a device asks for against who is signed in.
func (v *visit) examineDevice(kept directory.DeviceCode, a application) (g granted, err error) {
	asked, err := parseDelegation(kept.Scope, v.Cloud)
	if err != nil {
		return g, err
	}
	err = v.DB.View(v.r.Context(), func(tx *store.Tx) (err error) {
		var named directory.Tenant
		if !isShared(kept.Tenant) {
			if named, err = tenantNamed(tx, kept.Tenant); err != nil {
				return err
			}
		}
		tenant, err := v.homeOf(tx, named, v.session.User, a)
		if err != nil {
			return err
		}
		if err := a.in(tx, tenant); err != nil {
			return err
		}
		g, err = v.resolve(tx, tenant, a, asked)
		return err
	})
	return g, err
}

// decideDevice lets the device in or not, and tells so.
func (v *visit) decideDevice(kept directory.DeviceCode, a application, g granted, state directory.DeviceState) error {
	err := v.DB.Update(v.r.Context(), func(tx *store.Tx) error {
		if state == directory.DeviceApproved {
			if err := v.consent(tx, v.session.User.ID, a, g); err != nil {
				return err
			}
		}
		return directory.DecideDevice(tx, kept, state, v.session.User.ID, v.session.SignedInAt)
	})
	if fault.Is(err, fault.Conflict) {
		return badUserCode.with()
	}
	if err != nil {
		return err
	}
	if state == directory.DeviceDeclined {
		return pages.Write(v.w, http.StatusOK, pages.Message{Heading: "You declined the sign-in", Text: "The device was not signed in. You can close this window."})
	}
	return pages.Write(v.w, http.StatusOK, pages.Message{Heading: a.name, Text: "You have signed in to " + a.name + " on your device. You can close this window."})
}
