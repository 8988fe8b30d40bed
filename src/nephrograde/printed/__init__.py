"""Checks whether the numbers printed in a paper are consistent."""
