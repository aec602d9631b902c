-- Who hears what, and when: subscribers with their wishes, what waits for a digest, and what the bot keeps.

CREATE TABLE alerts.subscribers (
    channel         text     NOT NULL,
    recipient       text     NOT NULL,
    state           text     NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
    reason          text,                                 -- why it is disabled
    paused_until_ns bigint   NOT NULL DEFAULT 0,
    zone            text     NOT NULL DEFAULT 'UTC',
    quiet_from      smallint CHECK (quiet_from BETWEEN 0 AND 1439),   -- minutes of the local day; both or none
    quiet_to        smallint CHECK (quiet_to BETWEEN 0 AND 1439),
    digest_minute   smallint CHECK (digest_minute BETWEEN 0 AND 1439),
    per_h           integer  CHECK (per_h > 0),           -- messages an hour; null: as the settings say
    spent_ns        bigint[] NOT NULL DEFAULT '{}',       -- tokens of the budget that are out, ascending
    PRIMARY KEY (channel, recipient),
    CHECK ((quiet_from IS NULL) = (quiet_to IS NULL)),
    CHECK ((state = 'disabled') = (reason IS NOT NULL))
);

-- How a kind and severity is told; `*` stands for any, the most exact row counts.
CREATE TABLE alerts.preferences (
    channel   text NOT NULL,
    recipient text NOT NULL,
    kind      text NOT NULL,
    severity  text NOT NULL,
    mode      text NOT NULL CHECK (mode IN ('on', 'silent', 'digest', 'off')),
    PRIMARY KEY (channel, recipient, kind, severity)
);

-- What nobody wants to hear of for a while: `symbol:BTC-USDT-PERP`, `layer:cvd`, `rule:<id>`, `signal:<id>`.
CREATE TABLE alerts.mutes (
    channel   text   NOT NULL,
    recipient text   NOT NULL,
    subject   text   NOT NULL,
    until_ns  bigint NOT NULL,
    PRIMARY KEY (channel, recipient, subject)
);

-- The kill switch: one row.
CREATE TABLE alerts.switch (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    stopped boolean NOT NULL DEFAULT false,
    by_user bigint,
    at_ns   bigint NOT NULL DEFAULT 0
);
INSERT INTO alerts.switch DEFAULT VALUES;

-- People the bot obeys besides those of the settings.
CREATE TABLE alerts.members (
    user_id bigint PRIMARY KEY,
    role    text   NOT NULL CHECK (role IN ('reader', 'owner')),
    by_user bigint NOT NULL,
    at_ns   bigint NOT NULL
);
CREATE TABLE alerts.invites (
    code_hash bytea  PRIMARY KEY,
    role      text   NOT NULL CHECK (role IN ('reader', 'owner')),
    by_user   bigint NOT NULL,
    until_ns  bigint NOT NULL,
    used_by   bigint
);
CREATE TABLE alerts.audit (
    seq     bigserial PRIMARY KEY,
    at_ns   bigint NOT NULL,
    user_id bigint NOT NULL,
    chat    text   NOT NULL,
    action  text   NOT NULL,
    detail  text   NOT NULL
);
-- Updates and presses that were acted upon: each acts once.
CREATE TABLE alerts.updates (update_id bigint PRIMARY KEY, at_ns bigint NOT NULL);
CREATE TABLE alerts.pressed (nonce bytea PRIMARY KEY, at_ns bigint NOT NULL);
CREATE TABLE alerts.votes (
    signal_id text    NOT NULL,
    user_id   bigint  NOT NULL,
    useful    boolean NOT NULL,
    at_ns     bigint  NOT NULL,
    PRIMARY KEY (signal_id, user_id)
);
-- What only one process may do at a time: whoever holds the name until then, with a token that grows.
CREATE TABLE alerts.leases (
    name     text   PRIMARY KEY,
    holder   text   NOT NULL,
    token    bigint NOT NULL,
    until_ns bigint NOT NULL
);

-- Where rules stand with what they watch; written with the messages that they led to.
CREATE TABLE alerts.triggers (
    rule_id  text   NOT NULL,
    key      text   NOT NULL,
    phase    text   NOT NULL CHECK (phase IN ('idle', 'pending', 'firing')),
    since_ns bigint NOT NULL,
    episode  bigint NOT NULL,
    PRIMARY KEY (rule_id, key)
);
CREATE INDEX triggers_age ON alerts.triggers (since_ns);

-- The newest facts of each thing that is watched, for the bot's answers.
CREATE TABLE alerts.facts (
    kind   text   NOT NULL,
    venue  text   NOT NULL,
    symbol text   NOT NULL,
    at_ns  bigint NOT NULL,
    origin text   NOT NULL,
    facts  jsonb  NOT NULL,
    PRIMARY KEY (kind, venue, symbol)
);
-- The newest reading of the layers that have price zones, for the bot's answers.
CREATE TABLE alerts.readings (
    venue     text   NOT NULL,
    symbol    text   NOT NULL,
    timeframe text   NOT NULL,
    layer     text   NOT NULL,
    at_ns     bigint NOT NULL,
    event     bytea  NOT NULL,
    PRIMARY KEY (venue, symbol, timeframe, layer)
);
-- What became of signals, for the record.
CREATE TABLE alerts.outcomes (
    signal_id   text   PRIMARY KEY,
    resolved_ns bigint NOT NULL,
    event       bytea  NOT NULL
);
CREATE INDEX outcomes_age ON alerts.outcomes (resolved_ns);

ALTER TABLE alerts.outbox
    ADD COLUMN kind      text    NOT NULL DEFAULT 'signal',
    ADD COLUMN headline  text    NOT NULL DEFAULT '',   -- in a few words, for a digest
    ADD COLUMN action    text    NOT NULL DEFAULT 'send' CHECK (action IN ('send', 'photo', 'document')),
    ADD COLUMN keyboard  jsonb,
    ADD COLUMN blob      bytea,                         -- the picture or the document
    ADD COLUMN silent    boolean NOT NULL DEFAULT false,
    ADD COLUMN due_ns    bigint,                        -- when it is to be told in a digest
    ADD COLUMN digest_id text,                          -- the digest that tells it
    DROP CONSTRAINT outbox_state_check,
    ADD CONSTRAINT outbox_state_check CHECK (
        state IN ('pending', 'sending', 'delivered', 'ambiguous', 'failed', 'expired', 'rolled_up')
    ),
    DROP CONSTRAINT outbox_urgency_check,
    ADD CONSTRAINT outbox_urgency_check CHECK (urgency BETWEEN -1 AND 3);
UPDATE alerts.outbox SET urgency = 3 WHERE urgency = 2;
CREATE INDEX outbox_untold ON alerts.outbox (channel, recipient, due_ns) WHERE due_ns IS NOT NULL AND digest_id IS NULL;
CREATE INDEX outbox_told_in ON alerts.outbox (digest_id) WHERE digest_id IS NOT NULL;
CREATE INDEX outbox_digests ON alerts.outbox (channel, recipient) WHERE kind = 'digest' AND state = 'pending';

-- A signal can reach a target or its stop: that is the last of its steps.
DROP INDEX alerts.signals_open;
CREATE INDEX signals_open ON alerts.signals (venue, symbol, timeframe, valid_until_ns)
    WHERE step IN ('new', 'updated', 'expired');
ALTER TABLE alerts.signals
    ADD COLUMN aloud integer NOT NULL DEFAULT 0,    -- the version of the newest step that is worth a message of its own
    ADD COLUMN barrier text CHECK (barrier IN ('target', 'stop', 'expiry', 'unresolved')),   -- once it is known
    ADD COLUMN r_multiple double precision,
    ADD COLUMN resolved_ns bigint,
    DROP CONSTRAINT signals_step_check,
    ADD CONSTRAINT signals_step_check CHECK (step IN ('new', 'updated', 'invalidated', 'target', 'stop', 'expired'));
UPDATE alerts.signals SET aloud = version WHERE step = 'invalidated';
