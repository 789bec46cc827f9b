-- The directory as Microsoft Graph shows it. The properties of an object are
-- those that no rule looks at, as JSON.
ALTER TABLE principals ADD COLUMN properties TEXT NOT NULL DEFAULT '{}';
ALTER TABLE applications ADD COLUMN properties TEXT NOT NULL DEFAULT '{}';
-- A credential that belongs to the service principal and not to its application.
ALTER TABLE credentials ADD COLUMN of_principal BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX principals_kind ON principals (tenant_id, kind, object_id);
CREATE INDEX applications_object ON applications (tenant_id, object_id);

-- The object is an application, a service principal or a group.
CREATE TABLE owners (
    object_id TEXT NOT NULL,
    owner_id  TEXT NOT NULL REFERENCES principals (object_id) ON DELETE CASCADE,
    PRIMARY KEY (object_id, owner_id)
);
CREATE INDEX owners_owner ON owners (owner_id);

-- Roles in the directory itself, such as Global Administrator.
CREATE TABLE directory_role_assignments (
    id           TEXT PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    role_id      TEXT NOT NULL,
    principal_id TEXT NOT NULL REFERENCES principals (object_id) ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    UNIQUE (principal_id, role_id)
);
CREATE INDEX directory_role_assignments_role ON directory_role_assignments (tenant_id, role_id);

-- What programs, users and groups may do at an application.
CREATE TABLE app_role_assignments (
    id           TEXT PRIMARY KEY,
    principal_id TEXT NOT NULL REFERENCES principals (object_id) ON DELETE CASCADE,
    resource_id  TEXT NOT NULL REFERENCES principals (object_id) ON DELETE CASCADE,
    role_id      TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    UNIQUE (principal_id, resource_id, role_id)
);
CREATE INDEX app_role_assignments_resource ON app_role_assignments (resource_id);

-- What programs may do at an application in the name of users: of one, or of
-- all where there is no principal.
CREATE TABLE permission_grants (
    id           TEXT PRIMARY KEY,
    client_id    TEXT NOT NULL REFERENCES principals (object_id) ON DELETE CASCADE,
    resource_id  TEXT NOT NULL REFERENCES principals (object_id) ON DELETE CASCADE,
    principal_id TEXT REFERENCES principals (object_id) ON DELETE CASCADE,
    principal_key TEXT NOT NULL,
    scope        TEXT NOT NULL,
    UNIQUE (client_id, resource_id, principal_key)
);
CREATE INDEX permission_grants_resource ON permission_grants (resource_id);

-- What was deleted and can be restored: the rows that it was, as JSON.
CREATE TABLE deleted_objects (
    object_id  TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    kind       TEXT NOT NULL,
    display_name TEXT NOT NULL,
    app_id     TEXT,
    deleted_at BIGINT NOT NULL,
    purge_at   BIGINT NOT NULL,
    body       TEXT NOT NULL
);
CREATE INDEX deleted_objects_kind ON deleted_objects (tenant_id, kind, object_id);
CREATE INDEX deleted_objects_purge ON deleted_objects (purge_at);

-- The first user of an installation administers its directory.
INSERT INTO directory_role_assignments (id, tenant_id, role_id, principal_id, created_at)
SELECT p.object_id, p.tenant_id, '62e90394-69f5-4237-9190-012177145e10', p.object_id, p.created_at
FROM principals p JOIN settings s ON s.name = 'operator' AND s.value = p.object_id;
