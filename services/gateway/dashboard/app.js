// The page: what the gateway says, shown. It computes nothing but pixels; every text goes in as text.

import { drawCandles } from "/chart.js";
import { chosen, inWords, isModel, nameOf, nearestMarks, SILENT_NAMES, sideOf, slotOf, zoneOf } from "/layers.js";
import { Link } from "/link.js";
import { FRAMES, LENGTH_NS, ageOf, arrow, formatAge, formatClock, formatFact, formatPrice, formatScore, formatSize, formatStamp, formatTime, judged, otherDay, percent, tone, toneOf, words } from "/numbers.js";
import { depthBar, facts, make, redraw, signedBar } from "/parts.js";
import { Refused, Session } from "/session.js";

const LINK_WORDS = { live: "connected" }; // a recording that plays is no live market
const SIGNALS_KEPT = 60;
const CHANNELS = ["price", "book", "candles", "readings", "signals", "verdicts"];

const $ = (id) => document.getElementById(id);
const state = { markets: [], market: null, frame: "1m", bars: [], price: null, readings: new Map(), signals: new Map(), words: new Map(), marks: [], health: null };

// --- panels

function showOrigin(origin) {
  const badge = $("origin");
  badge.hidden = !origin;
  badge.dataset.origin = origin ?? "";
  badge.textContent = (origin ?? "").toUpperCase();
  badge.title = { simulated: "An invented market: nothing here is real", recorded: "A recording of a real market, played back", live: "A real market, now" }[origin] ?? "";
}

function showPrice(price) {
  const before = state.price?.price, node = $("price");
  state.price = price;
  showOrigin(price.origin);
  $("price-time").textContent = formatStamp(price.event_ns);
  node.textContent = formatPrice(price.price);
  if (before !== undefined && before !== price.price) node.className = `price ${price.price > before ? "up" : "down"}`;
  document.title = `${formatPrice(price.price)} ${price.symbol} · CryptoSatX`;
  grow(price);
}

function grow(price) {
  const length = LENGTH_NS[state.frame], last = state.bars[state.bars.length - 1];
  const phase = state.frame === "1w" ? 4 * 86400e9 : 0, open = price.event_ns - ((price.event_ns - phase) % length);
  if (last && open - last.open_ns < length / 2 && !last.closed) {
    last.high = Math.max(last.high, price.price);
    last.low = Math.min(last.low, price.price);
    last.close = price.price;
  } else if (!last || open - last.open_ns > length / 2) {
    state.bars.push({ open_ns: open, open: price.price, high: price.price, low: price.price, close: price.price, volume: 0, closed: false, complete: false });
  }
  draw();
}

// Of one bar's sources the closed one counts, then the one by REST: as the gateway answers it.
const rank = (bar) => (bar.closed ? 2 : 0) + (bar.source === "rest" ? 1 : 0);

function takeBar(data) {
  if (data.timeframe !== state.frame) return;
  const length = LENGTH_NS[state.frame], same = (bar) => Math.abs(bar.open_ns - data.candle.open_ns) < length / 2;
  if (state.bars.some((bar) => same(bar) && rank(bar) > rank(data.candle))) return;
  const kept = state.bars.filter((bar) => !same(bar));
  state.bars = [...kept, data.candle].sort((a, b) => a.open_ns - b.open_ns).slice(-600);
  draw();
}

let drawing = 0;
function draw() {
  if (drawing) return;
  drawing = requestAnimationFrame(() => {
    drawing = 0;
    $("chart-empty").hidden = state.bars.length > 0;
    drawCandles($("chart"), state.bars, formatPrice, formatTime(state.frame), state.marks.map((mark) => ({ ...mark, text: isModel(mark) ? `MODEL ${words(mark.kind).replace(" model", "")}` : words(mark.kind), model: isModel(mark) })));
    const closed = state.bars.filter((bar) => bar.closed), partial = closed.filter((bar) => !bar.complete).length;
    $("chart-note").textContent = closed.length ? `${closed.length} closed candles of ${state.frame}, times in UTC; the last, dashed, still forms${partial ? `; ${partial} pale: not observed in whole` : ""}` : state.bars.length ? "the first candle still forms" : "";
    const last = state.bars[state.bars.length - 1];
    $("chart").setAttribute("aria-label", last ? `Candles of ${state.frame}, last price ${formatPrice(last.close)}` : "Candles: none yet");
  });
}

function showBook(book) {
  const ladder = $("book"), status = $("book-state");
  if (!book.in_sync) {
    status.textContent = `Being rebuilt: ${book.cause ?? "waiting for a snapshot"}`;
    ladder.replaceChildren();
    for (const id of ["bid", "ask", "spread"]) $(id).textContent = "–";
    return;
  }
  const bids = book.bids.slice(0, 12), asks = book.asks.slice(0, 12);
  let sum = 0;
  const total = Math.max(bids.reduce((all, [, size]) => all + size, 0), asks.reduce((all, [, size]) => all + size, 0)) || 1;
  const side = (levels, name) => { sum = 0; return make("div", { "aria-label": name === "up" ? "Bids" : "Asks", role: "group" }, ...levels.map(([price, size]) => {
    sum += size;
    const cells = [make("span", {}, formatSize(size)), make("span", { class: name }, formatPrice(price))];
    return make("div", { class: "row" }, depthBar(sum / total, name), ...(name === "up" ? cells : cells.reverse()));
  })); };
  ladder.replaceChildren(side(bids, "up"), side(asks, "down"));
  if (bids.length && asks.length) {
    $("bid").textContent = formatPrice(bids[0][0]);
    $("ask").textContent = formatPrice(asks[0][0]);
    $("spread").textContent = `${(((asks[0][0] - bids[0][0]) / asks[0][0]) * 1e4).toFixed(2)} bp`;
  }
  status.textContent = `sequence ${book.sequence}`;
}

function showReadings() {
  const box = $("readings"), layers = chosen([...state.readings.values()], state.frame);
  $("readings-note").textContent = layers.length ? `from ticks, and from closed bars of ${state.frame}` : "";
  if (!layers.length) box.replaceChildren(make("p", { class: "empty" }, "No reading yet."));
  else {
    const known = new Map([...box.querySelectorAll("details")].map((node) => [node.dataset.slot, node]));
    redraw(box, () => layers.flatMap(({ layer, shown, elsewhere }) => shown.length
      ? shown.map((reading, index) => showReading(reading, index, known.get(slotOf(reading))))
      : [make("p", { class: "reading muted small", "data-testid": `reading-${layer}` }, make("span", {}, nameOf(layer)), ` no bar of ${state.frame} read yet; it read ${elsewhere.join(", ")}`)]));
  }
  showMarks();
}

function showReading(reading, index, before) {
  const slot = slotOf(reading), name = nameOf(reading.layer), silent = reading.confidence === 0, from = reading.timeframe ?? "ticks";
  const node = before ?? make("details", { class: "reading", "data-slot": slot });
  node.dataset.testid = index ? `reading-${reading.layer}-${from}` : `reading-${reading.layer}`;
  const said = inWords(reading), cause = words(reading.facts.cause ?? "no cause given");
  node.replaceChildren(...[
    make("summary", { "data-hold": slot, "aria-label": `${name} from ${from}: ${silent ? `abstains, ${cause}` : `score ${formatScore(reading.score)}, confidence ${percent(reading.confidence)}`}${said ? `; ${said}` : ""}` },
      make("span", { title: SILENT_NAMES[reading.layer] ?? null }, `${name} `, make("span", { class: "muted small" }, from)),
      silent ? make("span", { class: "muted small cause" }, cause) : signedBar(reading.score, `score ${formatScore(reading.score)}`),
      make("span", { class: `score ${silent ? "muted" : tone(reading.score)}` }, silent ? "abstains" : formatScore(reading.score)),
      make("span", { class: "muted small number" }, silent ? "" : `${percent(reading.confidence)}`),
      said ? make("span", { class: "muted small said" }, said) : null),
    SILENT_NAMES[reading.layer] ? make("p", { class: "muted small" }, SILENT_NAMES[reading.layer]) : null,
    factTable(reading.facts),
    make("p", { class: "muted small" }, `as of ${formatStamp(reading.as_of_ns)}`)].filter((child) => child !== null));
  return node;
}

let marksShown = "";
function showMarks() {
  const price = state.price?.price ?? state.bars[state.bars.length - 1]?.close;
  state.marks = price === undefined ? [] : nearestMarks(chosen([...state.readings.values()], state.frame).flatMap((layer) => layer.shown), price);
  $("marks-empty").hidden = state.marks.length > 0;
  const rows = state.marks.map((mark) => [words(mark.kind), isModel(mark), sideOf(mark), `${sideOf(mark)}${isModel(mark) || !mark.state ? "" : ` · ${words(mark.state)}`} · ${nameOf(mark.layer)} ${mark.timeframe ?? "ticks"}`, zoneOf(mark), mark.away ? `${formatScore((mark.away / price) * 100)} %` : "here"]);
  if (JSON.stringify(rows) === marksShown) return;
  marksShown = JSON.stringify(rows);
  $("marks").tBodies[0].replaceChildren(...rows.map(([kind, model, side, about, zone, away]) => make("tr", {},
    make("td", {}, make("span", { class: { supports: "up", resists: "down" }[side] ?? "" }, kind),
      model ? make("span", { class: "chip model", title: "Assumed from open interest and leverage: nothing of it was observed" }, "MODEL") : null,
      make("span", { class: "muted small under" }, about)),
    make("td", { class: "number" }, zone),
    make("td", { class: "number" }, away))));
  draw();
}

function factTable(found) {
  const rows = Object.entries(found ?? {});
  if (!rows.length) return make("p", { class: "empty" }, "No facts.");
  return make("table", {}, make("tbody", {}, ...rows.map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, words(name)), make("td", { class: "number" }, value === null ? "not known" : formatFact(value))))));
}

function newest() {
  return [...state.signals.values()].sort((a, b) => b.as_of_ns - a.as_of_ns || b.signal_id.localeCompare(a.signal_id));
}

function showSignals() {
  const all = newest(), body = $("signals").tBodies[0];
  $("signals-empty").hidden = all.length > 0;
  redraw(body, () => all.slice(0, 25).map((signal) => make("tr", { class: "opens", onclick: () => showEvidence(signal.signal_id) },
    make("td", { title: formatStamp(signal.as_of_ns) }, otherDay(signal.as_of_ns) && make("span", { class: "muted day" }, `${otherDay(signal.as_of_ns)} `), formatClock(signal.as_of_ns)),
    make("td", {}, signal.timeframe),
    make("td", {}, make("button", { type: "button", class: toneOf(signal.direction), "data-hold": signal.signal_id, "aria-label": `Evidence of ${signal.direction} ${signal.timeframe}, ${formatClock(signal.as_of_ns)}` }, `${arrow(signal.direction)}${signal.abstained ? "abstained" : words(signal.label)}`)),
    make("td", { class: `number ${tone(signal.score)}` }, formatScore(signal.score)),
    make("td", { class: "muted judged" }, signal.decision ? `${judged(signal.decision)} · ${signal.judge}` : "not yet"))));
  showSignal(all.find((signal) => !signal.abstained && signal.direction !== "neutral") ?? all[0]);
}

function showSignal(signal) {
  const body = $("signal-body");
  if (!signal) { body.replaceChildren(make("p", { class: "empty" }, "No signal yet: the first bar has to close.")); return; }
  const plan = signal.plan;
  redraw(body, () => [
    make("div", { class: "head opens", onclick: () => showEvidence(signal.signal_id) },
      make("button", { type: "button", class: `direction ${toneOf(signal.direction)}`, "data-hold": "direction", "aria-label": `${signal.direction}: show the evidence` }, `${arrow(signal.direction)}${signal.direction}`),
      make("span", { class: "chip" }, words(signal.label)),
      make("span", { class: "chip" }, signal.timeframe),
      make("span", { class: "chip", title: signal.probability_status === "unproven" ? "What fixed weights imply: no outcomes have proven it" : words(signal.probability_status) }, signal.probability === null ? signal.probability_status : `p ${signal.probability.toFixed(2)} ${words(signal.probability_status)}`),
      make("span", { class: "chip" }, signal.origin)),
    signedBar(signal.score, `score ${formatScore(signal.score)}`),
    facts([["Score", formatScore(signal.score), tone(signal.score)], ["Confidence", percent(signal.confidence)], ["Price then", formatPrice(signal.price)], ["Age", formatAge(ageOf(signal.seen_ns)), "signal-age"]]),
    signal.abstained ? make("p", {}, `Abstains: ${words(signal.abstained)}`) : null,
    plan ? make("div", { class: "plan" }, facts([["Entry", `${formatPrice(plan.entry_low)} – ${formatPrice(plan.entry_high)}`], ["Stop", formatPrice(plan.stop), "down"], ...plan.targets.map((target, index) => [`Target ${index + 1}`, `${formatPrice(target.price)} · ${target.reward_to_risk.toFixed(1)} R`, "up"])])) : null,
    plan ? make("p", { class: "muted small" }, plan.invalidation) : null,
    make("p", { class: "muted small" }, signal.decision ? `${judged(signal.decision)} by ${signal.judge}: ${signal.rationale}` : "not judged yet"),
    make("p", { class: "muted small" }, `as of ${formatStamp(signal.as_of_ns)}`),
    make("p", { class: "muted id" }, signal.signal_id),
    make("button", { type: "button", class: "wide", "data-hold": "evidence", "data-testid": "show-evidence", onclick: () => showEvidence(signal.signal_id) }, "Show the evidence")]);
}

async function showEvidence(id) {
  const box = $("evidence-body");
  box.replaceChildren(make("p", { class: "empty" }, "Loading…"));
  if (!$("evidence").open) $("evidence").showModal();
  try {
    const signal = await link.get(`/v1/signals/${encodeURIComponent(id)}`);
    $("evidence-title").textContent = `Evidence: ${signal.direction} ${signal.symbol} ${signal.timeframe}`;
    const largest = Math.max(0.01, ...signal.contributions.map((share) => Math.abs(share.contribution)));
    box.replaceChildren(
      make("p", { class: "muted small" }, `as of ${formatStamp(signal.as_of_ns)} · ${signal.origin} · ${signal.venue} · ${signal.contributions.length ? `score ${formatScore(signal.score)} is the sum of:` : "no score"}`),
      make("h3", {}, "Contributions"),
      ...(signal.contributions.length ? signal.contributions.map((share) => make("div", { class: "share" },
        make("span", {}, nameOf(share.layer)),
        signedBar(share.contribution / largest, `contribution ${formatScore(share.contribution)}`),
        make("span", { class: "small muted" }, make("b", { class: tone(share.contribution) }, formatScore(share.contribution, 3)), ` = ${percent(share.weight)} × ${formatScore(share.score)}`))) : [make("p", { class: "empty" }, signal.abstained ? `The engine abstained: ${words(signal.abstained)}` : "No layer spoke.")]),
      make("h3", {}, "Absent layers"),
      signal.absent.length ? facts(signal.absent.map((absence) => [nameOf(absence.layer), words(absence.cause)])) : make("p", { class: "muted" }, "None: every layer spoke."),
      ...signal.readings.flatMap((reading) => [make("h3", {}, `${nameOf(reading.layer)} ${reading.timeframe ?? ""}`), factTable(reading.facts)]),
      make("h3", {}, "Inputs that reproduce it"), factTable(signal.inputs),
      make("h3", {}, "Alerts"),
      signal.deliveries.length ? facts(signal.deliveries.map((delivery) => [`${delivery.channel} ${delivery.recipient}`, `${delivery.state}${delivery.reason ? `: ${delivery.reason}` : ""}`])) : make("p", { class: "muted" }, "None was sent."));
  } catch (error) {
    box.replaceChildren(make("p", { class: "fault" }, error.message));
  }
}

function showHealth(health) {
  state.health = health;
  const sent = health.alerts.delivered ?? 0, others = Object.entries(health.alerts).filter(([name]) => name !== "delivered");
  $("alerts").textContent = sent || others.length ? `Alerts delivered: ${sent}${others.map(([name, count]) => `, ${name}: ${count}`).join("")}` : "No alert delivered yet.";
  $("feeds-empty").hidden = health.feeds.length > 0;
  const marketOf = (feed) => `${feed.venue}|${feed.symbol}`;
  $("feeds").tBodies[0].replaceChildren(...health.feeds.map((feed, index, all) => make("tr", { class: feed.stale ? "stale" : "" },
    index && marketOf(all[index - 1]) === marketOf(feed) ? null : make("th", { scope: "rowgroup", rowspan: all.filter((other) => marketOf(other) === marketOf(feed)).length }, feed.symbol, make("span", { class: "muted small under" }, feed.venue)),
    make("td", {}, feed.stream),
    make("td", { class: "number" }, `${formatAge(feed.age_s)}${feed.stale ? " · stale" : ""}`),
    make("td", { class: "number" }, feed.events.toLocaleString("en-US")),
    make("td", { class: "number" }, feed.open_gaps ? `${feed.gaps} (${feed.open_gaps} open)` : String(feed.gaps)))));
  if (state.markets.length === 0 && health.feeds.length) loadMarkets().catch(complain);
}

function tick() {
  if (!state.price) return;
  const age = ageOf(state.price.seen_ns), stale = age > (state.health?.stale_after_s ?? 15);
  $("price-age").textContent = `${formatAge(age)}${stale ? " · stale" : ""}`;
  $("price-age").className = stale ? "down" : "";
  showMarks();
  if (linkState === "live") showLink(stale ? "stale" : "live");
  const shown = document.querySelector("#signal-body .signal-age"), signal = newest().find((one) => !one.abstained && one.direction !== "neutral") ?? newest()[0];
  if (shown && signal) shown.textContent = formatAge(ageOf(signal.seen_ns));
}

// --- the line

const inAddress = (name) => new URLSearchParams(location.hash.slice(1)).get(name);
const fromAddress = inAddress("key"), named = inAddress("signal"); // alerts link to #signal=<id>: its evidence opens
if (fromAddress) history.replaceState(null, "", location.pathname + (named ? `#signal=${encodeURIComponent(named)}` : ""));
addEventListener("hashchange", () => { if (inAddress("signal")) showEvidence(inAddress("signal")); });

let linkState = "connecting";
function showLink(name) {
  const word = LINK_WORDS[name] ?? name;
  if ($("link").dataset.state === name && $("link").textContent === word) return;
  $("link").dataset.state = name;
  $("link").textContent = word;
}

const session = new Session({ onChange: showSession });
const link = new Link(session, {
  onState: (name) => { linkState = name; showLink(name); },
  onReady: () => { link.say({ op: "subscribe", channel: "health" }); if (state.market) choose(state.market, true); else loadMarkets().catch(complain); },
  onMessage: hear,
  onRefused: (why) => complain(new Refused(why)),
});

function hear(message) {
  const { channel, symbol, venue, data } = message;
  if (channel === "health" && data) { showHealth(data); return; }
  if (!data || !state.market || symbol !== state.market.symbol || venue !== state.market.venue) return;
  if (channel === "price") showPrice(data);
  else if (channel === "book") showBook(data);
  else if (channel === "candles") takeBar(data);
  else if (channel === "readings") { state.readings.set(slotOf(data), data); later(showReadings); }
  else if (channel === "signals") keepSignals([data]);
  else if (channel === "verdicts") keepWord(data);
}

// A signal is said once; the judge's word on it comes on a channel of its own, and may come first.
function keepSignals(found) {
  const origin = state.price?.origin ?? state.market.origin;
  for (const signal of found) if (signal.origin === origin) {
    const known = state.signals.get(signal.signal_id), word = state.words.get(signal.signal_id);
    state.signals.set(signal.signal_id, { ...signal, ...(known?.decision ? wordOf(known) : {}), ...word, seen_ns: Math.min(known?.seen_ns ?? signal.seen_ns, signal.seen_ns) });
  }
  for (const old of newest().slice(SIGNALS_KEPT)) state.signals.delete(old.signal_id);
  later(showSignals);
}

const wordOf = ({ decision, judge, rationale, decided_ns }) => ({ decision, judge, rationale, decided_ns });

function keepWord(verdict) {
  const known = state.signals.get(verdict.signal_id);
  state.words.set(verdict.signal_id, wordOf(verdict));
  while (state.words.size > SIGNALS_KEPT) state.words.delete(state.words.keys().next().value);
  if (!known || known.decided_ns > verdict.decided_ns) return;
  state.signals.set(verdict.signal_id, { ...known, ...wordOf(verdict) });
  later(showSignals);
}

const waiting = new Set();
function later(show) {
  if (!waiting.size) requestAnimationFrame(() => { for (const one of waiting) one(); waiting.clear(); });
  waiting.add(show);
}

function complain(error) {
  if (error instanceof Refused) {
    $("sign-in").hidden = false;
    $("main").hidden = true;
    $("key-fault").textContent = error.message;
    $("name").focus();
    return true;
  }
  $("link").textContent = error.message;
  return false;
}

async function loadMarkets() {
  const { data } = await link.get("/v1/markets");
  state.markets = data;
  const picker = $("market");
  picker.replaceChildren(...data.map((market, index) => make("option", { value: index }, `${market.symbol} · ${market.venue}`)));
  if (!data.length) { setTimeout(() => loadMarkets().catch(complain), 1500); return; }
  const wanted = sessionStorage.getItem("csx.market"), fresh = data.filter((market) => !market.stale);
  const market = data.find((one) => `${one.venue}|${one.symbol}` === wanted) ?? (fresh.length ? fresh : data)[0];
  picker.value = String(data.indexOf(market));
  choose(market);
}

function choose(market, again = false) {
  const before = state.market;
  if (before && !again) for (const channel of CHANNELS) link.say({ op: "unsubscribe", channel, symbol: before.symbol, venue: before.venue });
  Object.assign(state, { market, bars: [], price: null, readings: new Map(), signals: new Map(), words: new Map() });
  sessionStorage.setItem("csx.market", `${market.venue}|${market.symbol}`);
  $("market-title").textContent = market.symbol;
  $("market-venue").textContent = market.venue;
  $("price").textContent = $("price-time").textContent = "–";
  $("price").className = "price";
  showOrigin(market.origin);
  showReadings();
  showSignals();
  loadCandles().catch(complain);
  loadSignals().catch(complain);
  for (const channel of CHANNELS) link.say({ op: "subscribe", channel, symbol: market.symbol, venue: market.venue });
}

async function loadSignals() {
  const { symbol, venue } = state.market;
  const found = await link.get(`/v1/signals?symbol=${encodeURIComponent(symbol)}&venue=${encodeURIComponent(venue)}&limit=${SIGNALS_KEPT}`);
  if (venue === state.market.venue && symbol === state.market.symbol) keepSignals(found.data);
}

async function loadCandles() {
  const { symbol, venue } = state.market, frame = state.frame;
  const found = await link.get(`/v1/markets/${encodeURIComponent(symbol)}/candles?timeframe=${frame}&venue=${encodeURIComponent(venue)}&limit=300`);
  if (frame !== state.frame || venue !== state.market.venue || symbol !== state.market.symbol) return;
  const newer = state.bars.filter((bar) => !found.data.length || bar.open_ns - found.data[found.data.length - 1].open_ns > LENGTH_NS[frame] / 2);
  state.bars = [...found.data, ...newer];
  draw();
}

for (const frame of FRAMES) {
  $("timeframes").append(make("button", { type: "button", "aria-pressed": String(frame === state.frame), onclick: (event) => {
    state.frame = frame;
    state.bars = [];
    showReadings();
    for (const other of $("timeframes").children) other.setAttribute("aria-pressed", String(other === event.currentTarget));
    loadCandles().catch(complain);
  } }, frame));
}
$("market").addEventListener("change", (event) => choose(state.markets[Number(event.target.value)]));
async function enter(who) {
  try { await session.signIn(who); location.reload(); } catch (error) { complain(new Refused(error.message)); }
}
function showSession(view) {
  $("who").hidden = !view.signed_in;
  $("who-name").textContent = view.name ?? "";
  $("who").title = view.role ? `Signed in as ${view.role}` : "";
  $("elsewhere").hidden = !view.elsewhere;
}
$("password-form").addEventListener("submit", (event) => { event.preventDefault(); enter({ name: $("name").value.trim(), password: $("password").value }); });
$("key-form").addEventListener("submit", (event) => { event.preventDefault(); enter({ key: $("key").value.trim() }); });
$("sign-out").addEventListener("click", () => session.signOut().then(() => location.reload(), complain));
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
setInterval(tick, 500);
async function start() {
  await session.look();
  if (fromAddress) await session.signIn({ key: fromAddress });
  if (session.view.signed_in) await session.refresh();
  if (!session.open) throw new Refused("");
  link.open();
  if (named) showEvidence(named);
}
start().catch((error) => { if (!complain(error)) setTimeout(() => location.reload(), 5000); });
