package midas

import (
	"context"
	"maps"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/control"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/vault"
)

// view reads for a check. What f adds to it counts once, though f may run twice.
func (v *verification) view(ctx context.Context, c *control.Check, f func(*store.Tx) error) error {
	before, told := *c, len(v.Faults)
	return v.db.View(ctx, func(tx *store.Tx) error {
		*c, v.Faults = before, v.Faults[:told]
		return f(tx)
	})
}

// resources looks for the principal of every identity and the name of every
// vault. A machine may have a user-assigned identity attached that is deleted:
// that is as on Azure (control-plane.md D2).
func (v *verification) resources(ctx context.Context, c *control.Check) error {
	for q := (resource.Query{Within: azure.Root(), Limit: pageSize}); ; {
		var next string
		err := v.view(ctx, c, func(tx *store.Tx) (err error) {
			var page []*resource.Resource
			if page, next, err = resource.List(tx, q); err != nil {
				return err
			}
			for _, r := range page {
				c.Count++
				if err := v.resource(tx, c, r); err != nil {
					return err
				}
			}
			return nil
		})
		if q.After = next; err != nil || next == "" {
			return err
		}
	}
}

func (v *verification) resource(tx *store.Tx, c *control.Check, r *resource.Resource) error {
	if r.Identity != nil && r.Identity.Type.HasSystem() || isUserAssigned(r.ID) {
		p, err := directory.PrincipalByResource(tx, r.ID)
		switch {
		case fault.Is(err, fault.NotFound):
			v.fault(c, "%s has an identity without a principal", r.ID)
		case err != nil:
			return err
		case !isUserAssigned(r.ID) && p.ID != r.Identity.PrincipalID:
			v.fault(c, "%s has the identity %s, and %s is the principal that has the resource", r.ID, r.Identity.PrincipalID, p.ID)
		}
	}
	if strings.EqualFold(r.ID.Type(), vault.Type) {
		found, err := vault.ByName(tx, r.ID.Name())
		switch {
		case fault.Is(err, fault.NotFound):
			v.fault(c, "%s is a vault without a name and a key", r.ID)
		case err != nil:
			return err
		case !found.Resource.Equal(r.ID):
			v.fault(c, "%s is a vault whose name belongs to %s", r.ID, found.Resource)
		}
	}
	return nil
}

func isUserAssigned(id azure.ResourceID) bool {
	return strings.EqualFold(id.Type(), arm.TypeUserAssignedIdentity)
}

// principals looks for the resource that each managed identity lives and dies with.
func (v *verification) principals(ctx context.Context, c *control.Check) error {
	for after := azure.ObjectID(""); ; {
		var page []directory.Principal
		err := v.view(ctx, c, func(tx *store.Tx) (err error) {
			if page, err = directory.ManagedIdentities(tx, after, pageSize); err != nil {
				return err
			}
			for _, p := range page {
				c.Count++
				if err := v.principal(tx, c, p); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].ID
	}
}

func (v *verification) principal(tx *store.Tx, c *control.Check, p directory.Principal) error {
	r, err := resource.Get(tx, p.Resource)
	switch {
	case fault.Is(err, fault.NotFound):
		v.fault(c, "the managed identity %s is that of %s, which is not there", p.ID, p.Resource)
	case err != nil:
		return err
	case !isUserAssigned(r.ID) && (r.Identity == nil || !r.Identity.Type.HasSystem()):
		v.fault(c, "the managed identity %s is that of %s, which has none", p.ID, p.Resource)
	}
	return nil
}

// federated looks for the application or identity of federated credentials.
func (v *verification) federated(ctx context.Context, c *control.Check) error {
	for after := azure.AppID(""); ; {
		var page []azure.AppID
		err := v.view(ctx, c, func(tx *store.Tx) (err error) {
			if page, err = directory.FederatedOwners(tx, after, pageSize); err != nil {
				return err
			}
			for _, app := range page {
				c.Count++
				err := directory.MayFederate(tx, app)
				if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
					v.fault(c, "federated credentials are those of %s, which is no application and no user-assigned identity", app)
				} else if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1]
	}
}

// vaults looks for the resource of every vault that is not deleted: those
// that are have none until they are recovered.
func (v *verification) vaults(ctx context.Context, c *control.Check) error {
	for after := ""; ; {
		type row struct{ id, name, resource string }
		var page []row
		err := v.view(ctx, c, func(tx *store.Tx) (err error) {
			page, err = store.Collect(tx, func(scan func(...any) error) (r row, err error) { return r, scan(&r.id, &r.name, &r.resource) },
				`SELECT id, name, resource_id FROM vaults WHERE deleted_at IS NULL AND id > $1 ORDER BY id LIMIT $2`, after, pageSize)
			if err != nil {
				return err
			}
			for _, r := range page {
				c.Count++
				id, err := azure.ParseResourceID(r.resource)
				if err != nil {
					return err
				}
				if there, err := resource.Exists(tx, id); err != nil {
					return err
				} else if !there {
					v.fault(c, "the vault %s is the resource %s, which is not there", r.name, r.resource)
				}
			}
			return nil
		})
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].id
	}
}

// roles looks for the role of every assignment. Who it is assigned to may be
// gone: such an assignment dangles, as on Azure.
func (v *verification) roles(ctx context.Context, c *control.Check) error {
	return v.view(ctx, c, func(tx *store.Tx) error {
		assigned, err := rbac.Assigned(tx)
		if err != nil {
			return err
		}
		for _, role := range slices.Sorted(maps.Keys(assigned)) {
			c.Count++
			_, err := rbac.GetDefinition(tx, role)
			if fault.Is(err, fault.NotFound) {
				v.fault(c, "%d role assignments are of the role %s, which is not there", assigned[role], role)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
}
