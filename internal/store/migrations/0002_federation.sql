-- Federated credentials: whose tokens an application or a user-assigned
-- managed identity accepts in place of a secret. app_id is either one's, so
-- the directory deletes them with their owner.

CREATE TABLE federated_credentials (
    id          TEXT PRIMARY KEY,
    app_id      TEXT NOT NULL,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL,
    issuer      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    audience    TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    UNIQUE (app_id, name_key),
    UNIQUE (app_id, issuer, subject)
);
