// What layers read, in words: readings in; rows, sentences and the nearest marks out.

import { LENGTH_NS, formatFact, formatPrice, formatScore, percent, words } from "/numbers.js";

export const LAYER_NAMES = { smc: "Smart money", cvd: "CVD", order_flow: "Order flow", technicals: "Technicals", timeframes: "Timeframes", fibonacci: "Fibonacci", liquidity: "Liquidity", factors: "Eight factors" };
export const SILENT_NAMES = { factors: "Its own score: it has no say in signals" };
const ORDER = Object.keys(LAYER_NAMES);
const MARKS_SHOWN = 14;
const SIDES = { "1": "supports", "-1": "resists", "0": "neither" };

export const slotOf = (reading) => `${reading.layer}|${reading.timeframe ?? ""}`;
export const nameOf = (layer) => LAYER_NAMES[layer] ?? words(layer);
const place = (layer) => (ORDER.indexOf(layer) + ORDER.length + 1) % (ORDER.length + 1); // an unknown one comes last

// Of each layer what it reads from ticks and from the bars of `frame`; a layer that has neither is named with what it has.
export function chosen(readings, frame) {
  const layers = [...new Set(readings.map((reading) => reading.layer))].sort((a, b) => place(a) - place(b) || a.localeCompare(b));
  return layers.map((layer) => {
    const all = readings.filter((reading) => reading.layer === layer).sort((a, b) => (LENGTH_NS[a.timeframe] ?? 0) - (LENGTH_NS[b.timeframe] ?? 0));
    return { layer, shown: all.filter((reading) => reading.timeframe === null || reading.timeframe === frame), elsewhere: all.flatMap((reading) => reading.timeframe ?? []) };
  });
}

const known = (value) => value !== null && value !== undefined && value !== "";
const side = (value) => (value > 0 ? "up" : value < 0 ? "down" : "none yet");
const ago = (bars) => (known(bars) ? `, ${bars === 1 ? "1 bar" : `${bars} bars`} ago` : "");
const signed = (value) => `${value > 0 ? "+" : ""}${formatFact(Number(value.toPrecision(4)))}`;
const list = (...found) => found.filter(Boolean);
const say = (value, sentence) => (known(value) ? sentence(value) : null);

const SAYS = {
  smc: (f) => list(
    say(f.trend_bias, (bias) => `trend ${side(bias)}`),
    say(f.last_break, (kind) => `last ${words(kind).toUpperCase()}${ago(f.last_break_bars_ago)}`),
    say(f.range_label, (label) => `price in ${words(label)}`),
    say(f.nearest_support_atr, (away) => `support ${away.toFixed(1)} ATR below`),
    say(f.nearest_resistance_atr, (away) => `resistance ${away.toFixed(1)} ATR above`)),
  cvd: (f) => list(
    say(f.bars_buy_share, (share) => `takers bought ${percent(share)} of five bars`),
    f.bars_buy_share === undefined ? say(f.rolling_buy_share, (share) => `takers bought ${percent(share)} of the last ${formatFact(f.horizon_s / 60)} min`) : null,
    say(f.session_cvd_base, (delta) => `${signed(delta)} base since 00:00 UTC${f.session_complete ? "" : ", as far as heard"}`),
    say(f.divergence, (kind) => `${words(kind)} divergence ${side(f.divergence_side)}${ago(f.divergence_bars_ago)}`)),
  order_flow: (f) => list(
    say(f.flow_balance, (flow) => `flow ${formatScore(flow)}`),
    say(f.queue_imbalance, (queues) => `queues ${formatScore(queues)} to the ${queues >= 0 ? "bids" : "asks"}`),
    say(f.spread_bp, (spread) => `spread ${spread.toFixed(2)} bp`),
    say(f.microprice_bp, (away) => `micro-price ${signed(away)} bp from the mid`),
    f.sweeps ? `${f.sweeps} sweeps in 10 min, the last ${side(f.last_sweep_side)} through ${f.last_sweep_levels} prices` : null,
    f.absorptions ? `${f.absorptions} absorptions in 10 min` : null),
  technicals: (f) => list(
    say(f.regime, (regime) => `regime ${words(regime)}`),
    say(f.trend, (score) => `trend ${formatScore(score)}`),
    say(f.reversion, (score) => `reversion ${formatScore(score)}`),
    say(f.rsi_14, (value) => `RSI ${value.toFixed(0)}`),
    say(f.adx_14, (value) => `ADX ${value.toFixed(0)}`)),
  timeframes: (f) => list(
    ...["short", "middle", "long"].map((horizon) => say(f[`trend_${horizon}`], (trend) => `${horizon} ${formatScore(trend)}`)),
    say(f.agreement, (share) => `agreement ${percent(share)}`)),
  fibonacci: (f) => list(
    say(f.leg_direction, (way) => `leg ${side(way)} ${formatPrice(f.leg_start)} to ${formatPrice(f.leg_end)}`),
    say(f.taken_back, (share) => `${percent(share)} taken back`),
    say(f.nearest_level, (level) => `nearest ${f.nearest_ratio} at ${formatPrice(level)}`)),
  liquidity: (f) => list(
    say(f.support_price, (price) => `support ${formatPrice(price)}`),
    say(f.resistance_price, (price) => `resistance ${formatPrice(price)}`),
    say(f.poc_price, (price) => `most traded ${formatPrice(price)}`)),
  factors: (f) => list(
    say(f.coverage, (share) => `${percent(share)} of the weights known`),
    say(f.agreement, (share) => `agreement ${percent(share)}`)),
};

// The main facts of a reading, in words; empty for a layer that is not known here: its facts still stand in the table.
export function inWords(reading) {
  const facts = reading.facts ?? {};
  return (SAYS[reading.layer]?.(facts) ?? []).join(" · ");
}

export const isModel = (mark) => mark.state === "MODEL";
export const sideOf = (mark) => SIDES[String(mark.side)] ?? "neither";
export const zoneOf = (mark) => (mark.low === mark.high ? formatPrice(mark.low) : `${formatPrice(mark.low)} – ${formatPrice(mark.high)}`);

// The marks of the readings that are shown, nearest to `price` first; one structure counts once.
export function nearestMarks(readings, price) {
  const found = new Map();
  for (const reading of readings) {
    for (const mark of reading.marks ?? []) {
      const away = mark.low > price ? mark.low - price : mark.high < price ? mark.high - price : 0;
      found.set(mark.mark_id || `${reading.layer}|${mark.kind}|${mark.low}|${mark.high}`, { ...mark, layer: reading.layer, timeframe: reading.timeframe, away });
    }
  }
  return [...found.values()].sort((a, b) => Math.abs(a.away) - Math.abs(b.away)).slice(0, MARKS_SHOWN);
}
