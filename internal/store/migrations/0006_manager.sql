-- Resource Manager as its tools see it: locks, deny assignments, the tags that
-- are not a resource's, and what a subscription is not registered for.

CREATE TABLE locks (
    scope_key  TEXT NOT NULL,
    name_key   TEXT NOT NULL,
    scope      TEXT NOT NULL,
    name       TEXT NOT NULL,
    level      TEXT NOT NULL,
    notes      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    PRIMARY KEY (scope_key, name_key)
);

CREATE TABLE deny_assignments (
    id         TEXT PRIMARY KEY,
    scope_key  TEXT NOT NULL,
    scope      TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL
);
CREATE INDEX deny_assignments_scope ON deny_assignments (scope_key);

CREATE TABLE subscription_tags (
    subscription_key TEXT PRIMARY KEY,
    tags             TEXT NOT NULL
);

-- Names of tags, and values, that were set out before anything has them.
CREATE TABLE tag_names (
    subscription_key TEXT NOT NULL,
    name_key         TEXT NOT NULL,
    name             TEXT NOT NULL,
    PRIMARY KEY (subscription_key, name_key)
);

CREATE TABLE tag_values (
    subscription_key TEXT NOT NULL,
    name_key         TEXT NOT NULL,
    value            TEXT NOT NULL,
    PRIMARY KEY (subscription_key, name_key, value),
    FOREIGN KEY (subscription_key, name_key) REFERENCES tag_names (subscription_key, name_key) ON DELETE CASCADE
);

-- A subscription is registered for every provider that is not in here.
CREATE TABLE unregistered_providers (
    subscription_key TEXT NOT NULL,
    namespace_key    TEXT NOT NULL,
    PRIMARY KEY (subscription_key, namespace_key)
);

ALTER TABLE activity ADD COLUMN method TEXT NOT NULL DEFAULT '';
