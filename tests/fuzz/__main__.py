"""Fuzz everything that reads what others wrote: ``scripts/fuzz --inputs 200000``; the seed of a run repeats it."""

from __future__ import annotations

import logging
import random
import resource
import sys
import time

import click

from tests.fuzz import TARGETS
from tests.fuzz.campaign import Target, Unavailable, fuzz

#: More than this no input may need, OpenCV's and Python's own included: a runaway ends with a MemoryError, not with the machine.
_MOST_MEMORY = 4 << 30


def share_of(target: Target, inputs: int) -> int:
    """Return how many of ``inputs`` a target gets, rounded up."""
    return -int(-inputs * target.weight // sum(one.weight for one in TARGETS))


@click.command(help=__doc__)
@click.option("--inputs", default=200_000, show_default=True, help="Inputs in all, over all targets.")
@click.option("--seed", type=int, help="Of the first round; a new one without.")
@click.option("--seconds", default=3600.0, show_default=True, help="No further target is begun after this time.")
@click.option("--only", default="", help="Only targets whose name holds this.")
def main(inputs: int, seed: int | None, seconds: float, only: str) -> None:
    """Run the campaign and print a row for each target; the status is 1 when one was broken or left out."""
    logging.disable(logging.CRITICAL)  # thousands of lines about prints that nobody sees
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    first_seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    click.echo(f"seed {first_seed}")
    chosen, began, done, broken = [target for target in TARGETS if only in target.name], time.monotonic(), 0, 0
    for target in chosen:
        if time.monotonic() - began > seconds:
            click.echo(f"{target.name}: left out, {seconds:g} s are over")
            broken += 1
            continue
        fed = _campaign(target, share_of(target, inputs), first_seed)
        broken += fed is None
        done += fed or 0
    click.echo(f"{done} inputs in {time.monotonic() - began:.0f} s, {len(chosen) - broken} of {len(chosen)} targets sound")
    sys.exit(broken > 0)


def _campaign(target: Target, wanted: int, first_seed: int) -> int | None:
    """Feed a target and print how it went; None when it was broken."""
    began = time.monotonic()
    try:
        fed = fuzz(target, wanted, first_seed)
    except Unavailable as missing:
        click.echo(f"{target.name}: left out, {missing}")
        return None
    except Exception as error:  # noqa: BLE001 - whatever a target raises is what was looked for
        notes = "\n".join(getattr(error, "__notes__", []))
        click.echo(f"{target.name}: BROKEN by {type(error).__name__}: {str(error)[:500]}\n{notes[:1500]}\n{_where(error)}")
        return None
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    click.echo(f"{target.name}: {fed} inputs, {time.monotonic() - began:.0f} s, {memory} MB at most")
    return fed


def _where(error: BaseException) -> str:
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


if __name__ == "__main__":
    main()
