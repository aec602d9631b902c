-- What stream clients must see exactly once and in order: positions are given in the transaction that writes the row.

CREATE TABLE gateway.channels (
    channel  text   PRIMARY KEY,
    position bigint NOT NULL DEFAULT 0,  -- of the newest item
    floor    bigint NOT NULL DEFAULT 0   -- items up to this one are gone
);
INSERT INTO gateway.channels (channel) VALUES ('signals'), ('verdicts'), ('outcomes'), ('deliveries');

CREATE TABLE gateway.sequences (
    channel text   NOT NULL,
    venue   text   NOT NULL,
    symbol  text   NOT NULL,
    seq     bigint NOT NULL,
    PRIMARY KEY (channel, venue, symbol)
);

CREATE TABLE gateway.feed (
    channel  text   NOT NULL REFERENCES gateway.channels (channel),
    position bigint NOT NULL,
    venue    text   NOT NULL,
    symbol   text   NOT NULL,
    seq      bigint NOT NULL,
    at_ns    bigint NOT NULL,
    owner    text,             -- only this user's clients see it; absent: all
    body     bytea  NOT NULL,  -- the view, as clients get it
    PRIMARY KEY (channel, position)
);
CREATE INDEX feed_age ON gateway.feed (at_ns);
