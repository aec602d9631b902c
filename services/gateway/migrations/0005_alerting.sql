-- Rules of alerts as people write them here. The topic alerts.rules.v1 stays the one truth of what is in force.

CREATE TABLE gateway.recipients (
    channel     text   NOT NULL,
    recipient   text   NOT NULL,
    owner       text   NOT NULL REFERENCES gateway.users (user_id) ON DELETE CASCADE,
    created_ns  bigint NOT NULL,
    approved_ns bigint,
    PRIMARY KEY (channel, recipient, owner)
);

CREATE TABLE gateway.rules (
    rule_id    text    PRIMARY KEY,
    owner      text    NOT NULL,       -- empty: it came by another way, as from the bot
    channel    text    NOT NULL,
    recipient  text    NOT NULL,
    template   text    NOT NULL,       -- empty: it was made of none
    state      text    NOT NULL CHECK (state IN ('said', 'published', 'rejected')),
    fault      text,
    revision   bigint  NOT NULL,       -- offset + 1 of its newest record that was read from the topic; 0: none was
    deleted    boolean NOT NULL,
    event      bytea   NOT NULL
);
CREATE INDEX rules_of_owner ON gateway.rules (owner, rule_id);
CREATE INDEX rules_of_recipient ON gateway.rules (channel, recipient);
CREATE INDEX deliveries_of_recipient ON gateway.deliveries (channel, recipient, at_ns DESC, alert_id DESC);

CREATE TABLE gateway.announcements (
    seq   bigserial PRIMARY KEY,
    event bytea NOT NULL
);
