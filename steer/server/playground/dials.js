// Strengths of all dials: bounds, presets, and a setting as text for a file. Knows no page.

import { round } from "./curve.js";

/** Settings that can be picked by name: the plain model, the default, the presets; only those within the bounds. */
export function presets(dials) {
  const names = Object.entries(dials);
  const defaults = Object.fromEntries(names.map(([name, dial]) => [name, dial.default]));
  const found = new Map();
  if (names.every(([, dial]) => within(dial, 0)))
    found.set("plain model", Object.fromEntries(names.map(([name]) => [name, 0])));
  found.set("default", defaults);
  for (const [name, dial] of names)
    for (const [preset, strength] of Object.entries(dial.presets))
      found.set(preset, { ...defaults, ...found.get(preset), [name]: strength });
  return found;
}

export const within = (dial, strength) => dial.low <= strength && strength <= dial.high;

export const held = (dial, strength) => Math.min(dial.high, Math.max(dial.low, strength));

export const same = (one, other) => Object.keys(one).every((name) => Math.abs(one[name] - other[name]) < 5e-4);

/** The dial tables of a policy that stands at these strengths by default. */
export function toml(dials, strengths, facts) {
  const tables = Object.entries(dials).map(([name, dial]) => {
    const strength = round(strengths[name]);
    const own = Object.entries(dial.presets).map(([preset, at]) => `${key(preset)} = ${at}`);
    return [
      `[dials.${key(name)}]`,
      `default = ${strength}`,
      `low = ${dial.low}`,
      `high = ${dial.high}`,
      `presets = { ${own.join(", ")} }`,
    ].join("\n");
  });
  const from = `# Model ${facts.model}, policy ${facts.policy || "without a file"}.`.replace(/[\x00-\x1f\x7f]/g, " ");
  return `${from}\n# These tables take the place of the [dials] tables in its policy.toml.\n\n${tables.join("\n\n")}\n`;
}

/** What a request sends in its field `steering`, with the model and the policy it was chosen for. */
export function json(strengths, facts) {
  const steering = Object.fromEntries(Object.entries(strengths).map(([name, at]) => [name, round(at)]));
  return `${JSON.stringify({ model: facts.model, policy: facts.policy, steering }, null, 2)}\n`;
}

// JSON strings are TOML strings, but for a bare DEL.
const key = (name) => (/^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name).replace(/\x7f/g, "\\u007f"));
