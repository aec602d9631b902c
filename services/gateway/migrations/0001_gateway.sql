-- What the gateway shows of the past. Every row can be folded again from the topics; only api_keys is born here.

CREATE TABLE gateway.markets (
    venue    text   NOT NULL,
    symbol   text   NOT NULL,
    origin   text   NOT NULL,
    event_ns bigint NOT NULL,  -- newest event time
    seen_ns  bigint NOT NULL,  -- our clock when it was folded
    PRIMARY KEY (symbol, venue)
);

CREATE TABLE gateway.candles (
    venue            text             NOT NULL,
    symbol           text             NOT NULL,
    timeframe        text             NOT NULL,
    origin           text             NOT NULL,
    open_ns          bigint           NOT NULL,
    source           text             NOT NULL,
    event_ns         bigint           NOT NULL,
    open             double precision NOT NULL,
    high             double precision NOT NULL,
    low              double precision NOT NULL,
    close            double precision NOT NULL,
    volume           double precision NOT NULL,
    taker_buy_volume double precision,
    trades           bigint,
    closed           boolean          NOT NULL,
    complete         boolean          NOT NULL,
    PRIMARY KEY (symbol, venue, timeframe, origin, open_ns, source)
);

CREATE TABLE gateway.signals (
    signal_id  text             PRIMARY KEY,
    venue      text             NOT NULL,
    symbol     text             NOT NULL,
    timeframe  text             NOT NULL,
    origin     text             NOT NULL,
    direction  text             NOT NULL,
    as_of_ns   bigint           NOT NULL,
    seen_ns    bigint           NOT NULL,  -- our clock when we first heard of it
    body       bytea            NOT NULL,  -- the signal, as published
    decision   text,                       -- the verdict's parts; absent until it is judged
    rationale  text,
    judge      text,
    decided_ns bigint
);
CREATE INDEX signals_newest ON gateway.signals (as_of_ns DESC, signal_id DESC);
CREATE INDEX signals_of_symbol ON gateway.signals (symbol, as_of_ns DESC, signal_id DESC);

CREATE TABLE gateway.deliveries (
    alert_id   text   PRIMARY KEY,
    signal_id  text   NOT NULL,
    channel    text   NOT NULL,
    recipient  text   NOT NULL,
    state      text   NOT NULL,
    attempts   int    NOT NULL,
    at_ns      bigint NOT NULL,
    message_id text,
    reason     text,
    origin     text   NOT NULL
);
CREATE INDEX deliveries_of_signal ON gateway.deliveries (signal_id);

CREATE TABLE gateway.gaps (
    venue     text    NOT NULL,
    symbol    text    NOT NULL,
    stream    text    NOT NULL,
    from_ns   bigint  NOT NULL,
    to_ns     bigint  NOT NULL,
    event_ns  bigint  NOT NULL,
    cause     text    NOT NULL,
    recovered boolean NOT NULL,
    origin    text    NOT NULL,
    PRIMARY KEY (symbol, venue, stream, from_ns)
);

CREATE TABLE gateway.api_keys (
    key_id     text   PRIMARY KEY,
    name       text   NOT NULL,
    digest     bytea  NOT NULL,  -- sha256 of the 256-bit random secret; the secret itself is kept nowhere
    scopes     text[] NOT NULL,
    created_ns bigint NOT NULL,
    revoked_ns bigint,
    used_ns    bigint            -- last use, at most a minute old
);
