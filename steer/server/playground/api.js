// The server's API as this page uses it: one function per request, answers piece by piece, failures as words.
// Knows nothing of the page.

let key = "";

/** Held in memory alone: it goes when the page does. */
export function useKey(text) {
  key = text.trim();
}

/** What went wrong, in words for people. `status` is that of HTTP, 0 where no answer came. */
export class Failure extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

export const GONE = "No answer: the server or the network is gone. Check that it runs, then try again.";
const CUT = "The connection ended before the answer did. What arrived stands above; ask again.";

/** Model, policy, dials with bounds and presets, and the measured curve. */
export async function steering() {
  return parsed(await heard((await request("v1/steering")).text(), CUT));
}

/** Risk, gate and projections of a prompt under strengths; of an answer to it too, if one is given. */
export async function explain(prompt, strengths, signal, answer) {
  const body = { prompt, steering: strengths, ...(answer ? { answer } : {}) };
  return parsed(await heard((await request("v1/steering/explain", body, signal)).text(), CUT));
}

/**
 * The answer to a conversation, as it is written.
 * Yields the objects of the stream (`chat.completion.chunk`) one by one.
 */
export async function* chat(body, signal) {
  const streamed = { ...body, stream: true, stream_options: { include_usage: true } };
  const response = await request("v1/chat/completions", streamed, signal);
  for await (const data of events(response.body)) {
    if (data === "[DONE]") return;
    const chunk = parsed(data);
    if (chunk.error) throw new Failure(sentence(chunk.error.message ?? "The server failed"), 500);
    yield chunk;
  }
  throw new Failure(CUT);
}

async function request(path, body, signal) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const asked = { headers, signal, cache: "no-store" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(asked, { method: "POST", body: JSON.stringify(body) });
  }
  const response = await heard(fetch(path, asked), GONE);
  if (!response.ok) throw new Failure(await said(response), response.status);
  return response;
}

/** A request cancelled by the user stays an AbortError; any other failure of the network is put into words. */
async function heard(promise, words) {
  try {
    return await promise;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(words);
  }
}

async function said(response) {
  const found = await response.json().catch(() => ({}));
  const message = sentence(found.error?.message ?? found.detail ?? "");
  switch (response.status) {
    case 401:
      return `The server wants a key${key ? ", and not this one" : ""}: type it in the field “Key” at the top.`;
    case 403:
      return `This key may not do that. ${message}`;
    case 429: {
      const wait = Number(response.headers.get("Retry-After"));
      return `The server has as much to do as it takes on. Ask again${wait ? ` in ${wait} s` : " in a moment"}.`;
    }
    default:
      return response.status < 500
        ? `The server did not take this request. ${message}`
        : `The server failed (${response.status}). ${message}`;
  }
}

function sentence(words) {
  const text = typeof words === "string" ? words.trim() : JSON.stringify(words);
  return text && !/[.!?]$/.test(text) ? `${text}.` : text;
}

function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new Failure("The server sent something that is no JSON. Ask again.");
  }
}

/** The data of server-sent events; lines may be cut anywhere, characters of several bytes too. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await heard(reader.read(), CUT);
      if (done) return;
      const parts = (rest + value).split(/\r?\n\r?\n/);
      rest = parts.pop();
      for (const part of parts) {
        const lines = part.split(/\r?\n/).filter((line) => line.startsWith("data:"));
        if (lines.length) yield lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
