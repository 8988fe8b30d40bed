// The page: what it loads first, and what its controls do.

import { send } from "./changes.js";
import { Outbox } from "./entries.js";
import { pressed } from "./keys.js";
import { filter, list, markAll, open, told } from "./patients.js";
import { list as listReaders } from "./readers.js";
import { describe, draw, reportAgain } from "./screen.js";
import { byId, get, state } from "./state.js";
import { label } from "./tools.js";
import { build as buildViews } from "./views.js";

async function speak(language) {
  state.study = await get(`/api/study${language ? `?lang=${language}` : ""}`);
  state.text = state.study.texts;
  label();
}

async function changeLanguage() {
  const language = state.study.language === "en" ? "zh" : "en";
  localStorage.setItem("nephrograde language", language);
  await speak(language);
  markAll();
  listReaders();
  describe();
  draw();
  reportAgain();
}

function listen() {
  addEventListener("keydown", pressed);
  addEventListener("beforeunload", (event) => state.outbox.waiting.length && event.preventDefault());
  byId("filter").addEventListener("input", (event) => filter(event.target.value.trim().toLowerCase()));
  byId("comment").addEventListener("change", (event) => send("", "comment", event.target.value.trim()));
  byId("patients-button").addEventListener("click", (event) => {
    event.target.setAttribute("aria-expanded", byId("patients").classList.toggle("open"));
  });
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  byId("help-close").addEventListener("click", () => byId("help").close());
  byId("language").addEventListener("click", changeLanguage);
}

async function start() {
  try {
    await speak(localStorage.getItem("nephrograde language"));
    ({ patients: state.patients } = await get("/api/patients"));
  } catch (error) {
    byId("message").textContent = error.message;
    byId("message").hidden = false;
    return;
  }
  state.outbox = new Outbox(`${state.study.name} ${state.study.reader}`, told);
  list();
  listen();
  buildViews();
  const { patients } = state;
  const asked = Number(location.hash.slice(1));
  const isKnown = location.hash && Number.isInteger(asked) && asked < patients.length;
  const firstOpen = patients.findIndex((patient) => patient.state !== "done");
  await open(isKnown ? asked : Math.max(firstOpen, 0));
}

start();
