-- The durable outbox of alerts. Times are nanoseconds since the epoch, UTC, of the wall clock.

CREATE TABLE alerts.recipients (
    channel       text   NOT NULL,
    recipient     text   NOT NULL,
    not_before_ns bigint NOT NULL DEFAULT 0,  -- flood waits outlive the sender that was told to wait
    moved_to      text,                       -- the chat's new id, once Telegram has told us
    PRIMARY KEY (channel, recipient)
);

CREATE SEQUENCE alerts.fencing;

CREATE TABLE alerts.outbox (
    alert_id        text     PRIMARY KEY,
    rule_id         text     NOT NULL,
    signal_id       text     NOT NULL,
    channel         text     NOT NULL,
    recipient       text     NOT NULL,
    severity        text     NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    urgency         smallint NOT NULL CHECK (urgency BETWEEN 0 AND 2),
    html            text     NOT NULL CHECK (html <> ''),
    text            text     NOT NULL CHECK (text <> ''),
    origin          text     NOT NULL CHECK (origin IN ('live', 'recorded', 'simulated')),
    venue           text     NOT NULL,
    symbol          text     NOT NULL,
    timeframe       text     NOT NULL,
    cooldown_s      integer  NOT NULL CHECK (cooldown_s >= 0),
    valid_until_ns  bigint   NOT NULL,
    state           text     NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'sending', 'delivered', 'ambiguous', 'failed', 'expired')),
    attempts        integer  NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_ns bigint,                       -- null: no attempt is planned
    repeated        boolean  NOT NULL DEFAULT false,  -- the one marked repeat of an ambiguous send has been claimed
    token           bigint,                       -- of the sender that holds it; grows with every claim
    lease_ns        bigint,                       -- when that sender counts as dead
    begun_ns        bigint,                       -- when it was about to write to the channel; null: surely not sent
    message_id      text,
    reason          text,
    created_ns      bigint   NOT NULL,
    updated_ns      bigint   NOT NULL,
    delivered_ns    bigint,
    FOREIGN KEY (channel, recipient) REFERENCES alerts.recipients,
    CHECK ((state = 'sending') = (token IS NOT NULL)),
    CHECK ((state = 'sending') = (lease_ns IS NOT NULL)),
    CHECK (begun_ns IS NULL OR state = 'sending'),
    CHECK ((state = 'delivered') = (delivered_ns IS NOT NULL)),
    CHECK (state <> 'delivered' OR message_id IS NOT NULL),
    CHECK (state <> 'pending' OR next_attempt_ns IS NOT NULL),
    CHECK (state IN ('pending', 'ambiguous') OR next_attempt_ns IS NULL),
    CHECK (state NOT IN ('ambiguous', 'failed', 'expired') OR reason IS NOT NULL)
);

CREATE INDEX outbox_claimable ON alerts.outbox (channel, recipient, urgency DESC, created_ns, alert_id)
    WHERE next_attempt_ns IS NOT NULL;
CREATE INDEX outbox_expiry ON alerts.outbox (valid_until_ns) WHERE next_attempt_ns IS NOT NULL;
CREATE UNIQUE INDEX outbox_one_in_flight ON alerts.outbox (channel, recipient) WHERE state = 'sending';
CREATE INDEX outbox_cooldown ON alerts.outbox (rule_id, venue, symbol, timeframe, delivered_ns DESC)
    WHERE state = 'delivered';
CREATE INDEX outbox_age ON alerts.outbox (updated_ns);

-- What became of alerts, until it has been published; written in the transaction that changed the state.
CREATE TABLE alerts.announcements (
    seq   bigserial PRIMARY KEY,
    event bytea     NOT NULL
);

-- The latest of each rule on alerts.rules.v1; `revision` grows with every change.
CREATE TABLE alerts.rules (
    rule_id  text    PRIMARY KEY,
    revision bigint  NOT NULL,
    deleted  boolean NOT NULL,
    event    bytea   NOT NULL
);
CREATE INDEX rules_revision ON alerts.rules (revision);
