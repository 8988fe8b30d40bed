"""Commands that make a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nephrograde.terminal import progress

commands = typer.Typer()


@commands.command()
def init(folder: Annotated[Path, typer.Argument(help="Where to write; made when it is missing.")]) -> None:
    """Write a commented study file and a cohort template with its columns explained."""
    from nephrograde.sources.template import write_template

    study_path, table_path = write_template(folder)
    typer.echo(f"Wrote {study_path} and {table_path}.")
    typer.echo(f"Fill in the table, then: nephrograde check {study_path}")


@commands.command()
def demo(
    patients: Annotated[int, typer.Option(min=20, help="How many synthetic patients; 300 is the paper's size.")] = 60,
    out: Annotated[Path, typer.Option("--out", help="Where the cohort and the run go.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the synthetic cohort.")] = 20260415,
    *,
    dicom: Annotated[bool, typer.Option("--dicom", help="Write the scans as DICOM series instead of NIfTI.")] = False,
) -> None:
    """Run the whole study on a synthetic cohort that is made on the spot."""
    from nephrograde.cli.study import run
    from nephrograde.sources.demo import write_demo
    from nephrograde.sources.synthetic.phantom import PhantomSettings

    with progress("Writing the synthetic cohort", patients) as advance:
        study_path = write_demo(out, PhantomSettings(patients=patients, seed=seed, dicom=dicom), advance=advance)
    run(study_path, out=study_path.parent.with_name(study_path.parent.name.replace("cohort", "run")))
