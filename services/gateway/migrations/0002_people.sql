-- People, their keys and sessions, what was asked twice, and the chained record of every change. Born here.

CREATE TABLE gateway.users (
    user_id      text   PRIMARY KEY,
    name         text   NOT NULL UNIQUE,
    role         text   NOT NULL CHECK (role IN ('reader', 'trader', 'admin')),
    password     text,                    -- Argon2id in PHC form; absent: does not sign in by password
    oidc_issuer  text,
    oidc_subject text,
    disabled_ns  bigint,
    created_ns   bigint NOT NULL,
    UNIQUE (oidc_issuer, oidc_subject)
);
-- owns the keys that the command line makes; cannot sign in
INSERT INTO gateway.users (user_id, name, role, created_ns) VALUES ('local', 'local', 'admin', 0);

ALTER TABLE gateway.api_keys
    ADD owner      text    NOT NULL DEFAULT 'local' REFERENCES gateway.users (user_id),
    ADD expires_ns bigint,
    ADD rotated_to text,                             -- the key that follows it
    ADD until_ns   bigint,                           -- the end of the overlap with it
    ADD limits     text    NOT NULL DEFAULT 'standard',
    ADD quota_day  bigint,
    ADD uses       bigint  NOT NULL DEFAULT 0;
CREATE INDEX api_keys_of_owner ON gateway.api_keys (owner, created_ns DESC);

CREATE TABLE gateway.key_usage (
    key_id    text     NOT NULL,
    hour_ns   bigint   NOT NULL,
    operation text     NOT NULL,
    class     smallint NOT NULL,  -- 2, 4 or 5: the first digit of the status
    n         bigint   NOT NULL,
    cost      bigint   NOT NULL,
    PRIMARY KEY (key_id, hour_ns, operation, class)
);

-- a family is one sign-in: its refresh tokens follow each other, one use each
CREATE TABLE gateway.families (
    family_id  bytea  PRIMARY KEY,
    user_id    text   NOT NULL REFERENCES gateway.users (user_id) ON DELETE CASCADE,
    key_id     text,                     -- the key it was exchanged for, the bootstrap key too: which has no row
    created_ns bigint NOT NULL,
    expires_ns bigint NOT NULL,
    ended_ns   bigint,
    reason     text
);
CREATE INDEX families_of_user ON gateway.families (user_id);
CREATE TABLE gateway.refresh (
    digest    bytea  PRIMARY KEY,  -- sha256 of 256 random bits
    family_id bytea  NOT NULL REFERENCES gateway.families (family_id) ON DELETE CASCADE,
    issued_ns bigint NOT NULL,
    used_ns   bigint,
    successor bytea
);

CREATE TABLE gateway.idempotency (
    principal    text     NOT NULL,
    operation    text     NOT NULL,
    key_digest   bytea    NOT NULL,
    request_hash bytea    NOT NULL,
    status       smallint NOT NULL,
    body         bytea    NOT NULL,
    sealed       boolean  NOT NULL,  -- opens only with the idempotency key itself
    at_ns        bigint   NOT NULL,
    PRIMARY KEY (principal, operation, key_digest)
);
CREATE INDEX idempotency_age ON gateway.idempotency (at_ns);

CREATE TABLE gateway.audit (
    seq        bigint PRIMARY KEY,
    at_ns      bigint NOT NULL,
    actor      text   NOT NULL,
    action     text   NOT NULL,
    target     text   NOT NULL,
    address    text   NOT NULL,
    request_id text   NOT NULL,
    body       bytea  NOT NULL,  -- canonical JSON of the whole act
    previous   bytea  NOT NULL,
    hash       bytea  NOT NULL   -- sha256 of previous | seq | body
);
CREATE INDEX audit_of_actor ON gateway.audit (actor, seq DESC);
CREATE TABLE gateway.audit_head (
    one            boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq            bigint  NOT NULL,
    hash           bytea   NOT NULL,
    first_seq      bigint  NOT NULL,
    first_previous bytea   NOT NULL
);
INSERT INTO gateway.audit_head (seq, hash, first_seq, first_previous)
VALUES (0, '\x0000000000000000000000000000000000000000000000000000000000000000', 1,
        '\x0000000000000000000000000000000000000000000000000000000000000000');
CREATE FUNCTION gateway.audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'an audit record does not change'; END$$;
CREATE TRIGGER audit_is_kept BEFORE UPDATE ON gateway.audit
    FOR EACH ROW EXECUTE FUNCTION gateway.audit_is_kept();
