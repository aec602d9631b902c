-- Where the reading of each partition stands: written in the transaction that takes a record's messages, so that both
-- are there, or neither is. What the broker was told of it is a hint for its own tools.
CREATE TABLE alerts.offsets (
    topic       text    NOT NULL,
    partition   integer NOT NULL CHECK (partition >= 0),
    next_offset bigint  NOT NULL DEFAULT 0 CHECK (next_offset >= 0),
    PRIMARY KEY (topic, partition)
);
