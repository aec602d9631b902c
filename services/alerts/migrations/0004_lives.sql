-- Signals that people were told of, and what has become of them since: the message of each shows it.
CREATE TABLE alerts.signals (
    signal_id      text    PRIMARY KEY,
    venue          text    NOT NULL,
    symbol         text    NOT NULL,
    timeframe      text    NOT NULL,
    direction      text    NOT NULL,
    as_of_ns       bigint  NOT NULL,
    valid_until_ns bigint  NOT NULL,
    step           text    NOT NULL DEFAULT 'new' CHECK (step IN ('new', 'updated', 'invalidated', 'expired')),
    version        integer NOT NULL DEFAULT 0,  -- grows with every step
    step_ns        bigint  NOT NULL,
    by_signal      text,                        -- the one that updated or invalidated it
    event          bytea   NOT NULL             -- the verdict as it came
);
CREATE INDEX signals_open ON alerts.signals (venue, symbol, timeframe) WHERE step IN ('new', 'updated');
CREATE INDEX signals_expiry ON alerts.signals (valid_until_ns) WHERE step IN ('new', 'updated');

ALTER TABLE alerts.outbox
    ADD COLUMN edits text,                             -- the alert whose message this one changes
    ADD COLUMN told_version integer NOT NULL DEFAULT 0; -- of its signal: what its message shows, or is about to
CREATE INDEX outbox_of_signal ON alerts.outbox (signal_id) WHERE state = 'delivered' AND edits IS NULL;
