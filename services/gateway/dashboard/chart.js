// Candles on a canvas, and the prices that layers speak of: bars and marks in, pixels out.

const RIGHT = 70, BOTTOM = 22, GAP = 0.28;

export function drawCandles(canvas, bars, format, formatTime, marks) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !height) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.clearRect(0, 0, width, height);
  const shown = bars.slice(-Math.max(24, Math.floor((width - RIGHT) / 9)));
  if (!shown.length) return;
  const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
  const high = Math.max(...shown.map((bar) => bar.high)), low = Math.min(...shown.map((bar) => bar.low));
  const pad = (high - low) * 0.06 || high * 0.0005 || 1, top = high + pad, floor = low - pad;
  const most = Math.max(...shown.map((bar) => bar.volume)) || 1, tall = height - BOTTOM;
  const y = (price) => ((top - price) / (top - floor)) * tall;
  const step = Math.min((width - RIGHT) / shown.length, 16), start = width - RIGHT - step * shown.length; // the newest stands at the scale
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  for (let line = 0; line <= 4; line++) {
    const price = floor + ((top - floor) * (line + 0.5)) / 5, at = Math.round(y(price)) + 0.5;
    pen.strokeStyle = colour("--line");
    pen.beginPath(); pen.moveTo(0, at); pen.lineTo(width - RIGHT, at); pen.stroke();
    pen.fillStyle = colour("--muted");
    pen.textAlign = "left";
    if (Math.abs(at - y(shown[shown.length - 1].close)) > 16) pen.fillText(format(price), width - RIGHT + 8, at);
  }
  drawMarks(pen, marks.filter((mark) => mark.low <= top && mark.high >= floor), { y, colour, tall, wide: width - RIGHT });
  const every = Math.ceil(86 / step);
  shown.forEach((bar, index) => {
    const middle = start + index * step + step / 2, rises = bar.close >= bar.open, ink = colour(rises ? "--up" : "--down");
    pen.globalAlpha = bar.closed && !bar.complete ? 0.45 : 1;
    pen.fillStyle = colour(rises ? "--up-soft" : "--down-soft");
    const volume = (bar.volume / most) * tall * 0.16;
    pen.fillRect(middle - step * 0.4, tall - volume, step * 0.8, volume);
    pen.strokeStyle = pen.fillStyle = ink;
    pen.setLineDash(bar.closed ? [] : [2, 2]);
    pen.beginPath(); pen.moveTo(Math.round(middle) + 0.5, y(bar.high)); pen.lineTo(Math.round(middle) + 0.5, y(bar.low)); pen.stroke();
    const body = Math.max(1.5, Math.abs(y(bar.open) - y(bar.close))), upper = Math.min(y(bar.open), y(bar.close));
    if (bar.closed) pen.fillRect(middle - step * (0.5 - GAP / 2), upper, step * (1 - GAP), body);
    else pen.strokeRect(middle - step * (0.5 - GAP / 2), upper, step * (1 - GAP), body);
    pen.setLineDash([]);
    pen.globalAlpha = 1;
    if (index % every === Math.floor(every / 2)) {
      pen.fillStyle = colour("--muted");
      pen.textAlign = "center";
      pen.fillText(formatTime(bar.open_ns), middle, height - BOTTOM / 2);
    }
  });
  const last = shown[shown.length - 1], at = Math.round(y(last.close)) + 0.5;
  pen.strokeStyle = pen.fillStyle = colour(last.close >= last.open ? "--up" : "--down");
  pen.setLineDash([3, 3]);
  pen.beginPath(); pen.moveTo(0, at); pen.lineTo(width - RIGHT, at); pen.stroke();
  pen.setLineDash([]);
  pen.fillRect(width - RIGHT + 2, at - 9, RIGHT - 4, 18);
  pen.fillStyle = colour("--panel");
  pen.textAlign = "left";
  pen.fillText(format(last.close), width - RIGHT + 8, at);
}

// Lines and zones behind the candles, named where a name has room, the nearest first; what a MODEL assumes is dotted.
function drawMarks(pen, marks, { y, colour, tall, wide }) {
  const named = [];
  pen.textAlign = "left";
  for (const mark of marks) {
    const upper = Math.max(0, y(mark.high)), lower = Math.min(tall, y(mark.low)), tone = { "1": "--up", "-1": "--down" }[String(mark.side)];
    if (lower - upper > 1.5) {
      pen.fillStyle = tone ? colour(`${tone}-soft`) : colour("--line");
      pen.globalAlpha = 0.4;
      pen.fillRect(0, upper, wide, lower - upper);
    }
    pen.strokeStyle = pen.fillStyle = colour(tone ?? "--muted");
    pen.globalAlpha = 0.55;
    pen.setLineDash(mark.model ? [1, 4] : [6, 4]);
    const at = Math.round((upper + lower) / 2) + 0.5;
    pen.beginPath(); pen.moveTo(0, at); pen.lineTo(wide, at); pen.stroke();
    pen.globalAlpha = 1;
    if (named.some((other) => Math.abs(other - at) < 13)) continue;
    named.push(at);
    pen.fillText(mark.text, 4, Math.max(7, at - 7));
  }
  pen.setLineDash([]);
}
