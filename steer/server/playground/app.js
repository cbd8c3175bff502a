// The page: what the server holds, two or three settings side by side, one prompt for all of them.

import { Failure, explain, steering, useKey } from "./api.js";
import { banded, draw, rate, series, signed, strengthsOf, svg, symbol } from "./curve.js";
import { presets, same } from "./dials.js";
import { complain, el, table } from "./dom.js";
import { reading, ways } from "./reading.js";
import { Setting } from "./setting.js";

const at = (id) => document.getElementById(id);
let facts = null;
let settings = [];
let running = null; // the requests that one press of "Stop" ends
let asking = null; // the request for a reading

async function connect() {
  complain(at("server-error"));
  try {
    facts = await steering();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    complain(at("server-error"), error.message);
    if (error.status === 401) at("key").focus();
    return;
  }
  facts.lines = series(facts.curve);
  at("about").textContent = `${facts.model}, ${facts.policy ? `policy ${facts.name} (${facts.policy.slice(0, 12)})` : "no policy: there is nothing to turn"}`;
  at("tokens").max = facts.max_tokens;
  at("tokens").value = Math.min(at("tokens").value, facts.max_tokens);
  settings = first().map(([tag, strengths]) => new Setting(tag, facts, strengths, turned));
  at("settings").replaceChildren(...settings.map((setting) => setting.element));
  at("send").disabled = false;
  at("third").disabled = !facts.policy;
  at("explain").querySelector("button").disabled = !facts.policy;
  const named = ["nothing", ...ways(facts).map((way) => way.name)];
  at("colour").replaceChildren(...named.map((name, own) => el("option", { value: own }, name)));
  at("colour").disabled = !facts.policy;
  about();
  listed();
  turned();
}

/** The plain model beside the default; beside the first preset that differs where the default is the plain model. */
function first() {
  if (!facts.policy) return [["A", {}]];
  const known = [...presets(facts.dials).values()];
  const other = known.find((own) => !same(own, known[0])) ?? known[0];
  return [["A", known[0]], ["B", other]];
}

function about() {
  const { curve, lines } = facts;
  const missing = ["harmful_refusal", "over_refusal"].filter((axis) => !lines.some((own) => own.name === axis));
  at("legend").hidden = at("curve-numbers").hidden = !lines.length;
  if (!lines.length) {
    at("cost-note").textContent = "No run of this policy was loaded, so nothing is known of what a setting costs (steer serve --run FOLDER).";
    return;
  }
  at("cost-note").textContent = [
    `Share of each suite, with 95 % intervals${lines.some(banded) ? "; the shade holds the whole curve at once" : ""}.`,
    Object.keys(facts.dials).length > 1 ? `Only “${curve.dial}” was turned, with the other dials at 0; what they cost is not in it.` : "",
    missing.length ? `Not measured: ${missing.join(", ").replaceAll("_", " ")}; the half of the picture that is missing may be the cost.` : "",
  ].join(" ");
  at("legend").replaceChildren(...lines.map(({ name, words, mark }) => {
    const sign = svg("svg", { width: 26, height: 14, viewBox: "0 0 26 14", class: `line ${name}`, "aria-hidden": "true" });
    sign.append(svg("polyline", { points: "0,7 26,7" }), symbol(mark, 13, 7));
    return el("li", {}, sign, words);
  }));
  const rows = strengthsOf(lines).map((strength) =>
    [signed(strength), ...lines.map((line) => rate(line.points.find((point) => point.strength === strength)))]);
  at("curve-numbers").lastElementChild.replaceChildren(
    table("Rates with 95 % intervals in per cent", ["Strength", ...lines.map((line) => line.words)], rows));
}

function turned() {
  const { curve, lines, dials } = facts;
  if (!lines.length) return at("curve").replaceChildren();
  const marks = settings.map(({ tag, strengths }) => ({ tag, strength: strengths[curve.dial] }));
  const { low, high } = dials[curve.dial];
  draw(at("curve"), lines, marks, [low, high], curve.dial);
}

function listed() {
  at("explain-setting").replaceChildren(...settings.map(({ tag }) => el("option", { value: tag }, tag)));
  at("explain-setting").value = settings.at(-1).tag;
  at("settings").classList.toggle("three", settings.length === 3);
}

at("third").addEventListener("click", () => {
  const third = settings.length < 3;
  if (third) settings.push(new Setting("C", facts, [...presets(facts.dials).values()].at(-1), turned));
  else settings.pop().stop();
  settings.at(-1).colour(way());
  at("settings").replaceChildren(...settings.map((setting) => setting.element));
  at("third").textContent = third ? "Leave out the third setting" : "Compare a third setting";
  at("third").setAttribute("aria-expanded", String(third));
  listed();
  turned();
});

at("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!facts) return;
  running?.abort();
  const own = (running = new AbortController());
  at("stop").disabled = false;
  const body = {
    model: facts.model,
    messages: [{ role: "user", content: at("prompt").value }],
    max_tokens: at("tokens").valueAsNumber,
    temperature: at("temperature").valueAsNumber,
  };
  await Promise.all(settings.map((setting) => setting.ask(body, own.signal)));
  if (running === own) idle();
});

function idle() {
  running = null;
  const lost = document.activeElement === at("stop");
  at("stop").disabled = true;
  if (lost) at("send").focus();
}

/** By what the answers' tokens are coloured; null = by nothing. */
const way = () => ways(facts)[at("colour").value - 1] ?? null;

at("colour").addEventListener("change", () => {
  const own = way();
  at("colour-note").textContent = own ? `Each answer as the steered model reads it, its edits included. ${own.scale}` : "";
  settings.forEach((setting) => setting.colour(own));
});

at("stop").addEventListener("click", () => running?.abort());
at("ask").addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("ask").requestSubmit();
});

at("explain").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!facts || !at("prompt").reportValidity()) return;
  asking?.abort();
  const own = (asking = new AbortController());
  const { tag, strengths } = settings.find((setting) => setting.tag === at("explain-setting").value);
  complain(at("explain-error"));
  at("explain-status").textContent = "Reading…";
  try {
    const found = await explain(at("prompt").value, strengths, own.signal);
    at("reading").replaceChildren(...reading(found));
    at("explain-status").textContent = `Read at setting ${tag}.`;
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Failure)) throw error;
    at("explain-status").textContent = "";
    complain(at("explain-error"), error.message);
  }
});

at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(at("key").value);
  connect();
});

let width = 0;
new ResizeObserver(() => {
  if (at("curve").clientWidth === width) return;
  width = at("curve").clientWidth;
  if (facts) turned();
}).observe(at("curve"));
connect();
