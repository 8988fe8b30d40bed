"""Grades the patients of a MONAI bundle and writes what it found as JSON. Research use only."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch


class Grading:
    """Runs the network on every patient of a data set.

    Args:
        dataset: Its items hold ``image``, the pictures of a patient.
        network: Gives ``(1, 1 + fold)`` probabilities.
        inferer: Of MONAI, called with the pictures and the network.
        settings: What ``configs/model.json`` holds.
        output_dir: Where ``gradings.json`` is written.
    """

    def __init__(self, dataset: Any, network: Any, inferer: Any, *, settings: dict[str, Any], output_dir: str) -> None:
        self._dataset, self._network, self._inferer = dataset, network, inferer
        self._settings, self._output_dir = settings, Path(output_dir)

    def run(self) -> list[dict[str, Any]]:
        """Grade all patients."""
        threshold = self._settings["decision"]["threshold"]["value"]
        found = []
        for item, names in zip(self._dataset, self._dataset.data, strict=True):
            with torch.inference_mode():
                given = self._inferer(torch.as_tensor(item["image"]).float(), self._network)[0].tolist()
            found.append(
                {
                    "image": str(names["image"]),
                    "model": self._settings["model"],
                    "p_high": given[0],
                    "p_high_of_folds": given[1:],
                    "call": "high" if given[0] >= threshold else "low",
                    "threshold": threshold,
                    "synthetic": self._settings["card"]["synthetic"],
                    "research_use_only": self._settings["research_use_only"],
                }
            )
        self._output_dir.mkdir(parents=True, exist_ok=True)
        text = json.dumps(found, indent=2, ensure_ascii=False)
        (self._output_dir / "gradings.json").write_text(f"{text}\n", encoding="utf-8")
        sys.stdout.write(f"{text}\n")
        return found
