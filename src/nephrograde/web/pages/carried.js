// The mask of another phase on the grid of this one: dashed, until it is accepted or moved, or another is drawn here.

import { Mask } from "./mask.js";
import { state } from "./state.js";

const STILL = [0, 0, 0];

// The mask that is carried to the phase of `masks`, and the name of the phase it is from; null if there is none.
export function carriedTo(masks) {
  const { pane } = masks;
  const { current, panes, study } = state;
  if (!current || !pane.grid || current.states[pane.phase] || !masks.isFree) return (masks.copied = null);
  for (const { code, name } of study.phases) {
    const from = panes.find((other) => other !== pane && other.phase === code && other.grid);
    const source = from?.masks;
    if (!source?.drawn || source.drawn.isEmpty || source.number !== masks.number) continue;
    const steps = stepsOf(pane);
    const key = `${code} ${source.edits} ${steps}`;
    if (masks.copied?.key !== key && !(masks.copied && source.stroke)) {
      masks.copied = { key, from: name, mask: resampled(source.drawn, from.grid, pane, steps) };
    }
    return masks.copied;
  }
  return (masks.copied = null);
}

// How far the mask on its way to a pane has been moved, in voxels of the pane.
export function stepsOf(pane) {
  const { moving } = state;
  return moving?.kind === "mask" && moving.phase === pane.phase ? moving.value : STILL;
}

// Each voxel of the pane takes the value of the voxel of the mask that holds its centre.
function resampled(mask, grid, pane, steps) {
  const moved = new Mask(pane.geometry);
  const indexIn = affine((index) => grid.toIndex(pane.grid.toMm(index.map((value, axis) => value - steps[axis]))));
  const [low, high] = reachOf(mask, affine((index) => pane.grid.toIndex(grid.toMm(index))), steps, pane.grid.size);
  for (let k = low[2]; k <= high[2]; k += 1) {
    const plane = new Uint8Array(moved.columns * moved.rows);
    for (let y = low[1]; y <= high[1]; y += 1) {
      for (let x = low[0]; x <= high[0]; x += 1) {
        if (mask.has(...indexIn(x, y, k).map(Math.round))) plane[y * moved.columns + x] = 1;
      }
    }
    moved.set(k, plane);
  }
  return moved;
}

// The part of another grid that a mask can reach.
function reachOf(mask, indexIn, steps, size) {
  const [first, last] = mask.bounds;
  const corners = [...Array(8).keys()].map((n) =>
    indexIn(...[0, 1, 2].map((axis) => (n & (1 << axis) ? last[axis] + 0.5 : first[axis] - 0.5))),
  );
  const ends = (pick) => steps.map((step, axis) => step + pick(...corners.map((corner) => corner[axis])));
  return [
    ends(Math.min).map((value) => Math.max(Math.floor(value), 0)),
    ends(Math.max).map((value, axis) => Math.min(Math.ceil(value), size[axis] - 1)),
  ];
}

// The same affine function of three numbers, without arrays for each voxel.
function affine(of) {
  const start = of([0, 0, 0]);
  const [across, down, through] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]].map((one) =>
    of(one).map((value, axis) => value - start[axis]),
  );
  return (x, y, z) => [
    start[0] + x * across[0] + y * down[0] + z * through[0],
    start[1] + x * across[1] + y * down[1] + z * through[1],
    start[2] + x * across[2] + y * down[2] + z * through[2],
  ];
}
