// The grading page: what it loads first, and what its controls do.

import { answerAgain, cancelGrading, grade, listenForRegions } from "./answering.js";
import { maskTools } from "./brush.js";
import { markSlice, removeAll } from "./changes.js";
import { acceptMask, chooseModel, listModels, show, useSeries } from "./choosing.js";
import { clamp } from "./geometry.js";
import { button, describe, draw, say } from "./screen.js";
import { byId, fill, get, state, view } from "./state.js";
import { forgetAll, listUploads, sendFile } from "./uploads.js";
import { crossOn, page, windows } from "./viewing.js";
import { build as buildViews, nameViews, toggleViews } from "./views.js";

const STORED = "nephrograde language";

async function speak(language) {
  const service = await get(`/api/service${language ? `?lang=${language}` : ""}`);
  state.service = service;
  state.text = service.texts;
  const phases = new Map(service.models.flatMap((model) => model.phases.map((one) => [one.code, one])));
  state.study = { ...service, name: "nephrograde", windows: [], phases: [...phases.values()] };
  label();
}

function label() {
  const { service, text } = state;
  const words = {
    title: text.title, "drop-text": text.drop, "file-button": text.choose_file, "model-label": text.model,
    "mask-label": text.mask_file, "accept-label": text.accept_phase, grade: text.grade, cancel: text.cancel,
    language: service.language === "en" ? "中文" : "English",
    footer: `${text.research_use_only} nephrograde ${service.version}`,
    stays: fill(text.stays, { n: Math.round(service.keep_s / 60) }),
  };
  for (const [id, said] of Object.entries(words)) byId(id).textContent = said;
  document.documentElement.lang = text.lang;
  document.title = `${text.title} – nephrograde`;
  const tool = (name, said, does) => Object.assign(button(said, does), { id: `tool-${name}` });
  byId("actions").replaceChildren(
    tool("slice", text.mark_slice, markSlice),
    tool("remove", text.clear, removeAll),
    tool("views", text.views, toggleViews),
  );
  byId("mask-tools").replaceChildren(...maskTools());
  byId("windows").replaceChildren(...windows().map(([name, does]) => button(name, does)));
  nameViews();
}

async function changeLanguage() {
  const language = state.service.language === "en" ? "zh" : "en";
  localStorage.setItem(STORED, language);
  await speak(language);
  listUploads();
  listModels();
  await answerAgain();
  describe();
  draw();
}

// ---- keys: scrolling, zoom, the cross, and a point at the cross

function moveCross(across, down) {
  const { active } = state;
  const index = crossOn(active);
  const steps = [across / active.grid.spacing[0], down / active.grid.spacing[1]];
  const moved = index.map((value, axis) => clamp(value + (steps[axis] ?? 0), 0, active.grid.size[axis] - 1));
  view.cross = active.grid.toMm(moved);
  draw();
}

const KEYS = {
  ArrowUp: (event) => (event.shiftKey ? moveCross(0, -3) : page.rolled(state.active, -1)),
  ArrowDown: (event) => (event.shiftKey ? moveCross(0, 3) : page.rolled(state.active, 1)),
  ArrowLeft: (event) => event.shiftKey && moveCross(-3, 0),
  ArrowRight: (event) => event.shiftKey && moveCross(3, 0),
  PageUp: () => page.rolled(state.active, -10),
  PageDown: () => page.rolled(state.active, 10),
  "+": () => page.zoomed(1.25),
  "-": () => page.zoomed(0.8),
  0: () => page.zoomed(0),
  p: () => view.cross && page.clicked(state.active, crossOn(state.active)),
  s: markSlice,
  Delete: removeAll,
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || !state.active?.grid) return;
  if (!(event.target instanceof HTMLCanvasElement) && event.target !== document.body) return;
  const does = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!does) return;
  event.preventDefault();
  does(event);
}

// ---- files

function listen() {
  const drop = byId("drop");
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover" || name === "dragenter");
      if (name === "drop") for (const file of event.dataTransfer.files) sendFile(file);
    });
  }
  byId("file").addEventListener("change", (event) => {
    for (const file of event.target.files) sendFile(file);
    event.target.value = "";
  });
  byId("model").addEventListener("change", (event) => chooseModel(event.target.value));
  byId("mask").addEventListener("change", (event) => event.target.files[0] && acceptMask(event.target.files[0]));
  byId("grade").addEventListener("click", grade);
  byId("cancel").addEventListener("click", cancelGrading);
  byId("language").addEventListener("click", changeLanguage);
  addEventListener("keydown", pressed);
  addEventListener("pagehide", forgetAll);
  addEventListener("series", () => useSeries());
  addEventListener("shown", show);
}

async function start() {
  try {
    await speak(localStorage.getItem(STORED));
  } catch (error) {
    return say(error.message);
  }
  listenForRegions();
  listModels();
  listen();
  buildViews();
  say("");
}

start();
