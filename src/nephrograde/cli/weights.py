"""Commands on the files of pre-trained encoders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nephrograde.cli.journey import Group
from nephrograde.cli.shared import Lang
from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told
from nephrograde.report.text.numbers import listed
from nephrograde.terminal import say

commands = typer.Typer(
    name="weights",
    cls=Group,
    help="List, add and check the files of pre-trained encoders; nothing is downloaded.",
    no_args_is_help=True,
)

StoreDir = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="The folder that keeps the files [default: that in the environment variable NEPHROGRADE_WEIGHTS, "
        "otherwise one in your home].",
    ),
]


@commands.command("list")
def list_encoders(store: StoreDir = None, lang: Lang = "en") -> None:
    """List the encoders with their licence, what they were trained on, and whether their file is there."""
    from nephrograde.model.encoders.listing import list_all
    from nephrograde.model.encoders.store import store_dir

    del lang  # main() has set it, as for all commands
    folder = store_dir(store)
    for one in list_all(folder):
        encoder = one.encoder
        if encoder is None:
            say(told(one.place))
            continue
        say(t("{name}: {place}", name=encoder.name, place=told(one.place)))
        lines = {
            t("network"): f"{encoder.architecture}, {encoder.input.dimensions}D, {encoder.input.features}",
            t("licence"): encoder.licence,
            t("trained on"): "; ".join(encoder.trained_on),
            t("origin"): encoder.origin,
            "SHA-256": encoder.sha256,
        }
        for term, value in lines.items():
            if value:
                say(t("  {term}: {value}", term=term, value=value))
    say(t("Store: {path}", path=folder))


@commands.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .safetensors or .pth file.")],
    name: Annotated[
        str,
        typer.Option(
            "--name", metavar="NAME", help="What studies will call it, as in frozen:NAME.", show_default=False
        ),
    ] = "",
    licence: Annotated[
        str, typer.Option("--licence", metavar="TEXT", help="The licence of the weights.", show_default=False)
    ] = "",
    trained_on: Annotated[
        list[str] | None,
        typer.Option("--trained-on", metavar="SET", help="A data set that it was trained on. May be repeated."),
    ] = None,
    public_sets: Annotated[
        list[str] | None,
        typer.Option(
            "--public-set",
            metavar="SET",
            help="A public cohort of kidney tumours among them, such as KiTS23, or none. May be repeated "
            "[default: unknown].",
        ),
    ] = None,
    origin: Annotated[
        str,
        typer.Option(
            "--origin", metavar="TEXT", help="Where the file comes from, and what to cite.", show_default=False
        ),
    ] = "",
    network: Annotated[
        str,
        typer.Option(
            "--network",
            metavar="NAME",
            help="Its network, where its names and shapes fit several, such as renalclip [default: the most probable].",
            show_default=False,
        ),
    ] = "",
    store: StoreDir = None,
    lang: Lang = "en",
) -> None:
    """Add a file of weights to the store; a file that is known by its SHA-256 needs no options."""
    from nephrograde.model.encoders.adding import Facts, add_file
    from nephrograde.model.encoders.catalogue import ENCODERS
    from nephrograde.model.encoders.known import ALIKE
    from nephrograde.model.encoders.store import store_dir

    del lang
    known_sets = None if not public_sets else tuple(one for one in public_sets if one.lower() != "none")
    facts = Facts(name, licence, tuple(trained_on or ()), known_sets, origin, network)
    added = add_file(file, store_dir(store), facts)
    say(
        t(
            'Added {name} ({architecture}). In a study: network = "frozen:{name}"',
            name=added.encoder.name,
            architecture=added.encoder.architecture,
        )
    )
    say(str(added.paths[0]))
    found = added.encoder.architecture
    is_certain = network or found == "renalclip" or added.encoder.name in ENCODERS
    if found in ALIKE and not is_certain:
        others = listed([one for one in ALIKE if one != found])
        say(t("Its names and shapes also fit {others}. If it is one of them, name it with --network.", others=others))


@commands.command()
def check(store: StoreDir = None, lang: Lang = "en") -> None:
    """Verify the SHA-256 of every file that is there; if one differs or is damaged, the exit code is 2."""
    from nephrograde.errors import WeightsError
    from nephrograde.model.encoders.listing import list_all
    from nephrograde.model.encoders.store import store_dir

    del lang
    folder = store_dir(store)
    faulty = False
    for one in list_all(folder):
        faulty = faulty or one.is_damaged
        state = told(one.place)
        if one.file is not None:
            try:
                one.file.verify()
                state = t("in order")
            except WeightsError as error:
                faulty = True
                state = told(str(error))
        say(state if one.encoder is None else t("{name}: {place}", name=one.encoder.name, place=state))
    say(t("Store: {path}", path=folder))
    if faulty:
        raise typer.Exit(2)
