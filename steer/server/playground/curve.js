// The measured curve: what is known at a strength, and its drawing as SVG. Nothing is interpolated: between two
// strengths that were measured, both are told. Knows no server.

/** Axes in the order they are drawn; harmful refusal and over-refusal always share a panel. */
export const AXES = [
  { name: "harmful_refusal", words: "harmful requests refused", short: "harmful refused", mark: "circle" },
  { name: "over_refusal", words: "benign requests refused (over-refusal)", short: "over-refusal", mark: "square" },
  { name: "capability", words: "tasks solved (capability)", short: "capability", mark: "diamond" },
];
const PANELS = [
  { axes: ["harmful_refusal", "over_refusal"], title: "refused", height: 190 },
  { axes: ["capability"], title: "solved", height: 96 },
];
const LEFT = 44, RIGHT = 22, GAP = 44, BOTTOM = 42, TAG = 20;
const NS = "http://www.w3.org/2000/svg";

export const percent = (share) => `${Math.round(100 * share)} %`;
export const round = (number) => Number(number.toFixed(3));
/** With its sign, and a real minus; zero has none, nor has what is rounded to it. */
export const signed = (number) => `${["−", "", "+"][Math.sign(round(number)) + 1]}${Math.abs(round(number))}`;

/** Points of the axes that are drawn, by axis and strength; without those that were not measured. */
export function series(curve) {
  const known = (curve?.points ?? []).filter((point) => Number.isFinite(point.rate));
  return AXES.map((axis) => ({
    ...axis,
    points: known.filter((point) => point.axis === axis.name).sort((a, b) => a.strength - b.strength),
  })).filter((axis) => axis.points.length);
}

/** The measured strengths that say something of this one: itself, its two neighbours, or none outside. */
export function nearest(strengths, strength) {
  const same = strengths.find((own) => Math.abs(own - strength) < 5e-4);
  if (same !== undefined) return [same];
  const below = strengths.filter((own) => own < strength), above = strengths.filter((own) => own > strength);
  return below.length && above.length ? [Math.max(...below), Math.min(...above)] : [];
}

export const strengthsOf = (lines) =>
  [...new Set(lines.flatMap((axis) => axis.points.map((point) => point.strength)))].sort((a, b) => a - b);

/** A rate with its interval, in per cent; the interval is left out where it is not known. */
export function rate(point) {
  if (!point) return "not measured";
  const held = Number.isFinite(point.low) && Number.isFinite(point.high);
  return percent(point.rate) + (held ? ` [${Math.round(100 * point.low)}, ${Math.round(100 * point.high)}]` : "");
}

/**
 * Draws the curve into an element, at its width.
 * `marks`: [{ tag, strength }], the settings; `bounds`: [low, high] of the dial.
 */
export function draw(host, lines, marks, bounds, dial) {
  const width = Math.max(260, host.clientWidth);
  const panels = PANELS.filter((panel) => lines.some((line) => panel.axes.includes(line.name)));
  const measured = strengthsOf(lines);
  const reach = [...measured, ...marks.map((mark) => mark.strength), ...bounds];
  const first = Math.min(...reach), last = Math.max(...reach), span = last - first || 1;
  const x = (strength) => LEFT + ((strength - first) / span) * (width - LEFT - RIGHT);
  const tags = rows(marks, x);
  const top = TAG * tags.depth + 22;
  const height = top + panels.reduce((sum, panel) => sum + panel.height + GAP, -GAP) + BOTTOM;

  const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img" });
  picture.setAttribute("aria-label", inWords(lines, marks, dial));
  let down = top;
  for (const panel of panels) {
    const y = (share) => down + (1 - share) * panel.height;
    picture.append(frame(panel, y, width, down));
    for (const line of lines.filter((own) => panel.axes.includes(own.name))) picture.append(drawn(line, x, y));
    down += panel.height + GAP;
  }
  const floor = height - BOTTOM;
  picture.append(scale(first, last, x, floor, dial), ...tags.placed.map((tag) => marker(tag, floor)));
  host.replaceChildren(picture);
}

function frame(panel, y, width, down) {
  const group = svg("g", { class: "frame" });
  for (const share of panel.height > 120 ? [0, 0.25, 0.5, 0.75, 1] : [0, 0.5, 1]) {
    group.append(svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(share), y2: y(share) }));
    group.append(text(LEFT - 6, y(share) + 4, `${100 * share} %`, "end"));
  }
  group.append(text(0, down - 9, panel.title, "start"));
  return group;
}

/** Whether a band that holds the whole line is known; not where several suites are taken together. */
export const banded = ({ points }) =>
  points.length > 1 && points.every((point) => Number.isFinite(point.band_low) && Number.isFinite(point.band_high));

function drawn({ name, mark, points }, x, y) {
  const group = svg("g", { class: `line ${name}` });
  if (banded({ points })) {
    const edge = [...points.map((p) => [p, p.band_high]), ...points.toReversed().map((p) => [p, p.band_low])];
    group.append(svg("polygon", { points: edge.map(([p, share]) => `${x(p.strength)},${y(share)}`).join(" ") }));
  }
  for (const point of points.filter((own) => Number.isFinite(own.low) && Number.isFinite(own.high)))
    group.append(svg("line", { x1: x(point.strength), x2: x(point.strength), y1: y(point.low), y2: y(point.high) }));
  group.append(svg("polyline", { points: points.map((p) => `${x(p.strength)},${y(p.rate)}`).join(" ") }));
  for (const point of points) group.append(symbol(mark, x(point.strength), y(point.rate)));
  return group;
}

/** The sign of an axis, told apart without colour. */
export function symbol(mark, x, y, size = 4) {
  if (mark === "circle") return svg("circle", { cx: x, cy: y, r: size });
  const box = { x: x - size, y: y - size, width: 2 * size, height: 2 * size };
  return svg("rect", mark === "diamond" ? { ...box, transform: `rotate(45 ${x} ${y})` } : box);
}

function scale(first, last, x, floor, dial) {
  const group = svg("g", { class: "frame" });
  const step = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 25, 50, 100].find((own) => x(first + own) - x(first) >= 52) ?? last - first;
  for (let at = Math.ceil(first / step - 1e-9) * step; at <= last + 1e-9; at += step) {
    group.append(svg("line", { x1: x(at), x2: x(at), y1: floor, y2: floor + 4 }));
    group.append(text(x(at), floor + 17, signed(at), "middle"));
  }
  group.append(text((x(first) + x(last)) / 2, floor + 36, `strength of “${dial}”`, "middle"));
  return group;
}

/** Tags of settings at one place share it; those that would touch stand in rows. */
function rows(marks, x) {
  const shared = new Map();
  for (const { tag, strength } of marks) shared.set(round(strength), [...(shared.get(round(strength)) ?? []), tag]);
  const ends = [];
  const placed = [...shared].sort(([a], [b]) => a - b).map(([strength, names]) => {
    const at = x(strength), wide = 12 + 12 * names.length;
    let row = ends.findIndex((end) => end + 4 < at - wide / 2);
    if (row < 0) row = ends.length;
    ends[row] = at + wide / 2;
    return { at, wide, row, words: names.join(" ") };
  });
  return { placed, depth: Math.max(1, ends.length) };
}

function marker({ at, wide, row, words }, floor) {
  const group = svg("g", { class: "mark" });
  const y = row * TAG + 1;
  group.append(svg("line", { x1: at, x2: at, y1: y + 17, y2: floor }));
  group.append(svg("rect", { x: at - wide / 2, y, width: wide, height: 17, rx: 4 }), text(at, y + 13, words, "middle"));
  return group;
}

function inWords(lines, marks, dial) {
  const said = lines.map(({ words, points }) => {
    const [a, b] = [points[0], points.at(-1)];
    return `${words}: ${percent(a.rate)} at ${signed(a.strength)} to ${percent(b.rate)} at ${signed(b.strength)}`;
  });
  const at = marks.map(({ tag, strength }) => `setting ${tag} at ${signed(strength)}`);
  return `Measured against the strength of ${dial}. ${[...said, ...at].join("; ")}.`;
}

export function svg(name, attributes) {
  const found = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  return found;
}

function text(x, y, words, anchor) {
  const found = svg("text", { x, y, "text-anchor": anchor });
  found.textContent = words;
  return found;
}
