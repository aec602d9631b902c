-- What the other topics say, for reading. Every row can be folded again; of two rows of one key the newer event stays,
-- and of two events of one time the greater, so that no order of folding changes what is kept.

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
CREATE INDEX instruments_of_venue ON gateway.instruments (venue, symbol);

CREATE TABLE gateway.liquidations (
    venue      text             NOT NULL,
    symbol     text             NOT NULL,
    origin     text             NOT NULL,
    event_ns   bigint           NOT NULL,
    seen_ns    bigint           NOT NULL,
    price      double precision NOT NULL,
    size       double precision NOT NULL,
    liquidated text             NOT NULL,
    PRIMARY KEY (symbol, venue, origin, event_ns, price, size, liquidated)
);
CREATE INDEX liquidations_age ON gateway.liquidations USING brin (seen_ns);

-- of these three the newest event of each minute is kept (slot_ns: the minute's begin)
CREATE TABLE gateway.funding (
    venue           text             NOT NULL,
    symbol          text             NOT NULL,
    origin          text             NOT NULL,
    event_ns        bigint           NOT NULL,
    seen_ns         bigint           NOT NULL,
    slot_ns         bigint           NOT NULL,
    rate            double precision NOT NULL,
    interval_s      bigint,
    next_funding_ns bigint,
    PRIMARY KEY (symbol, venue, origin, slot_ns)
);
CREATE INDEX funding_age ON gateway.funding USING brin (seen_ns);
CREATE TABLE gateway.marks (
    venue       text             NOT NULL,
    symbol      text             NOT NULL,
    origin      text             NOT NULL,
    event_ns    bigint           NOT NULL,
    seen_ns     bigint           NOT NULL,
    slot_ns     bigint           NOT NULL,
    price       double precision NOT NULL,
    index_price double precision,
    PRIMARY KEY (symbol, venue, origin, slot_ns)
);
CREATE INDEX marks_age ON gateway.marks USING brin (seen_ns);
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
    PRIMARY KEY (symbol, venue, origin, slot_ns)
);
CREATE INDEX open_interest_age ON gateway.open_interest USING brin (seen_ns);

CREATE TABLE gateway.metrics (
    venue      text             NOT NULL,  -- the vendor
    symbol     text             NOT NULL,  -- `*`: of the whole market
    origin     text             NOT NULL,
    name       text             NOT NULL,
    exchange   text             NOT NULL,  -- empty: the vendor aggregates
    event_ns   bigint           NOT NULL,
    seen_ns    bigint           NOT NULL,
    value      double precision,           -- absent with its cause
    unit       text             NOT NULL,
    interval_s bigint,
    cause      text,
    PRIMARY KEY (symbol, name, exchange, venue, origin, event_ns)
);
CREATE INDEX metrics_newest ON gateway.metrics (symbol, name, event_ns DESC, exchange DESC, venue DESC);
CREATE INDEX metrics_age ON gateway.metrics USING brin (seen_ns);

-- the newest report of each minute
CREATE TABLE gateway.quality (
    venue    text   NOT NULL,
    origin   text   NOT NULL,
    event_ns bigint NOT NULL,
    seen_ns  bigint NOT NULL,
    slot_ns  bigint NOT NULL,
    grade    text   NOT NULL,
    body     bytea  NOT NULL,
    PRIMARY KEY (venue, origin, slot_ns)
);
CREATE INDEX quality_age ON gateway.quality USING brin (seen_ns);

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
    score      double precision NOT NULL,
    confidence double precision NOT NULL,
    body       bytea            NOT NULL,
    PRIMARY KEY (symbol, venue, origin, layer, timeframe, slot_ns)
);
CREATE INDEX readings_age ON gateway.readings USING brin (seen_ns);

-- structures of the layer `smc`, by their ids: each as it was last told
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
    strength  double precision NOT NULL,
    formed_ns bigint           NOT NULL,
    known_ns  bigint           NOT NULL,
    state     text             NOT NULL,
    said_ns   bigint           NOT NULL,  -- the newest reading that told of it
    seen_ns   bigint           NOT NULL,
    states    jsonb            NOT NULL,  -- {state: first as_of_ns at which it was told}
    PRIMARY KEY (symbol, venue, origin, timeframe, mark_id)
);
CREATE INDEX structures_newest ON gateway.structures (symbol, venue, formed_ns DESC, timeframe DESC, mark_id DESC);
CREATE INDEX structures_age ON gateway.structures USING brin (seen_ns);

CREATE TABLE gateway.profiles (
    venue    text   NOT NULL,
    symbol   text   NOT NULL,
    kind     text   NOT NULL,
    origin   text   NOT NULL,
    as_of_ns bigint NOT NULL,
    seen_ns  bigint NOT NULL,
    body     bytea  NOT NULL,
    PRIMARY KEY (symbol, venue, kind, origin)
);

-- where the signal lies on its topic, and the hash of its JSON: what a replay is held against
ALTER TABLE gateway.signals
    ADD topic_partition int,
    ADD topic_offset    bigint,
    ADD content_hash    bytea;
CREATE INDEX signals_of_bars ON gateway.signals (symbol, venue, timeframe, as_of_ns DESC, signal_id DESC);
CREATE INDEX signals_judged ON gateway.signals (decided_ns DESC, signal_id DESC) WHERE decided_ns IS NOT NULL;
CREATE INDEX gaps_newest ON gateway.gaps (event_ns DESC, symbol DESC, venue DESC, stream DESC, from_ns DESC);
