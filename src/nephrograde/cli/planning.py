"""Commands before a study."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nephrograde.cli.shared import Lang, with_options
from nephrograde.terminal import say

commands = typer.Typer()


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """Options of ``plan``."""

    auc: Annotated[
        float | None, typer.Option("--auc", help="The expected AUC, such as 0.85 [default: that of the run].")
    ] = None
    high: Annotated[
        float | None,
        typer.Option("--high", help="The expected proportion of high grade, such as 0.4 [default: that of the run]."),
    ] = None
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="RUN", help="A run with split.learning_curve: what would more patients give?"),
    ] = None
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="MODEL", help="Its model [default: the network of the highest out-of-fold AUC]."
        ),
    ] = None
    difference: Annotated[
        float | None, typer.Option("--difference", help="A difference of two AUCs to detect, such as 0.05.")
    ] = None
    margin: Annotated[
        float | None, typer.Option("--margin", help="A margin for non-inferiority and equivalence, such as 0.05.")
    ] = None
    width: Annotated[float, typer.Option("--width", help="The width of the confidence interval of the AUC.")] = 0.1
    correlation: Annotated[float, typer.Option("--correlation", help="Correlation of two AUCs over new patients.")] = (
        0.5
    )
    power: Annotated[float, typer.Option("--power", help="The probability of showing what is to be shown.")] = 0.8
    alpha: Annotated[
        float, typer.Option("--alpha", help="Two-sided significance level; one-sided tests use half of it.")
    ] = 0.05
    confidence: Annotated[float, typer.Option("--confidence", help="Coverage probability of intervals.")] = 0.95
    predictors: Annotated[
        int | None, typer.Option("--predictors", help="Candidate predictor parameters of a model to be developed.")
    ] = None
    r_squared: Annotated[
        float | None, typer.Option("--r-squared", help="Its Cox-Snell R² [default: from the AUC].")
    ] = None
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="The probability at which net benefit counts in a validation.")
    ] = None
    lang: Lang = "en"
    validate: Annotated[bool, typer.Option("--validate", help="Plan the external validation of a model.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False


@commands.command()
@with_options(PlanOptions)
def plan(options: PlanOptions) -> None:
    """Compute how many patients a study needs, as a paragraph for its protocol."""
    from nephrograde.report.text.planned import plan as planned

    made = planned(
        auc=options.auc,
        high=options.high,
        run=options.run,
        model=options.model,
        difference=options.difference,
        margin=options.margin,
        width=options.width,
        correlation=options.correlation,
        power=options.power,
        alpha=options.alpha,
        confidence=options.confidence,
        predictors=options.predictors,
        r_squared=options.r_squared,
        validates=options.validate,
        threshold=options.threshold,
    )
    say(json.dumps(made.as_dict(), indent=2, ensure_ascii=False) if options.as_json else made.text(options.lang))
