"""The command: ``python -m benchmarks [NAME ...] [options]``."""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import results
from benchmarks.cases import CASES, QUICK_ROWS, Case, parse_case
from benchmarks.context import Context, Settings
from benchmarks.machine import machine_facts
from benchmarks.measurements import DEFAULT, MEASUREMENTS
from benchmarks.threads import usable_cores
from benchmarks.timing import Plan

DATA = Path(__file__).resolve().parents[2] / "shared" / "references" / "data"

STRUCTURES = ("full", "diag", "spherical", "tied")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurements that were asked for; print and save their tables."""
    given = parser().parse_args(arguments)
    context = Context(settings_of(given))
    console = Console()
    facts = machine_facts(given.threads)
    facts["settings"] = (
        f"{context.settings.plan.runs} interleaved rounds; at most "
        f"{context.settings.plan.limit:.0f} s for each contender"
    )
    results.show_facts(facts, console)
    tables = []
    for name in given.names or DEFAULT:
        tables.append(MEASUREMENTS[name](context))
        if "rates" in vars(context):
            facts["rates"] = context.rates.described()
        results.show(tables[-1], console)
        # After every table, so that an interrupted run keeps what it has.
        paths = results.save(given.label, facts, tables, given.output)
    for path in paths:
        context.report(f"saved {path.name}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure mixtura against other packages."
    )
    made.add_argument(
        "names",
        nargs="*",
        type=_name,
        metavar="NAME",
        help=f"any of {', '.join(MEASUREMENTS)} (default: {', '.join(DEFAULT)})",
    )
    made.add_argument("--quick", action="store_true", help="few rows, three rounds, short limits")
    made.add_argument("--runs", type=int, help="interleaved rounds (default 5)")
    made.add_argument("--limit", type=float, help="seconds for each contender (default 600)")
    made.add_argument("--threads", type=int, default=min(2, usable_cores()), help="default 2")
    made.add_argument("--structures", nargs="+", choices=STRUCTURES, default=["full", "diag"])
    made.add_argument(
        "--cases",
        nargs="+",
        type=_case,
        metavar="N,D,K",
        help="sizes of sweep, scoring and precision, such as 1e6,10,10",
    )
    made.add_argument("--rows-at-most", type=int, metavar="N", help="hold other problems to N rows")
    made.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="WORDS",
        help="checks of defaults, choice, starts, climb that have all words of an entry: 'map D=2'",
    )
    made.add_argument(
        "--against", type=Path, metavar="PATH", help="the other checkout of default_speed"
    )
    made.add_argument(
        "--search",
        type=float,
        metavar="SECONDS",
        help="let starts search on for the best end of each set, for so long",
    )
    made.add_argument(
        "--data",
        type=Path,
        default=DATA,
        metavar="PATH",
        help="folder with banknote.csv and the like, for starts",
    )
    made.add_argument(
        "--label",
        default=datetime.now(UTC).strftime("local-%Y%m%d-%H%M%S"),
        help="name of the saved files (default local-DATE, which git ignores)",
    )
    made.add_argument("--output", type=Path, default=results.FOLDER, help="folder to save in")
    return made


def _name(text: str) -> str:
    if text not in MEASUREMENTS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(MEASUREMENTS)}")
    return text


def _case(text: str) -> Case:
    try:
        return parse_case(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"a case is N,D,K, such as 1e6,10,10; got {text!r}"
        ) from None


def settings_of(given: argparse.Namespace) -> Settings:
    """Return the settings of parsed arguments."""
    runs = given.runs or (3 if given.quick else 5)
    limit = given.limit or (20.0 if given.quick else 600.0)
    rows_at_most = given.rows_at_most or (QUICK_ROWS if given.quick else None)
    # Sizes that are asked for by name are not held to the quick ones.
    cases = given.cases or dict.fromkeys(case.held_to(rows_at_most) for case in CASES)
    return Settings(
        plan=Plan(runs, limit),
        threads=given.threads,
        structures=tuple(given.structures),
        cases=tuple(cases),
        rows_at_most=rows_at_most,
        article_steps=300 if given.quick else 3000,
        quick=given.quick,
        only=tuple(given.only),
        against=given.against,
        search=given.search,
        data=given.data,
    )
