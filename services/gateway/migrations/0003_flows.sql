-- What the other topics say, for reading. Every row can be folded again; the newer of two wins.

CREATE TABLE gateway.instruments (
    venue     text    NOT NULL,
    symbol    text    NOT NULL,
    origin    text    NOT NULL,
    event_ns  bigint  NOT NULL,
    seen_ns   bigint  NOT NULL,
    status    text    NOT NULL,
    kind      text    NOT NULL,
    followed  boolean NOT NULL,
    listed_ns bigint,
    body      bytea   NOT NULL,  -- the event, as published
    PRIMARY KEY (symbol, venue)
);

CREATE TABLE gateway.liquidations (
    venue      text             NOT NULL,
    symbol     text             NOT NULL,
    origin     text             NOT NULL,
    event_ns   bigint           NOT NULL,
    seen_ns    bigint           NOT NULL,
    price      double precision NOT NULL,
    size       double precision NOT NULL,
    liquidated text             NOT NULL,
    PRIMARY KEY (symbol, venue, event_ns, price, size, liquidated)
);

-- of these three the newest event of each minute is kept (slot_ns: the minute's begin)
CREATE TABLE gateway.funding (
    venue           text             NOT NULL,
    symbol          text             NOT NULL,
    origin          text             NOT NULL,
    event_ns        bigint           NOT NULL,
    seen_ns         bigint           NOT NULL,
    slot_ns         bigint           NOT NULL,
    rate            double precision NOT NULL,
    interval_s      double precision,
    next_funding_ns bigint,
    PRIMARY KEY (symbol, venue, slot_ns)
);
CREATE TABLE gateway.marks (
    venue       text             NOT NULL,
    symbol      text             NOT NULL,
    origin      text             NOT NULL,
    event_ns    bigint           NOT NULL,
    seen_ns     bigint           NOT NULL,
    slot_ns     bigint           NOT NULL,
    price       double precision NOT NULL,
    index_price double precision,
    PRIMARY KEY (symbol, venue, slot_ns)
);
CREATE TABLE gateway.open_interest (
    venue     text             NOT NULL,
    symbol    text             NOT NULL,
    origin    text             NOT NULL,
    event_ns  bigint           NOT NULL,
    seen_ns   bigint           NOT NULL,
    slot_ns   bigint           NOT NULL,
    contracts double precision,
    base      double precision,
    notional  double precision,
    PRIMARY KEY (symbol, venue, slot_ns)
);

CREATE TABLE gateway.metrics (
    venue      text             NOT NULL,
    symbol     text             NOT NULL,
    origin     text             NOT NULL,
    name       text             NOT NULL,
    exchange   text             NOT NULL,
    event_ns   bigint           NOT NULL,
    seen_ns    bigint           NOT NULL,
    value      double precision,  -- absent with its cause
    unit       text             NOT NULL,
    interval_s double precision,
    cause      text,
    PRIMARY KEY (symbol, name, exchange, venue, event_ns)
);

CREATE TABLE gateway.quality (
    venue    text   NOT NULL,
    origin   text   NOT NULL,
    event_ns bigint NOT NULL,
    seen_ns  bigint NOT NULL,
    grade    text   NOT NULL,
    body     bytea  NOT NULL,
    PRIMARY KEY (venue, event_ns)
);

CREATE TABLE gateway.outcomes (
    signal_id   text             PRIMARY KEY,
    venue       text             NOT NULL,
    symbol      text             NOT NULL,
    origin      text             NOT NULL,
    timeframe   text             NOT NULL,
    resolved_ns bigint           NOT NULL,
    seen_ns     bigint           NOT NULL,
    barrier     text             NOT NULL,
    r_multiple  double precision,
    mfe         double precision,
    mae         double precision
);
CREATE INDEX outcomes_newest ON gateway.outcomes (resolved_ns DESC, signal_id DESC);

-- of bars all, of ticks the newest of each minute
CREATE TABLE gateway.readings (
    venue      text             NOT NULL,
    symbol     text             NOT NULL,
    origin     text             NOT NULL,
    layer      text             NOT NULL,
    timeframe  text             NOT NULL,  -- empty: of ticks
    slot_ns    bigint           NOT NULL,  -- of bars as_of_ns, of ticks the minute's begin
    as_of_ns   bigint           NOT NULL,
    seen_ns    bigint           NOT NULL,
    score      double precision,
    confidence double precision NOT NULL,
    body       bytea            NOT NULL,
    PRIMARY KEY (symbol, venue, layer, timeframe, slot_ns)
);
CREATE INDEX readings_age ON gateway.readings (as_of_ns);

CREATE TABLE gateway.structures (
    venue     text             NOT NULL,
    symbol    text             NOT NULL,
    origin    text             NOT NULL,
    timeframe text             NOT NULL,
    mark_id   text             NOT NULL,
    kind      text             NOT NULL,
    side      smallint         NOT NULL,
    low       double precision NOT NULL,
    high      double precision NOT NULL,
    formed_ns bigint           NOT NULL,
    known_ns  bigint           NOT NULL,
    state     text             NOT NULL,  -- as last told
    state_ns  bigint           NOT NULL,  -- when that state was first told
    said_ns   bigint           NOT NULL,  -- the newest reading that told of it
    states    jsonb            NOT NULL,  -- [[state, as_of_ns], ...], oldest first
    body      bytea            NOT NULL,
    PRIMARY KEY (symbol, venue, timeframe, mark_id)
);
CREATE INDEX structures_newest ON gateway.structures (symbol, venue, timeframe, formed_ns DESC);

CREATE TABLE gateway.profiles (
    venue    text   NOT NULL,
    symbol   text   NOT NULL,
    kind     text   NOT NULL,
    origin   text   NOT NULL,
    as_of_ns bigint NOT NULL,
    seen_ns  bigint NOT NULL,
    body     bytea  NOT NULL,
    PRIMARY KEY (symbol, venue, kind)
);

-- where the signal lies on its topic, and the hash of its bytes: what a replay is held against
ALTER TABLE gateway.signals
    ADD topic_partition int,
    ADD topic_offset    bigint,
    ADD content_hash    bytea;
