"""Options of what a patient to grade is given on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nephrograde.asked.places import Places


@dataclass(frozen=True, slots=True)
class PlaceOptions(Places):
    """Options of the commands that grade a patient: where the tumour is, and clinical values."""

    mask: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="The mask of the tumour.")] = None
    box: Annotated[
        list[str] | None, typer.Option(metavar="CORNERS", help='Two corners: "x,y,z;x,y,z mm" or "i,j,k;i,j,k vox".')
    ] = None
    point: Annotated[
        list[str] | None, typer.Option(metavar="PLACE", help='A click in the tumour: "x,y,z mm" or "i,j,k vox".')
    ] = None
    slice_: Annotated[
        list[str] | None, typer.Option("--slice", metavar="PLACE", help='The slice to grade: "-312.5 mm" or "41 vox".')
    ] = None
    kidneys: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A mask of both kidneys, for a model of the level none.")
    ] = None
    clinical: Annotated[
        list[str] | None,
        typer.Option("--clinical", metavar="COLUMN=VALUE", help="A clinical value, for a model that joins them."),
    ] = None
