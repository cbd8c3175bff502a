// How a prompt is read: what each probe decides, and its tokens coloured by a probe's risk or a place along a direction.

import { percent, round, signed } from "./curve.js";
import { el, table } from "./dom.js";

/** The reading of an answer of /v1/steering/explain, as elements of the page. */
export function reading(found) {
  const tokens = el("div");
  const ways = [...byRisk(found), ...byPlace(found)];
  const choice = el("select", { onchange: show }, ...ways.map((way, at) => el("option", { value: at }, way.name)));
  function show() {
    tokens.replaceChildren(...(ways[choice.value]?.parts() ?? []));
  }
  show();
  const coloured = ways.length ? [el("label", {}, "Colour by ", choice), tokens] : [];
  return [decided(found), ...coloured];
}

function decided({ probes, otherwise }) {
  if (!probes.length) return el("p", { className: "soft" }, "This policy has no probe: every prompt is steered alike.");
  const rows = probes.map((probe) =>
    [probe.name, percent(probe.risk), percent(probe.threshold), probe.share > 0 ? `open ${percent(probe.share)}` : "shut"]);
  if (otherwise != null) rows.push(["none of them (“else”)", "", "", otherwise > 0 ? `open ${percent(otherwise)}` : "shut"]);
  return table("What each probe says of the whole prompt", ["Probe", "Risk", "Opens at", "Gate"], rows);
}

function byRisk({ probes, tokens }) {
  return probes.map((probe, at) => ({
    name: `risk by probe “${probe.name}”`,
    parts: () => shown(tokens, (token) => token.risks[at], percent, "From 0 (no colour) to 100 % (full colour)."),
  }));
}

function byPlace({ directions, tokens }) {
  const scale = "In class gaps: 0 is the mean without the concept, +1 the mean with it; below 0 stands another colour.";
  return directions.map((own, at) => ({
    name: `place along “${own.concept}” (edit ${own.edit}, layer ${own.layer})`,
    parts: () => shown(tokens, (token) => token.places[at], (place) => signed(round(place)), scale),
  }));
}

function shown(tokens, of, words, scale) {
  const said = (token) => (of(token) == null ? "not known" : words(of(token)));
  const rows = tokens.map((token) => [JSON.stringify(token.text).slice(1, -1), said(token)]);
  return [
    el("p", { className: "soft" }, scale),
    el("p", { className: "tokens" }, ...tokens.map((token) => coloured(token, of(token), words))),
    el("details", {},
      el("summary", {}, "The tokens as a table"),
      el("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "The tokens as a table" },
        table("Tokens of the prompt, those of the chat template among them", ["Token", "Value"], rows))),
  ];
}

function coloured(token, value, words) {
  const found = el("span", { className: token.special ? "special" : "" }, token.text);
  if (value == null) return found;
  const much = Math.min(1, Math.abs(value));
  found.classList.add(value < 0 ? "cold" : "warm");
  found.style.setProperty("--heat", `${Math.round(70 * much)}%`);
  found.title = words(value);
  return found;
}
