"""nephrograde: grade clear cell renal cell carcinoma from three-phase CT. Research use only.

One patient's way through the package: a row of the cohort table (``cohort``) becomes scans (``volume``),
regions a model sees (``sample``), a probability (``model``, ``fit``), a row of ``scores.csv`` and an estimate
(``evaluate``), a table cell and a figure (``report``). ``pipeline`` runs the study from top to bottom and ``cli``
is the command line.
"""

__version__ = "0.1.0"
