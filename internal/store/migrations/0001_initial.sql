-- The first schema: one text for SQLite and PostgreSQL. Times are microseconds
-- since 1970 UTC. A column that ends in _key holds the folded form of the
-- column before it; comparisons never rely on collation.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE tenants (
    id           TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    domain       TEXT NOT NULL,
    domain_key   TEXT NOT NULL UNIQUE,
    created_at   BIGINT NOT NULL
);

CREATE TABLE subscriptions (
    id           TEXT PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    display_name TEXT NOT NULL,
    state        TEXT NOT NULL,
    created_at   BIGINT NOT NULL
);

CREATE TABLE principals (
    object_id    TEXT PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    kind         TEXT NOT NULL,
    display_name TEXT NOT NULL,
    enabled      BOOLEAN NOT NULL,
    app_id       TEXT,
    sp_type      TEXT,
    upn          TEXT,
    upn_key      TEXT,
    resource_id  TEXT,
    resource_key TEXT,
    created_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX principals_app ON principals (tenant_id, app_id) WHERE app_id IS NOT NULL;
CREATE UNIQUE INDEX principals_upn ON principals (upn_key) WHERE upn_key IS NOT NULL;
CREATE UNIQUE INDEX principals_resource ON principals (resource_key) WHERE resource_key IS NOT NULL;

CREATE TABLE group_members (
    group_id  TEXT NOT NULL REFERENCES principals (object_id) ON DELETE CASCADE,
    member_id TEXT NOT NULL REFERENCES principals (object_id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, member_id)
);
CREATE INDEX group_members_member ON group_members (member_id);

CREATE TABLE applications (
    app_id        TEXT PRIMARY KEY,
    object_id     TEXT NOT NULL UNIQUE,
    tenant_id     TEXT NOT NULL REFERENCES tenants (id),
    display_name  TEXT NOT NULL,
    token_version BIGINT NOT NULL,
    created_at    BIGINT NOT NULL
);

CREATE TABLE application_uris (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    uri       TEXT NOT NULL,
    app_id    TEXT NOT NULL REFERENCES applications (app_id) ON DELETE CASCADE,
    PRIMARY KEY (tenant_id, uri)
);
CREATE INDEX application_uris_app ON application_uris (app_id);

CREATE TABLE credentials (
    key_id         TEXT PRIMARY KEY,
    app_id         TEXT NOT NULL REFERENCES applications (app_id) ON DELETE CASCADE,
    kind           TEXT NOT NULL,
    display_name   TEXT NOT NULL,
    hint           TEXT,
    secret_hash    BYTEA,
    certificate    BYTEA,
    thumbprint     TEXT,
    thumbprint_256 TEXT,
    start_at       BIGINT NOT NULL,
    end_at         BIGINT NOT NULL
);
CREATE INDEX credentials_app ON credentials (app_id);

CREATE TABLE signing_keys (
    kid         TEXT PRIMARY KEY,
    private_key BYTEA NOT NULL,
    certificate BYTEA NOT NULL,
    created_at  BIGINT NOT NULL,
    signs_from  BIGINT NOT NULL,
    retires_at  BIGINT NOT NULL
);

CREATE TABLE role_definitions (
    id         TEXT PRIMARY KEY,
    name_key   TEXT NOT NULL UNIQUE,
    body       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL
);

CREATE TABLE role_assignments (
    scope_key         TEXT NOT NULL,
    id                TEXT NOT NULL,
    scope             TEXT NOT NULL,
    role_id           TEXT NOT NULL,
    principal_id      TEXT NOT NULL,
    principal_type    TEXT NOT NULL,
    description       TEXT,
    condition         TEXT,
    condition_version TEXT,
    delegated_id      TEXT,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    created_by        TEXT NOT NULL,
    updated_by        TEXT NOT NULL,
    PRIMARY KEY (scope_key, id),
    UNIQUE (scope_key, role_id, principal_id)
);
CREATE UNIQUE INDEX role_assignments_id ON role_assignments (id);
CREATE INDEX role_assignments_role ON role_assignments (role_id);
CREATE INDEX role_assignments_principal ON role_assignments (principal_id, scope_key);

CREATE TABLE resources (
    key              TEXT PRIMARY KEY,
    id               TEXT NOT NULL,
    type_key         TEXT NOT NULL,
    parent_key       TEXT NOT NULL,
    subscription_key TEXT NOT NULL,
    group_key        TEXT NOT NULL,
    location         TEXT NOT NULL,
    version          BIGINT NOT NULL,
    body             TEXT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    created_by       TEXT NOT NULL,
    updated_by       TEXT NOT NULL
);
CREATE INDEX resources_type ON resources (type_key, key);
CREATE INDEX resources_parent ON resources (parent_key, key);

CREATE TABLE vaults (
    id               TEXT PRIMARY KEY,
    name             TEXT NOT NULL,
    name_key         TEXT NOT NULL UNIQUE,
    resource_id      TEXT NOT NULL,
    resource_key     TEXT NOT NULL,
    subscription_key TEXT NOT NULL,
    data_key         BYTEA NOT NULL,
    deleted_at       BIGINT,
    purge_at         BIGINT,
    deleted_resource TEXT
);
CREATE UNIQUE INDEX vaults_resource ON vaults (resource_key) WHERE deleted_at IS NULL;
CREATE INDEX vaults_purge ON vaults (purge_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE secrets (
    vault_id     TEXT NOT NULL REFERENCES vaults (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    name_key     TEXT NOT NULL,
    current      TEXT NOT NULL,
    deleted_at   BIGINT,
    purge_at     BIGINT,
    PRIMARY KEY (vault_id, name_key)
);
CREATE INDEX secrets_deleted ON secrets (vault_id, name_key) WHERE deleted_at IS NOT NULL;
CREATE INDEX secrets_purge ON secrets (purge_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE secret_versions (
    vault_id     TEXT NOT NULL,
    name_key     TEXT NOT NULL,
    version      TEXT NOT NULL,
    seq          BIGINT NOT NULL,
    value        BYTEA NOT NULL,
    content_type TEXT,
    enabled      BOOLEAN NOT NULL,
    not_before   BIGINT,
    expires      BIGINT,
    tags         TEXT,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (vault_id, name_key, version),
    FOREIGN KEY (vault_id, name_key) REFERENCES secrets (vault_id, name_key) ON DELETE CASCADE
);
CREATE UNIQUE INDEX secret_versions_seq ON secret_versions (vault_id, name_key, seq);

-- The id begins with the time in hexadecimal, so that it is in order.
CREATE TABLE activity (
    id             TEXT PRIMARY KEY,
    at             BIGINT NOT NULL,
    plane          TEXT NOT NULL,
    caller         TEXT NOT NULL,
    operation      TEXT NOT NULL,
    target         TEXT NOT NULL,
    status         BIGINT NOT NULL,
    code           TEXT NOT NULL,
    request_id     TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    client_address TEXT NOT NULL
);
