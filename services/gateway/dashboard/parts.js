// The parts of the page: texts and numbers in, elements out; every text goes in as text.

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

// What is drawn again keeps the keyboard's place: `data-hold` names it.
export function redraw(box, build) {
  const held = box.contains(document.activeElement) ? document.activeElement.dataset.hold : null;
  box.replaceChildren(...build().filter((child) => child !== null));
  if (held) [...box.querySelectorAll("[data-hold]")].find((node) => node.dataset.hold === held)?.focus({ preventScroll: true });
}

export function signedBar(value, label) {
  const bar = make("div", { class: "bar", role: "img", "aria-label": label });
  const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg"), rect = document.createElementNS(space, "rect");
  svg.setAttribute("viewBox", "0 0 200 10");
  svg.setAttribute("preserveAspectRatio", "none");
  const size = Math.min(1, Math.abs(value)) * 100;
  rect.setAttribute("x", value < 0 ? 100 - size : 100);
  rect.setAttribute("width", size);
  rect.setAttribute("height", 10);
  rect.setAttribute("class", value < 0 ? "fill-down" : "fill-up");
  svg.append(rect);
  bar.append(svg);
  return bar;
}

export function depthBar(share, side) {
  const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg"), rect = document.createElementNS(space, "rect");
  svg.setAttribute("viewBox", "0 0 100 10");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "depth");
  svg.setAttribute("aria-hidden", "true");
  rect.setAttribute("x", side === "up" ? 100 - share * 100 : 0);
  rect.setAttribute("width", share * 100);
  rect.setAttribute("height", 10);
  rect.setAttribute("class", `soft-${side}`);
  svg.append(rect);
  return svg;
}

export function facts(entries) {
  return make("dl", { class: "facts" }, ...entries.map(([name, value, style]) => make("div", {}, make("dt", {}, name), make("dd", { class: style ?? "" }, value))));
}
