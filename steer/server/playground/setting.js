// One setting: its preset and dials, what it costs where that was measured, and its answer as it is written.

import { Failure, chat, explain } from "./api.js";
import { nearest, rate, round, percent, signed, strengthsOf } from "./curve.js";
import { held, json, presets, same, toml, within } from "./dials.js";
import { complain, download, el, table } from "./dom.js";
import { coloured, inWords } from "./reading.js";

const BY_HAND = "by hand";
const MOVED = "A dial has moved since this was asked.";
const CHANGED = "The server steers by another policy than this page shows: load the page again.";

/** A setting as an element of the page; `turned` is called whenever a dial is. */
export class Setting {
  constructor(tag, facts, strengths, turned) {
    Object.assign(this, { tag, facts, turned, strengths: { ...strengths } });
    this.presets = presets(facts.dials);
    const names = [...this.presets.keys(), BY_HAND].map((name) => el("option", {}, name));
    this.choice = el("select", { onchange: () => this.pick(this.choice.value) }, ...names);
    this.dials = Object.entries(facts.dials).map(([name, dial]) => this.#dial(name, dial));
    this.cost = el("div", { className: "cost scroll" });
    this.answer = el("div", { className: "answer", tabIndex: 0, role: "region", "aria-label": `Answer of setting ${tag}` });
    this.status = el("p", { className: "status", role: "status" });
    this.error = el("p", { className: "error", role: "alert", hidden: true });
    this.given = el("ul", { className: "given" });
    this.told = el("div", { className: "told" }); // the colours in words
    this.element = el(
      "article", { className: "setting", "aria-labelledby": `setting-${tag}` },
      el("h3", { id: `setting-${tag}` }, el("span", { className: "tag" }, el("span", { className: "unseen" }, "Setting "), tag), " ", ""),
      ...(this.dials.length ? [el("label", { className: "preset" }, "Preset ", this.choice)] : []),
      ...this.dials.map((dial) => dial.element),
      this.cost,
      this.answer, this.told, this.status, this.error, this.given,
      ...(this.dials.length ? [this.#export()] : []),
    );
    this.#show();
  }

  pick(name) {
    if (this.presets.has(name)) this.turn(this.presets.get(name));
    else this.#show();
  }

  turn(strengths) {
    Object.assign(this.strengths, strengths);
    this.#show();
    if (this.asked && !same(this.asked, this.strengths)) this.#say(MOVED);
    this.turned();
  }

  /** Ends the answer that is being written, if one is. */
  stop() {
    this.own?.abort();
  }

  /** Streams an answer, in place of one that is being written; what goes wrong is said here. Ends when all is said. */
  async ask(body, signal) {
    this.stop();
    const own = (this.own = new AbortController());
    this.asked = { ...this.strengths };
    this.whole = null;
    this.#bare("");
    this.given.replaceChildren();
    complain(this.error);
    this.#say("Waiting for the first token…");
    this.answer.setAttribute("aria-busy", "true");
    const words = this.answer.appendChild(document.createTextNode(""));
    const found = { steering: {}, usage: null, reason: null };
    try {
      for await (const chunk of chat(asked(body, this.asked), AbortSignal.any([signal, own.signal]))) {
        if (this.own !== own) return;
        const choice = chunk.choices?.[0];
        words.appendData(choice?.delta?.content ?? "");
        if (words.data) this.#say("Writing…");
        found.reason = choice?.finish_reason ?? found.reason;
        found.usage = chunk.usage ?? found.usage;
        Object.assign(found.steering, chunk.steering);
      }
      this.whole = { prompt: body.messages[0].content, text: words.data, tokens: null, end: ended(found) };
      this.#say(this.whole.end + (same(this.asked, this.strengths) ? "" : ` ${MOVED}`));
    } catch (error) {
      if (this.own === own) this.#failed(error, words.data);
    } finally {
      if (this.own === own) this.#finished(found);
    }
    if (this.way) this.colour(this.way);
  }

  /** Colours the answer's tokens, once it is whole and for every one that follows; null takes the colours away. */
  async colour(way) {
    this.way = way;
    const { whole, own } = this;
    if (!whole?.text) return;
    complain(this.error);
    if (!way) return this.#bare(whole.text);
    try {
      whole.tokens ??= (await explain(whole.prompt, this.asked, own.signal, whole.text)).answer_tokens;
      if (this.whole !== whole || this.way !== way) return;
      this.answer.classList.add("tokens");
      this.answer.replaceChildren(...coloured(whole.tokens, way));
      this.told.replaceChildren(inWords(whole.tokens, way, "answer"));
      this.#say(`${whole.end} Coloured; the table has the numbers.`);
    } catch (error) {
      if (this.whole !== whole || error.name === "AbortError") return;
      if (!(error instanceof Failure)) throw error;
      complain(this.error, `The answer was not read. ${error.message}`);
    }
  }

  /** Text without colours. */
  #bare(text) {
    this.answer.classList.remove("tokens");
    this.answer.replaceChildren(text);
    this.told.replaceChildren();
  }

  /** Once each: screen readers read it aloud whenever it is set. */
  #say(words) {
    if (this.status.textContent !== words) this.status.textContent = words;
  }

  #finished({ steering }) {
    this.answer.setAttribute("aria-busy", "false");
    this.given.replaceChildren(...gave(steering).map((line) => el("li", {}, line)));
    if (!steering.policy || steering.policy === this.facts.policy) return;
    this.whole = null;
    complain(this.error, CHANGED);
  }

  #failed(error, written) {
    if (error.name === "AbortError") {
      this.#say(written ? "Stopped: this is not the whole answer." : "Stopped before the first token.");
    } else if (error instanceof Failure) {
      this.#say("");
      complain(this.error, error.message);
    } else throw error;
  }

  #dial(name, dial) {
    const { low, high } = dial;
    const own = `${this.tag}-${Object.keys(this.facts.dials).indexOf(name)}`;
    const ticks = el("datalist", { id: `ticks-${own}` }, ...this.#ticks(name, low, high).map((at) => el("option", { value: at })));
    const range = el("input", {
      type: "range", id: `dial-${own}`, min: low, max: high, step: "any", list: ticks.id,
      oninput: () => this.turn({ [name]: held(dial, Math.round(range.valueAsNumber * 100) / 100) }),
    });
    const said = el("small", { id: `bounds-${own}`, className: "soft" });
    const number = el("input", {
      type: "number", step: "any", "aria-label": `${name}, as a number`, "aria-describedby": said.id,
      oninput: () => this.#typed(name, dial, number, said, false),
      onchange: () => this.#typed(name, dial, number, said, true),
    });
    const element = el("div", { className: "dial" },
      el("label", { for: range.id }, name), number, range, ticks, said);
    return { name, dial, range, number, said, element };
  }

  /** Where the slider has ticks, and holds on to them: what was measured, and the presets. */
  #ticks(name, low, high) {
    const measured = this.facts.curve?.dial === name ? strengthsOf(this.facts.lines) : [];
    const named = [...this.presets.values()].map((strengths) => strengths[name]);
    return [...new Set([...measured, ...named])].filter((at) => low <= at && at <= high).sort((a, b) => a - b);
  }

  /** While it is typed, only a number within the bounds turns the dial; at the end it is held within them, and that is said. */
  #typed(name, dial, box, said, ended) {
    const asked = box.valueAsNumber;
    const good = Number.isFinite(asked) && within(dial, asked);
    box.setAttribute("aria-invalid", String(!good));
    said.classList.toggle("wrong", !good);
    if (good) this.turn({ [name]: asked });
    else if (ended) {
      this.turn({ [name]: Number.isFinite(asked) ? held(dial, asked) : this.strengths[name] });
      box.setAttribute("aria-invalid", "false");
      said.textContent = `${Number.isFinite(asked) ? `${signed(asked)} is` : "That was"} outside ${bounds(dial)}`;
    }
  }

  #show() {
    const name = [...this.presets].find(([, strengths]) => same(strengths, this.strengths))?.[0] ?? BY_HAND;
    this.choice.value = name;
    this.element.querySelector("h3").lastChild.textContent = name;
    for (const { name, dial, range, number, said } of this.dials) {
      const strength = round(this.strengths[name]);
      range.value = strength;
      range.setAttribute("aria-valuetext", [signed(strength), ...this.#costs(name)].join(", "));
      if (number.valueAsNumber !== strength) number.value = strength;
      if (!said.classList.contains("wrong")) said.textContent = bounds(dial);
      if (within(dial, number.valueAsNumber)) said.classList.remove("wrong");
    }
    if (this.dials.length) this.cost.replaceChildren(this.#costTable());
  }

  #costs(name) {
    if (this.facts.curve?.dial !== name) return [];
    const { lines } = this.facts, known = nearest(strengthsOf(lines), this.strengths[name]);
    return lines.map(({ words, points }) => {
      const rates = known.map((at) => points.find((point) => point.strength === at)).filter(Boolean);
      return rates.length ? `${rates.map((point) => percent(point.rate)).join(" to ")} ${words}` : `${words}: not measured here`;
    });
  }

  #costTable() {
    const { curve, lines } = this.facts;
    if (!curve) return el("p", { className: "soft" }, "What this costs was not measured.");
    const strength = this.strengths[curve.dial], known = nearest(strengthsOf(lines), strength);
    if (!known.length) return el("p", { className: "warning" }, `Nothing was measured as far out as ${signed(strength)}.`);
    const caption = known.length === 1
      ? `Measured at ${signed(known[0])}, with 95 % intervals`
      : `${signed(strength)} was not measured; its neighbours were`;
    const rows = lines.map(({ short, points }) =>
      [short, ...known.map((at) => rate(points.find((point) => point.strength === at)))]);
    return table(caption, ["", ...known.map(signed)], rows);
  }

  #export() {
    const save = (kind) => el("button", { type: "button", onclick: () => this.#save(kind) }, kind.toUpperCase());
    return el("div", { className: "row export" }, el("span", { className: "soft" }, "Save this setting "), save("toml"), save("json"));
  }

  #save(kind) {
    const { facts, strengths } = this;
    const words = kind === "toml" ? toml(facts.dials, strengths, facts) : json(strengths, facts);
    download(`setting-${this.tag.toLowerCase()}.${kind}`, words, kind === "toml" ? "application/toml" : "application/json");
  }
}

/** A server without a policy takes no strengths at all. */
const asked = (body, strengths) => (Object.keys(strengths).length ? { ...body, steering: strengths } : body);

const bounds = ({ low, high }) => `${signed(low)} to ${signed(high)}`;

function ended({ usage, reason }) {
  const tokens = usage ? `, ${usage.completion_tokens} tokens` : "";
  return reason === "length" ? `Cut off at the limit${tokens}.` : `Done${tokens}.`;
}

/** What the server says it did: strengths, risk and gate of each probe, the policy. */
function gave({ strengths, gate, policy }) {
  const said = [];
  if (Object.keys(strengths ?? {}).length) said.push(`given: ${Object.entries(strengths).map(([name, at]) => `${name} ${signed(at)}`).join(", ")}`);
  for (const { probe, risk, share } of gate ?? [])
    said.push(`${risk == null ? `“${probe}”` : `risk by “${probe}”: ${percent(risk)}`}, gate ${share > 0 ? `open ${percent(share)}` : "shut"}`);
  if (policy) said.push(`policy ${policy.slice(0, 12)}`);
  return said;
}
