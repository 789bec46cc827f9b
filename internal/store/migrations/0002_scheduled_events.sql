-- Maintenance of virtual machines that the operator has announced. A
-- machine's document has a number that grows with every change of it.
CREATE TABLE scheduled_events (
    id           TEXT PRIMARY KEY,
    resource_id  TEXT NOT NULL,
    resource_key TEXT NOT NULL,
    type         TEXT NOT NULL,
    description  TEXT NOT NULL,
    duration     BIGINT NOT NULL,
    not_before   BIGINT NOT NULL,
    started_at   BIGINT,
    created_at   BIGINT NOT NULL
);
CREATE INDEX scheduled_events_resource ON scheduled_events (resource_key, created_at, id);

CREATE TABLE scheduled_event_documents (
    resource_key TEXT PRIMARY KEY,
    incarnation  BIGINT NOT NULL
);

-- Which resource names which other one, or a part of it: what is in use, by
-- whom, and which addresses of a subnet are taken.
CREATE TABLE resource_references (
    owner_key  TEXT NOT NULL,
    source     TEXT NOT NULL,
    source_key TEXT NOT NULL,
    target     TEXT NOT NULL,
    target_key TEXT NOT NULL,
    address    TEXT NOT NULL,
    PRIMARY KEY (owner_key, source_key, target_key)
);
CREATE INDEX resource_references_target ON resource_references (target_key, source_key);
