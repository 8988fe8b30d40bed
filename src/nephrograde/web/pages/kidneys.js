// The kidneys that the program has found: where to start, and on which side of the patient a label lies.

import { describe, draw, say } from "./screen.js";
import { kidneyText } from "./sides.js";
import { get, state, view } from "./state.js";
import { page } from "./viewing.js";

const ASK_AGAIN_MS = 700;
const SIDES = ["right", "left"];

// Ask until the search has ended; the server searches in the background.
export async function askForKidneys(number) {
  while (state.current?.number === number) {
    let news;
    try {
      news = await get(`/api/patients/${number}/kidneys`);
    } catch {
      return;
    }
    if (state.current?.number !== number) return;
    state.kidneys = news;
    describe();
    draw();
    if (news.state !== "searching") return;
    await new Promise((done) => setTimeout(done, ASK_AGAIN_MS));
  }
}

// Show one kidney, and at the next call the other.
export function jumpToKidney() {
  const { active, kidneys } = state;
  if (!active?.grid) return;
  const found = SIDES.filter((side) => kidneys.kidneys[side]);
  if (!found.length) return say(kidneyText());
  const side = found[(found.indexOf(state.kidneyShown) + 1) % found.length];
  state.kidneyShown = side;
  const centre = kidneys.kidneys[side];
  if (view.zoom > 1) view.centre = centre;
  page.pointed(active, active.grid.toIndex(centre));
  describe();
}
