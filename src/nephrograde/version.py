"""The version of the package, which needs nothing else to be known."""

__version__ = "0.1.0"
