"""Commands for several hospitals: write what may leave one, and combine what several have sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nephrograde.cli.shared import AsPdf, Lang, with_options
from nephrograde.errors import InputError, Problem
from nephrograde.report.text.language import t
from nephrograde.terminal import print_rows, say

commands = typer.Typer()


@dataclass(frozen=True, slots=True)
class ShareOptions:
    """Options of ``share``."""

    out: Annotated[Path, typer.Option("--out", metavar="FILE.zip|FOLDER", help="Where to write.")]
    scores: Annotated[bool, typer.Option("--scores", help="Share the scores of each patient under a pseudonym.")] = (
        False
    )
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Share sufficient statistics only, and no number of a single patient.")
    ] = False
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="The key of the pseudonyms [default: in the run folder]."),
    ] = None
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="MODEL", help="A model to share [default: all]. May be repeated."),
    ] = None
    fewest: Annotated[
        int, typer.Option("--fewest", min=1, help="Patients of either grade below which no statistics are written.")
    ] = 10
    smallest: Annotated[
        int, typer.Option("--smallest", min=1, help="Leave out counts of calls below this, except 0.")
    ] = 1
    lang: Lang = "en"


@commands.command()
@with_options(ShareOptions)
def share(
    run_dir: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a run, a validation, or an evaluated score table.")
    ],
    options: ShareOptions,
) -> None:
    """Write what may leave a hospital: scores under pseudonyms, or sufficient statistics only."""
    from nephrograde.sharing.readme import lines_of
    from nephrograde.sharing.sharing import ShareSettings, share_run

    if options.scores == options.statistics:
        raise InputError(
            [
                Problem(
                    "--scores, --statistics",
                    "exactly one of the two says what leaves the hospital",
                    "Give --statistics, or --scores if probabilities of single patients may leave.",
                )
            ]
        )
    settings = ShareSettings(
        "scores" if options.scores else "statistics",
        options.key,
        tuple(options.models or ()),
        options.fewest,
        options.smallest,
    )
    made = share_run(run_dir, options.out, settings)
    for line in lines_of(made.head, n=made.n, n_high=made.n_high):
        say(line)
    say("")
    if made.n_left_out:
        say(t("{n} test patients whom not all of these models scored are left out.", n=made.n_left_out), err=True)
    say(t("Written: {path}", path=made.path))
    if made.path.is_dir():
        say(t("SHA-256 of its manifest: {sha256}", sha256=made.sha256))
    else:
        say(t("SHA-256 of the whole file: {sha256}", sha256=made.sha256))
    say(t("The key of the pseudonyms stays here, and must not be sent: {path}", path=made.key_path))


@dataclass(frozen=True, slots=True)
class CombineOptions:
    """Options of ``combine``."""

    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The folder of the page and its tables.")] = Path(
        "combined"
    )
    confidence: Annotated[
        float, typer.Option("--confidence", min=0.5, max=0.999, help="Coverage probability of the intervals.")
    ] = 0.95
    lang: Lang = "en"
    pdf: AsPdf = False


@commands.command()
@with_options(CombineOptions)
def combine(
    sites: Annotated[
        list[Path], typer.Argument(metavar="SITE…", help="What `nephrograde share` wrote, one for each hospital.")
    ],
    options: CombineOptions,
) -> None:
    """Evaluate models over several hospitals from what each shared, without images."""
    from nephrograde.sharing import words
    from nephrograde.sharing.stage import combine_files, page_path

    found = combine_files(sites, options.out, confidence=options.confidence, language=options.lang)
    for line in words.remarks(found):
        say(line, err=True)
    print_rows(words.pooled_headings(), [words.pooled_cells(row) for row in found.pooled])
    for line in words.summary(found):
        say(line)
    page = page_path(options.out, options.lang)
    say(t("Page: {path}", path=page))
    if options.pdf:
        from nephrograde.report.pages.pdf import write_pdf

        say(t("PDF: {path}", path=write_pdf(page)))
