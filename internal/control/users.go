package control

import (
	"context"
	"net/http"

	"midas/internal/fault"
	"midas/internal/wire"
)

// Users is what the door does for people who sign in. All of it is needed.
type Users struct {
	List        func(ctx context.Context) ([]User, error)
	Create      func(ctx context.Context, q UserRequest) (NewUser, error)
	SetPassword func(ctx context.Context, q PasswordRequest) (NewUser, error)
}

// User is somebody who can sign in.
type User struct {
	UPN         string `json:"userPrincipalName"`
	DisplayName string `json:"displayName"`
	ObjectID    string `json:"objectId"`
	Enabled     bool   `json:"accountEnabled"`
	HasPassword bool   `json:"hasPassword"`
}

// UserList is all of them.
type UserList struct {
	Users []User `json:"users"`
}

// UserRequest asks for a user with a password.
type UserRequest struct {
	UPN      string `json:"userPrincipalName"`
	Name     string `json:"displayName"`
	Password string `json:"password,omitempty"` // "" asks for one to be made
	Role     string `json:"role,omitempty"`     // name or id of a role to assign
	Scope    string `json:"scope,omitempty"`    // resource id to assign it at
}

// PasswordRequest asks for a user's password to be set.
type PasswordRequest struct {
	UPN      string `json:"userPrincipalName"`
	Password string `json:"password,omitempty"` // "" asks for one to be made
}

// NewUser is a user whose password was just set.
type NewUser struct {
	User
	Password string `json:"password,omitempty"` // one that was made; shown this once
}

// routes are the paths of it.
func (u Users) routes() map[string]route {
	return map[string]route{
		"/users":              {http.MethodGet, u.list},
		"/users/create":       {http.MethodPost, u.create},
		"/users/set-password": {http.MethodPost, u.setPassword},
	}
}

func (u Users) list(w http.ResponseWriter, r *http.Request) error {
	all, err := u.List(r.Context())
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, http.StatusOK, UserList{append([]User{}, all...)})
}

func (u Users) create(w http.ResponseWriter, r *http.Request) error {
	q, err := read[UserRequest](r)
	if err != nil {
		return err
	}
	for _, m := range []struct{ name, value string }{{"userPrincipalName", q.UPN}, {"displayName", q.Name}} {
		if m.value == "" {
			return fault.New(fault.Invalid, "The member '%s' is missing.", m.name).At(m.name)
		}
	}
	made, err := u.Create(r.Context(), q)
	return answerSecret(w, r, made, err)
}

func (u Users) setPassword(w http.ResponseWriter, r *http.Request) error {
	q, err := read[PasswordRequest](r)
	if err != nil {
		return err
	}
	if q.UPN == "" {
		return fault.New(fault.Invalid, "The member 'userPrincipalName' is missing.").At("userPrincipalName")
	}
	set, err := u.SetPassword(r.Context(), q)
	return answerSecret(w, r, set, err)
}

func answerSecret(w http.ResponseWriter, r *http.Request, u NewUser, err error) error {
	if err != nil {
		return err
	}
	wire.EventOf(r.Context()).Target = u.ObjectID
	w.Header().Set("Cache-Control", "no-store")
	return wire.WriteJSON(w, http.StatusOK, u)
}

// Users lists who can sign in.
func (c *Client) Users(ctx context.Context) (UserList, error) {
	return ask[UserList](ctx, c, http.MethodGet, "/users", nil)
}

// CreateUser makes a user with a password.
func (c *Client) CreateUser(ctx context.Context, q UserRequest) (NewUser, error) {
	return ask[NewUser](ctx, c, http.MethodPost, "/users/create", q)
}

// SetPassword gives a user a password.
func (c *Client) SetPassword(ctx context.Context, q PasswordRequest) (NewUser, error) {
	return ask[NewUser](ctx, c, http.MethodPost, "/users/set-password", q)
}
