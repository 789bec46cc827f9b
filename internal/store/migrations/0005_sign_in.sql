-- People sign in: their passwords, what their browsers are signed in with, and
-- the codes and refresh tokens that their clients hold. Of what somebody holds
-- there is only a hash here; the hash of a password is argon2id's.

CREATE TABLE user_passwords (
    object_id  TEXT PRIMARY KEY REFERENCES principals (object_id) ON DELETE CASCADE,
    hash       TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

-- Wrong guesses in a row, by account or by address.
CREATE TABLE guesses (
    subject      TEXT PRIMARY KEY,
    wrong        BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,
    forget_at    BIGINT NOT NULL
);
CREATE INDEX guesses_forget ON guesses (forget_at);

CREATE TABLE sessions (
    hash         TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES principals (object_id) ON DELETE CASCADE,
    signed_in_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- family is that of the refresh tokens that a code was redeemed for.
CREATE TABLE authorization_codes (
    hash         TEXT PRIMARY KEY,
    app_id       TEXT NOT NULL,
    user_id      TEXT NOT NULL REFERENCES principals (object_id) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    scope        TEXT NOT NULL,
    nonce        TEXT NOT NULL,
    challenge    TEXT NOT NULL,
    signed_in_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    family       TEXT
);
CREATE INDEX authorization_codes_user ON authorization_codes (user_id);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);

CREATE TABLE device_codes (
    hash         TEXT PRIMARY KEY,
    user_code    TEXT NOT NULL UNIQUE,
    app_id       TEXT NOT NULL,
    tenant       TEXT NOT NULL,
    scope        TEXT NOT NULL,
    state        TEXT NOT NULL,
    user_id      TEXT REFERENCES principals (object_id) ON DELETE CASCADE,
    signed_in_at BIGINT,
    polled_at    BIGINT NOT NULL,
    wait_seconds BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX device_codes_user ON device_codes (user_id);
CREATE INDEX device_codes_expiry ON device_codes (expires_at);

CREATE TABLE refresh_tokens (
    hash         TEXT PRIMARY KEY,
    family       TEXT NOT NULL,
    app_id       TEXT NOT NULL,
    user_id      TEXT NOT NULL REFERENCES principals (object_id) ON DELETE CASCADE,
    scope        TEXT NOT NULL,
    signed_in_at BIGINT NOT NULL,
    issued_at    BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    used_at      BIGINT,
    revoked      BOOLEAN NOT NULL
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

-- What a user has let an application do: scopes are separated by spaces.
CREATE TABLE consents (
    user_id  TEXT NOT NULL REFERENCES principals (object_id) ON DELETE CASCADE,
    app_id   TEXT NOT NULL,
    resource TEXT NOT NULL,
    scopes   TEXT NOT NULL,
    PRIMARY KEY (user_id, app_id, resource)
);

-- How people sign in to an application.
CREATE TABLE application_sign_in (
    app_id        TEXT PRIMARY KEY REFERENCES applications (app_id) ON DELETE CASCADE,
    public_client BOOLEAN NOT NULL,
    group_claims  BOOLEAN NOT NULL
);

CREATE TABLE application_redirects (
    app_id   TEXT NOT NULL REFERENCES applications (app_id) ON DELETE CASCADE,
    platform TEXT NOT NULL,
    uri      TEXT NOT NULL,
    PRIMARY KEY (app_id, platform, uri)
);
