// Asks a server through the `openai` client of Node: `node client.mjs URL MODEL`. Prints all that came as one JSON object.
// What the numbers and texts should be is the business of test_node.py.

import OpenAI from "openai";

const [url, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0, timeout: 60_000 });
const messages = [{ role: "user", content: "How do I shoot a portrait in low light?" }];
const greedy = { model, messages, temperature: 0, max_tokens: 24 };

const chat = (said) => client.chat.completions.create({ ...greedy, ...said });

async function streamed(said) {
  const found = { text: "", events: 0, finish: null, usage: null, first: null };
  const stream = await chat({ ...said, stream: true, stream_options: { include_usage: true } });
  for await (const chunk of stream) {
    found.first ??= chunk.steering ?? null;
    found.events += 1;
    found.text += chunk.choices[0]?.delta.content ?? "";
    found.finish = chunk.choices[0]?.finish_reason ?? found.finish;
    found.usage = chunk.usage ?? found.usage;
  }
  return found;
}

async function gathered(said) {
  return client.chat.completions.stream({ ...greedy, ...said }).finalChatCompletion();
}

async function left() {
  for await (const _ of await chat({ temperature: 2, max_tokens: 100, n: 4, seed: 1, stream: true })) {
    return true; // leaving the loop closes the connection
  }
}

async function refused(said) {
  try {
    await chat(said);
  } catch (error) {
    return { kind: error.constructor.name, status: error.status, message: error.message, param: error.param };
  }
}

async function listed() {
  const names = [];
  for await (const own of client.models.list()) names.push(own.id);
  return names;
}

const found = {
  models: await listed(),
  low: await chat({ steering: { refusal: -0.75 } }),
  high: await chat({ steering: { refusal: 0.75 } }),
  mild: await chat({ model: `${model}@mild` }),
  strict: await chat({ model: `${model}@strict` }),
  drawn: await chat({ temperature: 1, seed: 7, logprobs: true, top_logprobs: 2 }),
  streamed: await streamed({ steering: "strict" }),
  gathered: await gathered({ model: `${model}@strict` }),
  left: await left(),
  echoed: await client.completions.create({
    model, prompt: "The capital of Italy is", max_tokens: 2, temperature: 0, echo: true, logprobs: 2, steering: 0.5,
  }),
  unknown_dial: await refused({ steering: { warmth: 0.1 } }),
  out_of_bounds: await refused({ steering: { refusal: 9 } }),
  unknown_field: await refused({ frequency_penalty: 0.5 }),
  unknown_model: await refused({ model: "another" }),
};
console.log(JSON.stringify(found));
