// The words of the page in its language: tools, help and labels of controls.

import { accept } from "./accepting.js";
import { helpOnMasks, maskTools } from "./brush.js";
import { markSlice, removeAll, step, toggle } from "./changes.js";
import { jumpToKidney } from "./kidneys.js";
import { next, previous } from "./patients.js";
import { button } from "./screen.js";
import { byId, phaseName, state } from "./state.js";
import { windows } from "./viewing.js";
import { nameViews, toggleViews } from "./views.js";

export function label() {
  const { panes, study, text } = state;
  document.documentElement.lang = text.lang;
  document.title = `${study.name} – nephrograde`;
  byId("footer").textContent = `${text.research_use_only} nephrograde ${study.version} · ${study.name} · ${study.reader}`;
  byId("patients-button").textContent = text.patients;
  byId("patients").setAttribute("aria-label", text.patients);
  byId("filter").placeholder = text.filter;
  byId("filter").setAttribute("aria-label", text.filter);
  byId("to-series").textContent = text.series;
  byId("to-series").hidden = !study.has_series;
  byId("help-button").title = text.help;
  byId("help-button").setAttribute("aria-label", text.help);
  byId("language").textContent = study.language === "en" ? "中文" : "English";
  byId("comment-label").textContent = text.comment;
  byId("help-title").textContent = text.help;
  byId("help-close").textContent = text.close;
  byId("actions").replaceChildren(...tools());
  nameViews();
  byId("mask-tools").replaceChildren(...maskTools());
  byId("windows").replaceChildren(...windows().map(([name, does]) => button(name, does)));
  byId("keys").replaceChildren(...help());
  for (const pane of panes) pane.call(phaseName(pane.phase));
  for (const tab of byId("tabs").children) tab.textContent = phaseName(tab.dataset.phase);
}

function tools() {
  const { text } = state;
  const tool = (name, words, does) => Object.assign(button(words, does), { id: `tool-${name}` });
  const made = [
    tool("slice", text.mark_slice, markSlice),
    tool("none", text.none, () => toggle("none")),
    tool("unusable", text.unusable, () => toggle("unusable")),
    tool("accept", text.accept, accept),
    tool("remove", text.remove, removeAll),
    tool("undo", text.undo, () => step("undo")),
    tool("redo", text.redo, () => step("redo")),
    tool("views", text.views, toggleViews),
    tool("kidney", text.kidney_next, jumpToKidney),
    tool("previous", text.previous, previous),
    tool("next", text.next, next),
  ];
  for (const one of made.slice(1, 3)) one.dataset.state = one.id.replace("tool-", "");
  return made;
}

function help() {
  const { text } = state;
  const keys = [
    [text.key_click, text.key_click_does], [text.key_drag, text.key_drag_does], ["S", text.key_s],
    [text.key_grab, text.key_grab_does], [text.key_alt, text.key_alt_does], ["M", text.key_m], ["R", text.key_r],
    ["Escape", text.key_escape], ["A", text.key_a], ["Delete", text.key_delete], ...helpOnMasks(), ["N", text.key_n], ["U", text.key_u],
    ["C", text.key_c], ["Ctrl + Z", text.key_undo], ["Enter", text.key_enter], ["K", text.key_k], ["V", text.key_v],
    [text.key_scroll, text.key_scroll_does], ["Home, End", text.key_ends], [text.key_move, text.key_move_does],
    [text.key_zoom, text.key_zoom_does], [text.key_pan, text.key_pan_does], [text.key_window, text.key_window_does],
    [text.key_phase, text.key_phase_does], [text.key_touch, text.key_touch_does], ["?", text.help],
  ];
  return keys.flatMap(([key, does]) => [["dt", key], ["dd", does]]).map(([name, words]) => {
    const line = document.createElement(name);
    line.textContent = words;
    return line;
  });
}
