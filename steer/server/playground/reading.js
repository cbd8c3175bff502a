// How prompts and answers are read: what each probe decides, and tokens coloured by a probe's risk or a place along a direction.

import { percent, round, signed } from "./curve.js";
import { el, table } from "./dom.js";

const GAPS = "In class gaps: 0 is the mean without the concept, +1 the mean with it; below 0 stands another colour.";

/** The reading of a prompt, by /v1/steering/explain, as elements of the page. */
export function reading(found) {
  const tokens = el("div");
  const known = ways(found);
  const choice = el("select", { onchange: show }, ...known.map((way, at) => el("option", { value: at }, way.name)));
  function show() {
    const way = known[choice.value];
    if (!way) return;
    const scale = el("p", { className: "soft" }, way.scale);
    tokens.replaceChildren(scale, el("p", { className: "tokens" }, ...coloured(found.tokens, way)), inWords(found.tokens, way, "prompt"));
  }
  show();
  return [decided(found), ...(known.length ? [el("label", {}, "Colour by ", choice), tokens] : [])];
}

/** By what tokens can be coloured: the risk of each probe, the place along each direction. */
export function ways({ probes, directions }) {
  return [
    ...probes.map((probe, at) => ({
      name: `risk by probe “${probe.name}”`,
      of: (token) => token.risks[at],
      words: percent,
      scale: "From 0 (no colour) to 100 % (full colour).",
    })),
    ...directions.map((own, at) => ({
      name: `place along “${own.concept}” (edit ${own.edit}, layer ${own.layer})`,
      of: (token) => token.places[at],
      words: (place) => signed(round(place)),
      scale: GAPS,
    })),
  ];
}

/** Tokens as spans with their colour; what is not known has none. */
export function coloured(tokens, { of, words }) {
  return tokens.map((token) => {
    const found = el("span", { className: token.special ? "special" : "" }, token.text), value = of(token);
    if (value == null) return found;
    found.classList.add(value < 0 ? "cold" : "warm");
    found.style.setProperty("--heat", `${Math.round(100 * Math.min(1, Math.abs(value)))}%`);
    found.title = words(value);
    return found;
  });
}

/** The same as a table, for whoever sees no colour. `whose` is "prompt" or "answer". */
export function inWords(tokens, { name, of, words }, whose) {
  const said = (token) => (of(token) == null ? "not known" : words(of(token)));
  const rows = tokens.map((token) => [JSON.stringify(token.text).slice(1, -1), said(token)]);
  const label = `Tokens of the ${whose} by ${name}`;
  return el("details", {},
    el("summary", {}, `The tokens of the ${whose} as a table`),
    el("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": label }, table(label, ["Token", "Value"], rows)));
}

function decided({ probes, otherwise }) {
  if (!probes.length) return el("p", { className: "soft" }, "This policy has no probe: every prompt is steered alike.");
  const rows = probes.map((probe) =>
    [probe.name, percent(probe.risk), percent(probe.threshold), probe.share > 0 ? `open ${percent(probe.share)}` : "shut"]);
  if (otherwise != null) rows.push(["none of them (“else”)", "", "", otherwise > 0 ? `open ${percent(otherwise)}` : "shut"]);
  return table("What each probe says of the whole prompt", ["Probe", "Risk", "Opens at", "Gate"], rows);
}
