package midas

import (
	"context"

	"midas/internal/control"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/rbac"
	"midas/internal/store"
)

// users is what the control socket does for people who sign in.
func (s *Server) users() control.Users {
	return control.Users{List: s.listUsers, Create: s.createUser, SetPassword: s.setPassword}
}

// firstPassword is the operator's, made with a new installation and nowhere
// else than here.
type firstPassword struct{ upn, password string }

// FirstPassword returns who can sign in to an installation that this start has
// made, and the password: the only time that anybody can know it. Both are
// empty on every later start.
func (s *Server) FirstPassword() (upn, password string) { return s.first.upn, s.first.password }

func (s *Server) listUsers(ctx context.Context) (all []control.User, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		users, err := directory.Users(tx, s.ids.tenant)
		if err != nil {
			return err
		}
		all = nil
		for _, u := range users {
			p, err := directory.UserPasswordOf(tx, u.ID)
			if err != nil {
				return err
			}
			all = append(all, control.User{UPN: u.UPN, DisplayName: u.DisplayName, ObjectID: string(u.ID), Enabled: u.Enabled, HasPassword: p.Hash != ""})
		}
		return nil
	})
	return all, err
}

// password is the one that was asked for, or a new one, and its hash. The work
// is done before any transaction.
func password(ctx context.Context, given string) (made string, hash directory.UserHash, err error) {
	if given == "" {
		made = directory.NewUserPassword()
		given = made
	}
	hash, err = directory.HashPassword(ctx, given)
	return made, hash, err
}

// createUser makes a user with a password and, where asked, one role
// assignment: all of it or nothing.
func (s *Server) createUser(ctx context.Context, q control.UserRequest) (made control.NewUser, err error) {
	generated, hash, err := password(ctx, q.Password)
	if err != nil {
		return made, err
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		tenant, err := directory.TenantByIDOrDomain(tx, string(s.ids.tenant))
		if err != nil {
			return err
		}
		u, err := directory.CreateUser(tx, tenant, q.UPN, q.Name)
		switch {
		case fault.Is(err, fault.Conflict):
			return fault.Wrap(err, fault.Conflict, "there is a user %s already\nhint: `midas user list` shows all", q.UPN)
		case fault.Is(err, fault.Invalid):
			return fault.Wrap(err, fault.Invalid, "%q cannot be a user's name, or %q what it is called\nhint: a name such as ada@%s", q.UPN, q.Name, tenant.Domain)
		case err != nil:
			return err
		}
		if err := directory.SetUserPassword(tx, u.ID, hash); err != nil {
			return err
		}
		made = control.NewUser{User: control.User{UPN: u.UPN, DisplayName: u.DisplayName, ObjectID: string(u.ID), Enabled: true, HasPassword: true}, Password: generated}
		if q.Role == "" && q.Scope == "" {
			return nil
		}
		return s.assign(tx, u.ID, rbac.PrincipalUser, q.Role, q.Scope)
	})
	return made, err
}

// setPassword gives a user a password, and ends what the old one was good for.
func (s *Server) setPassword(ctx context.Context, q control.PasswordRequest) (set control.NewUser, err error) {
	generated, hash, err := password(ctx, q.Password)
	if err != nil {
		return set, err
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		u, err := directory.PrincipalByUPN(tx, q.UPN)
		if fault.Is(err, fault.NotFound) {
			return fault.Wrap(err, fault.NotFound, "there is no user %s\nhint: `midas user list` shows all, `midas user create` makes one", q.UPN)
		}
		if err != nil {
			return err
		}
		set = control.NewUser{User: control.User{UPN: u.UPN, DisplayName: u.DisplayName, ObjectID: string(u.ID), Enabled: u.Enabled, HasPassword: true}, Password: generated}
		return directory.SetUserPassword(tx, u.ID, hash)
	})
	return set, err
}

// operatorPassword makes the password of an installation that is to be made.
func (s *Server) operatorPassword(ctx context.Context) (made string, hash directory.UserHash, err error) {
	var known string
	err = s.db.View(ctx, func(tx *store.Tx) (err error) { known, err = tx.Setting(settingCloud); return err })
	if err != nil || known != "" {
		return "", "", err
	}
	return password(ctx, "")
}

// giveOperator gives the operator of a new installation its first password.
func (s *Server) giveOperator(tx *store.Tx, operator directory.Principal, made string, hash directory.UserHash) error {
	s.first = firstPassword{operator.UPN, made}
	return directory.SetUserPassword(tx, operator.ID, hash)
}
