"""`python -m tests.fuzz`: bad records through the real steps; exit code 1 if any does what it must not."""

from __future__ import annotations

import argparse
import sys

from tests.fuzz.run import run, run_one, table


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="how many bad records")
    parser.add_argument("--seed", type=int, default=0, help="the first life's seed")
    parser.add_argument("--only", type=int, metavar="SEED", help="run this life alone")
    parser.add_argument("--stage", choices=("accounts", "customers"), default="accounts", help="the stage of --only")
    parser.add_argument("--coverage", type=int, metavar="SECONDS", help="have atheris search the decoders instead")
    args = parser.parse_args()
    if args.coverage is not None:
        from tests.fuzz import coverage

        return coverage.fuzz(args.coverage, args.seed)
    if args.only is not None:
        report = run_one(args.only, args.stage)
    else:
        report = run(args.inputs, args.seed, progress=sys.stderr.isatty())
    print(table(report))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
