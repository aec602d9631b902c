// How numbers, times and names read: values in, texts out.

export const FRAMES = ["1m", "5m", "15m", "1h", "4h", "1d", "1w"];
export const LENGTH_NS = { "1m": 60e9, "5m": 300e9, "15m": 900e9, "1h": 3600e9, "4h": 14400e9, "1d": 86400e9, "1w": 604800e9 };

function decimals(price) { return price >= 10000 ? 1 : price >= 100 ? 2 : price >= 1 ? 4 : 6; }
export const formatPrice = (value) => value === null || value === undefined ? "–" : value.toLocaleString("en-US", { minimumFractionDigits: decimals(Math.abs(value)), maximumFractionDigits: decimals(Math.abs(value)) });
export const formatSize = (value) => value.toLocaleString("en-US", { maximumFractionDigits: value >= 100 ? 1 : 4 });
export const formatScore = (value, digits = 2) => `${value > 0 ? "+" : ""}${value.toFixed(digits)}`;
export const formatFact = (value) => typeof value !== "number" ? words(value) : Number.isInteger(value) ? value.toLocaleString("en-US") : value.toLocaleString("en-US", { maximumSignificantDigits: 6 });
export const percent = (value) => `${Math.round(value * 100)} %`;
export const words = (text) => String(text).replaceAll("_", " ");
const moment = (ns) => new Date(ns / 1e6);
export const formatTime = (frame) => (ns) => moment(ns).toISOString().slice(11, LENGTH_NS[frame] >= 86400e9 ? 10 : 16) || moment(ns).toISOString().slice(5, 10);
export const formatStamp = (ns) => `${moment(ns).toISOString().slice(0, 19).replace("T", " ")} UTC`;
export const formatClock = (ns) => moment(ns).toISOString().slice(11, 19);
export const otherDay = (ns) => { const day = moment(ns).toISOString().slice(0, 10); return day === new Date().toISOString().slice(0, 10) ? null : day; };
export function formatAge(seconds) {
  if (seconds < 1) return "now";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}
export const ageOf = (seenNs) => Math.max(0, (Date.now() - seenNs / 1e6) / 1000);
export const tone = (value) => (value >= 0.005 ? "up" : value <= -0.005 ? "down" : "muted");
export const arrow = (direction) => ({ long: "▲ ", short: "▼ ", neutral: "◆ " })[direction] ?? "";
export const judged = (decision) => ({ publish: "published", withhold: "withheld" })[decision] ?? words(decision);
export const toneOf = (direction) => ({ long: "up", short: "down" })[direction] ?? "muted";
