// Where a label can be taken hold of, and where it is after a move: as a whole, or by an edge or a corner of a box.

import { carriedTo } from "./carried.js";
import { isNear } from "./drawing.js";
import { clamp, readPlace, writeBox, writePoint, writeSlice } from "./geometry.js";
import { masksOf } from "./masks.js";

const INSET_PX = 10; // a drag that starts closer to the edge of a carried box draws a new box

// The lowest and the highest corner of a label on the grid of a pane.
export function spanOf(pane, { kind, value }) {
  const corners = readPlace(value);
  const { grid } = pane;
  if (kind === "slice") {
    const at = grid.sliceAt(corners[0][0]);
    return [[0, 0, at], [0, 0, at]];
  }
  const indices = corners.map((corner) => grid.toIndex(corner));
  const ends = (pick) => [0, 1, 2].map((axis) => pick(...indices.map((index) => index[axis])));
  return [ends(Math.min), ends(Math.max)];
}

// The label at a position on the screen, and its part: "whole", or for each axis whether its low or high end is moved.
export function gripAt(pane, x, y, reach) {
  for (const label of pane.page.labelsOf(pane)) {
    const part = partAt(pane, label, { x, y, reach });
    if (part) return { ...label, part };
  }
  if (!pane.isAxial) return null;
  const carried = carriedTo(masksOf(pane));
  const isMask = carried?.mask.has(...pane.toIndex(x, y).map(Math.round));
  return isMask ? { kind: "mask", value: [0, 0, 0], isCarried: true, part: "whole" } : null;
}

function partAt(pane, label, { x, y, reach }) {
  const { kind, isCarried } = label;
  const [low, high] = spanOf(pane, label);
  const { across, down } = pane.plane;
  const [[left, top], [right, bottom]] = [pane.toScreen(low), pane.toScreen(high)];
  if (kind === "slice") return !pane.isAxial && Math.abs(y - top) <= reach ? "whole" : null;
  if (!isNear(pane, [low, high])) return null;
  if (kind === "point") return Math.hypot(x - left, y - top) <= reach + 3 ? "whole" : null;
  const ends = { [across]: endAt(x, left, right, reach, 1), [down]: endAt(y, top, bottom, reach, pane.plane.sign) };
  if (!ends[across] || !ends[down]) return null;
  const isEdge = ends[across] !== "inside" || ends[down] !== "inside";
  if (!isCarried) return isEdge ? ends : "whole";
  return isInside(x, left, right) && isInside(y, top, bottom) ? "whole" : null;
}

// sign: whether the index increases (1) or decreases (-1) along the screen, which a box on one slice does not show.
function endAt(at, low, high, reach, sign) {
  const [first, last] = [Math.min(low, high), Math.max(low, high)];
  if (at < first - reach || at > last + reach) return null;
  if (last - first < 1) return Math.abs(at - low) <= reach / 3 ? "inside" : (at - low) * sign < 0 ? "low" : "high";
  const inner = Math.min(reach, (last - first) / 4); // a small box keeps an inside
  const near = Math.abs(at - low) <= Math.abs(at - high) ? [low, "low"] : [high, "high"];
  const isEnd = at < first + inner || at > last - inner;
  return isEnd ? near[1] : "inside";
}

function isInside(at, low, high) {
  const [first, last] = [Math.min(low, high), Math.max(low, high)];
  const inset = Math.min(INSET_PX, (last - first) / 4);
  return at > first + inset && at < last - inset;
}

// The label after a move of its part by some voxels, kept inside the image and at least a voxel wide.
export function movedBy(pane, label, part, steps) {
  const { grid } = pane;
  const [low, high] = spanOf(pane, label);
  for (const axis of [0, 1, 2]) {
    const last = grid.size[axis] - 1;
    const end = part === "whole" ? "whole" : part[axis];
    if (end === "whole") {
      const step = clamp(steps[axis], -low[axis], Math.max(last - high[axis], -low[axis]));
      low[axis] = clamp(low[axis] + step, 0, last);
      high[axis] = clamp(high[axis] + step, 0, last);
    } else if (end === "low" || end === "high") {
      const ends = { low: low[axis], high: high[axis] };
      const least = axis === 2 ? 0 : 1;
      const [from, to] = end === "low" ? [0, high[axis] - least] : [low[axis] + least, last];
      ends[end] = clamp(ends[end] + steps[axis], from, Math.max(to, from));
      [low[axis], high[axis]] = [ends.low, ends.high];
    }
  }
  return written(pane, label.kind, { low, high });
}

function written({ grid }, kind, { low, high }) {
  if (kind === "slice") return writeSlice(grid.heightOf(Math.round(low[2])));
  if (kind === "point") return writePoint(grid.toMm(low));
  return writeBox(grid.toMm(low), grid.toMm(high));
}
