// On which side of the patient a label lies, and what is known of the kidneys.

import { readPlace } from "./geometry.js";
import { state } from "./state.js";

// The middle between the kidneys if both were found, otherwise the middle of the body; x increases to the left (LPS).
export function sideOf(pane, { kind, value }) {
  if (kind === "slice" || !pane.geometry.is_oriented) return "";
  const corners = readPlace(value);
  const x = corners.reduce((sum, corner) => sum + corner[0], 0) / corners.length;
  const { right, left } = state.kidneys.kidneys;
  if (right && left) return x < (right[0] + left[0]) / 2 ? "right_kidney" : "left_kidney";
  return x < pane.geometry.middle_mm ? "right_side" : "left_side";
}

export function kidneyText() {
  const { kidneys, text } = state;
  const found = Object.keys(kidneys.kidneys);
  if (kidneys.state !== "found") return text[`kidneys_${kidneys.state}`] ?? "";
  return found.length === 2 ? text.kidneys_found : text[`kidney_only_${found[0]}`];
}
