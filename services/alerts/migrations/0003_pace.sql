-- The pace that all senders of a channel share; a sender that dies forgets nothing.
CREATE TABLE alerts.pace (
    channel          text             PRIMARY KEY,
    per_s            double precision NOT NULL CHECK (per_s >= 1),  -- slowed by floods, quickened by quiet
    changed_ns       bigint           NOT NULL,                     -- when it last was
    claimed_ns       bigint[]         NOT NULL DEFAULT '{}',        -- claims of the last second, oldest first
    stopped_until_ns bigint           NOT NULL DEFAULT 0            -- nothing to anybody before
);

ALTER TABLE alerts.recipients
    ADD COLUMN free_ns bigint   NOT NULL DEFAULT 0,     -- its own budget allows nothing before
    ADD COLUMN told_ns bigint[] NOT NULL DEFAULT '{}';  -- of a group: when the newest twenty attempts ended
