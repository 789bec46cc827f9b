package midas

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/seal"
	"midas/internal/store"
)

// identity is who this installation is.
type identity struct {
	tenant       azure.TenantID
	subscription azure.SubscriptionID
	operator     azure.ObjectID // the first user: Owner of everything, and Global Administrator
}

// Names of the settings that tell an installation from another.
const (
	settingCloud        = "cloud"
	settingTenant       = "tenant"
	settingSubscription = "subscription"
	settingOperator     = "operator"
	settingCanary       = "seal-canary" // a known text under the root key
)

var canary = seal.Binding{Table: "settings", Column: "value", Row: settingCanary}

const canaryText = "midas"

// bootstrap makes the tenant, the subscription and the operator on the first
// start, and on later ones checks that the data is what the caller thinks it is.
func (s *Server) bootstrap(ctx context.Context) error {
	made, hash, err := s.operatorPassword(ctx)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *store.Tx) error {
		name, err := tx.Setting(settingCloud)
		if err != nil {
			return err
		}
		if name == "" {
			if err := s.found(tx, made, hash); err != nil {
				return err
			}
			return s.ensureServices(tx)
		}
		for _, c := range []struct{ setting, flag, given string }{
			{settingCloud, "--cloud", s.config.Cloud}, {settingTenant, "--tenant", s.config.Tenant}, {settingSubscription, "--subscription", s.config.Subscription},
		} {
			have, err := tx.Setting(c.setting)
			if err != nil {
				return err
			}
			if c.given != "" && !strings.EqualFold(c.given, have) {
				return fmt.Errorf("the data directory was made for the %s %s, not for %s\nhint: leave %s out, or choose another directory with --data", c.setting, have, c.given, c.flag)
			}
		}
		if err := s.resume(tx, name); err != nil {
			return err
		}
		return s.ensureServices(tx)
	})
}

// ensureServices makes the service principals of the cloud's own services, by
// which their permissions are given.
func (s *Server) ensureServices(tx *store.Tx) error {
	for _, service := range s.profile.Services() {
		name := service.Name
		if name == cloud.ResourceManager {
			name = "Windows Azure Service Management API" // as directories call it
		}
		if err := directory.EnsureService(tx, s.ids.tenant, service.AppID, name); err != nil {
			return err
		}
	}
	return nil
}

// resume reads who the installation is and checks the root key, so that a
// wrong one shows at once and not with the first secret.
func (s *Server) resume(tx *store.Tx, cloudName string) (err error) {
	if s.profile, err = cloud.Lookup(cloudName); err != nil {
		return err
	}
	values := map[string]string{}
	for _, name := range []string{settingTenant, settingSubscription, settingOperator, settingCanary} {
		if values[name], err = tx.Setting(name); err != nil {
			return err
		}
	}
	s.ids = identity{azure.TenantID(values[settingTenant]), azure.SubscriptionID(values[settingSubscription]), azure.ObjectID(values[settingOperator])}
	sealed, err := base64.StdEncoding.DecodeString(values[settingCanary])
	if err == nil {
		_, err = s.root.Open(sealed, canary)
	}
	if err != nil {
		return fmt.Errorf("the root key does not open this data: %w\nhint: restore root.key beside the database, or set MIDAS_ROOT_KEY to the key the data was sealed with", err)
	}
	return nil
}

// found makes a new installation, whose operator has a password.
func (s *Server) found(tx *store.Tx, made string, hash directory.UserHash) (err error) {
	name := s.config.Cloud
	if name == "" {
		name = "AzureCloud"
	}
	if s.profile, err = cloud.Lookup(name); err != nil {
		return err
	}
	tenant, err := guid("--tenant", s.config.Tenant)
	if err != nil {
		return err
	}
	subscription, err := guid("--subscription", s.config.Subscription)
	if err != nil {
		return err
	}
	s.ids = identity{tenant: azure.TenantID(tenant), subscription: azure.SubscriptionID(subscription)}
	t, err := directory.CreateTenant(tx, directory.Tenant{ID: s.ids.tenant, DisplayName: "Midas", Domain: "midas.onmicrosoft.com"})
	if err != nil {
		return err
	}
	if _, err := directory.CreateSubscription(tx, directory.Subscription{ID: s.ids.subscription, Tenant: t.ID, DisplayName: "Midas", State: directory.SubscriptionEnabled}); err != nil {
		return err
	}
	operator, err := directory.CreateUser(tx, t, "operator@"+t.Domain, "Operator")
	if err != nil {
		return err
	}
	s.ids.operator = operator.ID
	if _, err := directory.AssignRole(tx, directory.GlobalAdministrator, operator.ID); err != nil {
		return err
	}
	if err := s.giveOperator(tx, operator, made, hash); err != nil {
		return err
	}
	if _, _, err := rbac.PutAssignment(tx, rbac.Assignment{ID: azure.NewGUID(), Scope: azure.Root(), RoleID: rbac.Owner, PrincipalID: operator.ID, PrincipalType: rbac.PrincipalUser}, operator.ID); err != nil {
		return err
	}
	sealed, err := s.root.Seal([]byte(canaryText), canary)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		settingCloud: s.profile.Name, settingTenant: tenant, settingSubscription: subscription, settingOperator: string(operator.ID),
		settingCanary: base64.StdEncoding.EncodeToString(sealed),
	} {
		if err := tx.SetSetting(name, value); err != nil {
			return err
		}
	}
	return nil
}

// guid reads a flag's GUID, or makes one where the flag was not given.
func guid(flag, given string) (string, error) {
	if given == "" {
		return azure.NewGUID(), nil
	}
	id, ok := azure.ParseGUID(given)
	if !ok {
		return "", fmt.Errorf("%s %q is not a GUID\nhint: it has the form 00000000-0000-0000-0000-000000000000", flag, given)
	}
	return id, nil
}
