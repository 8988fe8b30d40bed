"""The order of the commands in ``--help``: a study from its beginning, by what one is doing; and an example of each."""

from __future__ import annotations

from typing import Any, Final

from typer.core import TyperGroup

JOURNEY: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "Before a study": {
        "doctor": ("doctor",),
        "demo": ("demo --patients 40 --out demo",),
        "plan": ("plan --auc 0.85 --high 0.4 --difference 0.05",),
    },
    "Make a cohort": {
        "scan": (
            "scan /data/export --out my-study/cohort.csv --table grades.xlsx",
            "scan --index index.csv --out plan",
        ),
        "deidentify": ("deidentify /data/export --out shareable --key /safe/key.csv",),
        "cohort": ("cohort c4kc-kits --out c4kc --plan",),
    },
    "Set up the study": {
        "init": ("init my-study",),
        "check": ("check my-study/study.toml",),
        "annotate": (
            "annotate my-study/study.toml --reader li",
            "annotate my-study/study.toml --reader li --export table",
        ),
    },
    "Run the study": {
        "run": (
            "run my-study/study.toml --out runs/first",
            "run my-study/study.toml --out runs/quick --set fit.epochs=2 --peek-free",
            "run my-study/study.toml --out runs/first --on slurm --with partition=gpu --with minutes=90",
        ),
        "prepare": ("prepare my-study/study.toml --out runs/first",),
        "units": ("units my-study/study.toml --out runs/first --left",),
        "tune": ("tune my-study/study.toml --out runs/first --model weak-1-cmp",),
        "fit": (
            "fit my-study/study.toml --out runs/first",
            "fit my-study/study.toml --out runs/first --only weak-1-cmp/fold-0",
        ),
        "evaluate": (
            "evaluate my-study/study.toml --out runs/first",
            "evaluate scores.csv --out evaluation --primary weak-1-cmp,strong-cmp",
        ),
        "report": ("report runs/first --lang zh",),
        "weights": ("weights list", "weights add resnet18-f37072fd.pth"),
        "weights list": ("weights list",),
        "weights add": ("weights add resnet18-f37072fd.pth",),
        "weights check": ("weights check",),
    },
    "Examine results": {
        "compare": ("compare runs/first runs/second",),
        "readers": ("readers reads.csv --scores scores.csv --model weak-1-cmp",),
        "audit": ("audit --n 90 --accuracy 0.859 --sensitivity 0.857 --specificity 0.860",),
        "share": ("share runs/first --statistics --out north.zip",),
        "combine": ("combine north.zip south.zip --out combined",),
    },
    "Grade new patients": {
        "pack": ("pack runs/first --model weak-1-cmp --out grader.zip",),
        "predict": (
            'predict grader.zip scan.nii.gz --box "-75,18,-310;-30,62,-310 mm"',
            "predict runs/first scan.nii.gz --model strong-cmp --mask tumour.nii.gz --json",
            "predict grader.zip patients.csv --csv graded.csv",
        ),
        "explain": ("explain grader.zip scan.nii.gz --mask tumour.nii.gz --out maps --cam-only",),
        "inspect": ("inspect grader.zip",),
        "validate": ("validate grader.zip north.toml --out validations/north",),
        "export": ("export runs/first --model weak-1-cmp --onnx model.onnx",),
    },
    "Connect to other systems": {
        "serve": ("serve grader.zip",),
        "listen": ("listen grader.zip --spool spool --reply PACS@10.1.2.3:104",),
        "queue": ("queue spool",),
        "send": ("send result --to PACS@10.1.2.3:104",),
        "retrieve": ("retrieve https://pacs.example/dicom-web --study 1.2.3 --series 1.2.3.4 --out series",),
    },
}
"""Commands by panel, in the order in which a study needs them, each with what may be typed after ``nephrograde``."""

_OTHERS: Final = "Others"
_PLACE: Final = {
    name: (panel, place) for place, (panel, name) in enumerate((p, n) for p, ns in JOURNEY.items() for n in ns)
}


def examples_of(name: str) -> list[str]:
    """Return the examples of a command, as they are typed.

    Args:
        name: The command without the program: ``"scan"``, ``"weights add"``.

    >>> examples_of("init"), examples_of("unknown")
    (['nephrograde init my-study'], [])
    """
    panel, _ = _PLACE.get(name, (_OTHERS, 0))
    return [f"nephrograde {words}" for words in JOURNEY.get(panel, {}).get(name, ())]


def write_examples(context: Any, formatter: Any) -> None:
    """Write the examples of a command at the end of its help; a line is not broken, so that it can be copied.

    Args:
        context: The context of the command.
        formatter: What writes its help.
    """
    lines = examples_of(context.command_path.partition(" ")[2])
    if lines:
        with formatter.section("Example" if len(lines) == 1 else "Examples"):
            formatter.write("".join(f"{' ' * formatter.current_indent}{line}\n" for line in lines))


class Journey(TyperGroup):
    """A program whose help lists the commands in the order of a study, in panels; a command without a place is last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order of a study."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: _PLACE.get(name, (_OTHERS, len(_PLACE)))[1])

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the panels."""
        shown = {name: one for name in self.list_commands(ctx) if not (one := self.commands[name]).hidden}
        width = max(map(len, shown), default=0)
        room = formatter.width - 6 - width
        for panel in (*JOURNEY, _OTHERS):
            rows = [
                (name.ljust(width), one.get_short_help_str(room))
                for name, one in shown.items()
                if _PLACE.get(name, (_OTHERS, 0))[0] == panel
            ]
            if rows:
                with formatter.section(panel):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Say where the examples are."""
        del ctx
        formatter.write("\nnephrograde COMMAND --help shows the options of a command, and an example.\n")


class Group(TyperGroup):
    """Commands on one subject, with examples at the end of their help."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        write_examples(ctx, formatter)
