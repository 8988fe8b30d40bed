"""Grading many patients with one grader: who they are, their answers one after the other, and the table of answers."""
