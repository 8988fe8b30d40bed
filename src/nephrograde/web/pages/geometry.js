// Positions in the patient (LPS, mm) and in the grid of a phase; places in the written form, always in mm.

export class Grid {
  constructor({ size, spacing_mm, origin_mm, direction }) {
    this.size = size;
    this.spacing = spacing_mm;
    this.origin = origin_mm;
    this.direction = direction;
    this.inverse = inverted(direction);
  }

  toMm(index) {
    const steps = index.map((value, axis) => value * this.spacing[axis]);
    return this.origin.map((start, row) => start + dot(this.direction, row, steps));
  }

  toIndex(mm) {
    const away = mm.map((value, axis) => value - this.origin[axis]);
    return this.spacing.map((step, row) => dot(this.inverse, row, away) / step);
  }

  // The position of the middle of slice k along an axis.
  middleOf(axis, k) {
    const index = this.size.map((count) => (count - 1) / 2);
    index[axis] = k;
    return this.toMm(index);
  }

  // The z coordinate of the middle of slice k, by which slices are named and phases are scrolled together.
  heightOf(k) {
    return this.middleOf(2, k)[2];
  }

  sliceAt(height) {
    const first = this.heightOf(0);
    return (height - first) / (this.heightOf(1) - first);
  }

  nearestSlice(height) {
    return clamp(Math.round(this.sliceAt(height)), 0, this.size[2] - 1);
  }

  holds(index) {
    return index.every((value, axis) => value >= -0.5 && value <= this.size[axis] - 0.5);
  }
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const dot = (matrix, row, values) =>
  matrix[3 * row] * values[0] + matrix[3 * row + 1] * values[1] + matrix[3 * row + 2] * values[2];

function inverted(m) {
  const minor = (a, b, c, d) => m[a] * m[d] - m[b] * m[c];
  const first = minor(4, 5, 7, 8), second = minor(3, 5, 6, 8), third = minor(3, 4, 6, 7);
  const whole = m[0] * first - m[1] * second + m[2] * third;
  return [
    first, -minor(1, 2, 7, 8), minor(1, 2, 4, 5),
    -second, minor(0, 2, 6, 8), -minor(0, 2, 3, 5),
    third, -minor(0, 1, 6, 7), minor(0, 1, 3, 4),
  ].map((value) => value / whole);
}

const written = (value) => String(Number(value.toFixed(3)) + 0);

export const writePoint = (mm) => `${mm.map(written).join(",")} mm`;
export const writeBox = (a, b) => `${a.map(written).join(",")};${b.map(written).join(",")} mm`;
export const writeSlice = (height) => `${written(height)} mm`;

// The corners of a place: one of a point, two of a box, one number of a slice.
export function readPlace(text) {
  return text.replace(/mm$/, "").trim().split(";").map((corner) => corner.split(",").map(Number));
}
