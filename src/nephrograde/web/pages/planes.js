// The planes in which a scan is shown: the axes of its grid that run across, down and through the screen.

export const AXIAL = { name: "axial", across: 0, down: 1, through: 2, sign: 1, sides: ["R", "L"] };
// Slices are stored from feet to head, and shown with the head at the top.
export const CORONAL = { name: "coronal", across: 0, down: 2, through: 1, sign: -1, sides: ["R", "L"] };
export const SAGITTAL = { name: "sagittal", across: 1, down: 2, through: 0, sign: -1, sides: ["A", "P"] };
