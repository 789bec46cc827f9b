package midas

import (
	"context"
	"encoding/pem"
	"time"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/control"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/graph"
	"midas/internal/rbac"
	"midas/internal/store"
)

// passwordLife is how long a password is good for, as `az ad sp
// create-for-rbac` has it.
const passwordLife = 365 * 24 * time.Hour

// createServicePrincipal makes an application, its service principal, one
// credential and, where asked, one role assignment: all of it or nothing.
func (s *Server) createServicePrincipal(ctx context.Context, q control.ServicePrincipalRequest) (made control.ServicePrincipal, err error) {
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		app, err := directory.CreateApplication(tx, directory.Application{Tenant: s.ids.tenant, DisplayName: q.Name, TokenVersion: 1})
		if err != nil {
			return err
		}
		p, err := directory.CreateServicePrincipal(tx, app)
		if err != nil {
			return err
		}
		made = control.ServicePrincipal{AppID: string(app.AppID), DisplayName: app.DisplayName, ObjectID: string(p.ID), Tenant: string(s.ids.tenant)}
		if q.Certificate != "" {
			block, _ := pem.Decode([]byte(q.Certificate))
			if block == nil || block.Type != "CERTIFICATE" {
				return fault.New(fault.Invalid, "the certificate is not PEM\nhint: it starts with -----BEGIN CERTIFICATE-----").At("certificate")
			}
			if _, err := directory.AddCertificate(tx, app.AppID, q.Name, block.Bytes); err != nil {
				return err
			}
		} else if made.Password, _, err = directory.AddPassword(tx, app.AppID, q.Name, tx.Now.Add(passwordLife)); err != nil {
			return err
		}
		if err := s.assignInDirectory(tx, p, q); err != nil {
			return err
		}
		if q.Role == "" && q.Scope == "" {
			return nil
		}
		return s.assign(tx, p.ID, rbac.PrincipalServicePrincipal, q.Role, q.Scope)
	})
	return made, err
}

// assignInDirectory gives a new service principal its roles in the directory
// and its permissions at Microsoft Graph.
func (s *Server) assignInDirectory(tx *store.Tx, p directory.Principal, q control.ServicePrincipalRequest) error {
	for _, name := range q.DirectoryRoles {
		role, ok := directory.RoleNamed(name)
		if !ok {
			return fault.New(fault.NotFound, "there is no role %q in the directory\nhint: name it as Azure does, such as \"Global Administrator\" or \"Directory Readers\"", name)
		}
		if _, err := directory.AssignRole(tx, role.ID, p.ID); err != nil {
			return err
		}
	}
	for _, name := range q.Permissions {
		id, ok := graph.PermissionNamed(name)
		if !ok {
			return fault.New(fault.NotFound, "Microsoft Graph has no application permission %q\nhint: name it as Azure does, such as Directory.Read.All", name)
		}
		itself, err := directory.PrincipalByAppID(tx, s.ids.tenant, s.profile.ServiceNamed(cloud.Graph).AppID)
		if err != nil {
			return err
		}
		if _, err := directory.AssignAppRole(tx, directory.AppRoleAssignment{Principal: p.ID, Resource: itself.ID, Role: id}); err != nil {
			return err
		}
	}
	return nil
}

// assign gives a new principal a role.
func (s *Server) assign(tx *store.Tx, to azure.ObjectID, kind, role, at string) error {
	if role == "" || at == "" {
		return fault.New(fault.Invalid, "a role and a scope go together\nhint: give both --role and --scope, or neither")
	}
	scope, err := azure.ParseResourceID(at)
	if err != nil {
		return fault.New(fault.Invalid, "%q is not a scope\nhint: a scope is a resource id, such as /subscriptions/%s", at, s.ids.subscription)
	}
	root := rbac.RootManagementGroup(s.ids.tenant)
	found, err := rbac.Definitions(tx, rbac.DefinitionFilter{Name: role})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		d, err := rbac.GetDefinition(tx, role)
		if err != nil {
			return fault.Wrap(err, fault.NotFound, "there is no role %q\nhint: name it as Azure does, such as \"Reader\" or \"Key Vault Secrets User\"", role)
		}
		found = append(found, d)
	}
	_, _, err = rbac.PutAssignment(tx, rbac.Assignment{ID: azure.NewGUID(), Scope: scope, RoleID: found[0].ID, PrincipalID: to, PrincipalType: kind}, s.ids.operator, root)
	return err
}
