"""Whole pages, and their export."""
