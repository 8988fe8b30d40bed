// Asking the server until its work is finished.

import { fill, get, state } from "./state.js";

const FIRST_MS = 150;
const LONGEST_MS = 2000;

// The last reply about something on the server; `told` is called with each reply before. Null once
// `isWanted` says no.
export async function finished(address, told, isWanted) {
  for (let pause = FIRST_MS; isWanted(); pause = Math.min(pause * 1.3, LONGEST_MS)) {
    const reply = await get(`${address}?lang=${document.documentElement.lang.slice(0, 2)}`);
    if (reply.state === "done") return reply;
    told(reply);
    await new Promise((done) => setTimeout(done, pause));
  }
  return null;
}

// What is being done, in words.
export function stepText(reply) {
  const { text } = state;
  if (reply.state === "waiting") return fill(text.step_waiting, { n: reply.ahead });
  return text[`step_${(reply.step ?? "").split(" ")[0]}`] ?? text.step_working;
}
