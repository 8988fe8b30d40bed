"""Commands that talk to other systems of a hospital: sending, retrieving, and listening for series to grade."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nephrograde.cli.listening_told import event_in_words
from nephrograde.cli.shared import Lang, with_options
from nephrograde.report.text.language import speaking, t
from nephrograde.report.text.messages import told
from nephrograde.terminal import say

if TYPE_CHECKING:
    from nephrograde.exchange.events import Event
    from nephrograde.exchange.listening import ListenSettings
    from nephrograde.exchange.tls import Tls

commands = typer.Typer()

To = Annotated[
    str,
    typer.Option("--to", metavar="AET@HOST:PORT|URL", help="The PACS, or the address of a DICOMweb service."),
]
OwnAet = Annotated[str, typer.Option("--aet", metavar="TITLE", help="The AE title of this program.")]
UseTls = Annotated[bool, typer.Option("--tls", help="Encrypt the connection.")]
Ca = Annotated[Path | None, typer.Option("--tls-ca", metavar="FILE", help="Who vouches for the other side (PEM).")]
Certificate = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="FILE", help="The certificate of this program (PEM).")
]
Key = Annotated[
    Path | None, typer.Option("--tls-key", metavar="FILE", help="The key of the certificate (PEM, without a password).")
]


@commands.command()
def send(
    sources: Annotated[list[Path], typer.Argument(metavar="FOLDER|FILE…", help="DICOM files, or folders of them.")],
    to: To,
    aet: OwnAet = "NEPHROGRADE",
    attempts: Annotated[
        int, typer.Option("--attempts", min=1, help="How often a connection and a file are tried.")
    ] = 3,
    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal",
            metavar="FILE",
            help="Note what was acknowledged, and leave it out of a later call.",
            show_default=False,
        ),
    ] = None,
    tls_ca: Ca = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    lang: Lang = "en",
    *,
    tls: UseTls = False,
) -> None:
    """Send DICOM files to a PACS by C-STORE, or to a DICOMweb service (STOW); ends with 1 if one was not stored.

    The user or token of a service comes from NEPHROGRADE_DICOMWEB_PASSWORD (user:password) or
    NEPHROGRADE_DICOMWEB_AUTHORIZATION (the whole header).
    """
    from nephrograde.exchange.sending import send as send_files

    del lang
    files = _tls(tls_ca, tls_cert, tls_key, wanted=tls)
    report = send_files(list(sources), to, own_aet=aet, tls=files, attempts=attempts, journal=journal)
    names = {
        "stored": t("stored"),
        "warning": t("stored, with a warning"),
        "known": t("stored by an earlier call"),
        "skipped": t("skipped"),
        "failed": t("FAILED"),
    }
    for one in report.files:
        why = f"{t(': ')}{told(one.what)}" if one.what else ""
        say(f"{one.path}{t(': ')}{names[one.state]}{why}", err=one.state in {"skipped", "failed"})
    stored, known, failed = report.count("stored", "warning"), report.count("known"), report.count("failed")
    say(
        t(
            "{to}: {n} stored, {known} stored earlier, {failed} failed.",
            to=report.to,
            n=stored,
            known=known,
            failed=failed,
        )
    )
    if not report.is_known_later:
        say(t("A later call sends every file again, unless --journal notes what was acknowledged."), err=True)
    if not report.is_complete:
        raise typer.Exit(1)


@commands.command()
def retrieve(
    url: Annotated[str, typer.Argument(metavar="URL", help="A DICOMweb service: the address before /studies.")],
    study: Annotated[str | None, typer.Option("--study", metavar="UID", help="The study.", show_default=False)] = None,
    series: Annotated[
        str | None, typer.Option("--series", metavar="UID", help="The series to retrieve.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="A new folder for the series.", show_default=False)
    ] = None,
    modality: Annotated[
        str | None, typer.Option("--modality", metavar="CODE", help="List series of one modality, such as SR.")
    ] = None,
    accession: Annotated[
        str | None, typer.Option("--accession", metavar="NUMBER", help="List the series of an accession number.")
    ] = None,
    tls_ca: Ca = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    lang: Lang = "en",
) -> None:
    """Retrieve a series of a DICOMweb service (WADO) into a folder; without --series, list what there is (QIDO).

    The user or token of a service comes from NEPHROGRADE_DICOMWEB_PASSWORD (user:password) or
    NEPHROGRADE_DICOMWEB_AUTHORIZATION (the whole header).
    """
    from nephrograde.errors import InputError, Problem
    from nephrograde.exchange.retrieving import find_series
    from nephrograde.exchange.retrieving import retrieve as retrieve_series

    del lang
    files = _tls(tls_ca, tls_cert, tls_key, wanted=False)
    if series is None:
        found = find_series(url, study=study, modality=modality, accession=accession, tls=files)
        for one in found:
            count = "" if one.n_images is None else str(one.n_images)
            say("\t".join((one.study_uid, one.series_uid, one.modality, count)))
        say(t("{n} series.", n=len(found)), err=True)
        return
    missing = [name for name, value in (("--study", study), ("--out", out)) if value is None]
    if missing or study is None or out is None:
        raise InputError([Problem(name, "is missing", "Give it beside --series.") for name in missing])
    paths = retrieve_series(url, study, series, out, tls=files)
    say(t("{n} images: {path}", n=len(paths), path=out))


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """Options of ``listen``: who may send, when a series is graded, and where results go."""

    spool: Annotated[
        Path, typer.Option("--spool", metavar="FOLDER", help="The folder that keeps what is received.")
    ] = Path("spool")
    aet: OwnAet = "NEPHROGRADE"
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 for a free one.")] = 11112
    caller: Annotated[
        list[str] | None, typer.Option("--caller", metavar="AET", help="An AE title that may send [default: all].")
    ] = None
    peer: Annotated[
        list[str] | None,
        typer.Option("--peer", metavar="ADDRESS", help="An address or network that may send [default: this machine]."),
    ] = None
    reply: Annotated[
        str, typer.Option("--reply", metavar="AET@HOST:PORT|URL", help="Where the results go.", show_default=False)
    ] = ""
    quiet: Annotated[
        float, typer.Option("--quiet", min=0, metavar="SECONDS", help="A series is complete after this long.")
    ] = 30.0
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long a series waits for its region.")
    ] = 1800.0
    limit_gb: Annotated[float, typer.Option("--limit-gb", min=0, help="What the spool may hold.")] = 50.0
    keep_days: Annotated[
        float, typer.Option("--keep-days", min=0, help="How long failed and answered series are kept.")
    ] = 14.0
    tls_ca: Ca = None
    tls_cert: Certificate = None
    tls_key: Key = None
    reply_ca: Annotated[Path | None, typer.Option("--reply-ca", metavar="FILE", help="As --tls-ca, for --reply.")] = (
        None
    )
    lang: Lang = "en"
    expose: Annotated[bool, typer.Option("--expose", help="Listen on another address than loopback.")] = False
    tls: UseTls = False
    reply_tls: Annotated[bool, typer.Option("--reply-tls", help="Encrypt the connection to --reply.")] = False
    unchecked_phase: Annotated[
        bool, typer.Option("--unchecked-phase", help="Also grade a series whose phase cannot be seen.")
    ] = False

    def settings(self) -> ListenSettings:
        """As the listener takes them."""
        from nephrograde.exchange.listening import ListenSettings

        has_reply_tls = self.reply_tls or self.reply_ca is not None
        return ListenSettings(
            own_aet=self.aet,
            host=self.host,
            port=self.port,
            is_exposed=self.expose,
            callers=tuple(self.caller or ()),
            peers=tuple(self.peer or ()),
            tls=_tls(self.tls_ca, self.tls_cert, self.tls_key, wanted=self.tls),
            reply=self.reply,
            reply_tls=_tls(self.reply_ca, self.tls_cert, self.tls_key, wanted=True) if has_reply_tls else None,
            quiet_s=self.quiet,
            wait_s=self.wait,
            limit_gb=self.limit_gb,
            keep_days=self.keep_days,
            unchecked_phase=self.unchecked_phase,
        )


@commands.command()
@with_options(ListenOptions)
def listen(
    grader: Annotated[Path, typer.Argument(metavar="GRADER.zip", help="A file of `nephrograde pack`.")],
    *,
    options: ListenOptions,
) -> None:
    """Receive CT series by C-STORE, grade each, and send the results back; Ctrl-C ends it.

    Research use only: send the results to no archive that clinicians read.
    """
    from nephrograde.exchange.listening import listen as listen_for

    until = threading.Event()

    def tell(event: Event) -> None:
        with speaking(options.lang):  # events come in threads of the server, too
            say(event_in_words(event), err=event.kind in {"failed", "full", "refused", "postponed", "worker-ended"})

    before = signal.signal(signal.SIGTERM, lambda *_: until.set())
    try:
        listen_for(grader, options.spool, options.settings(), tell=tell, until=until)
    except KeyboardInterrupt:
        pass  # the listener has said that it ended
    finally:
        signal.signal(signal.SIGTERM, before)


@commands.command()
def queue(
    spool: Annotated[Path, typer.Argument(metavar="SPOOL", help="The spool of `nephrograde listen`.")],
    retry: Annotated[
        list[str] | None, typer.Option("--retry", metavar="KEY", help="Put a failed series back; may be repeated.")
    ] = None,
    lang: Lang = "en",
) -> None:
    """List the series in the spool of a listener, with the reason of those that failed; or put failed ones back."""
    from nephrograde.exchange.queueing import list_queue, retry_failed

    del lang
    for key in retry or ():
        retry_failed(spool, key)
        say(t("Put back: {key}", key=key))
    if retry:
        return
    states = {
        "received": t("received"),
        "masks": t("mask"),
        "grading": t("grading"),
        "sending": t("sending"),
        "done": t("done"),
        "failed": t("failed"),
    }
    listed = list_queue(spool)
    if not listed:
        say(t("The spool holds no series."), err=True)
    for one in listed:
        why = f"\t{one.reason.code}{t(': ')}{told(one.reason.what)}" if one.reason else ""
        say(f"{one.key}\t{states[one.state]}\t{t('{n} images', n=one.n_images)}{why}")


def _tls(ca: Path | None, certificate: Path | None, key: Path | None, *, wanted: bool) -> Tls | None:
    """The files of an encrypted connection; naming one asks for it."""
    if not (wanted or ca or certificate or key):
        return None
    from nephrograde.exchange.tls import Tls

    return Tls(ca, certificate, key)
