"""`python -m tests.conduct`: timelines against the oracle; exit code 1 if any is violated."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stream.treatment.policy import default_text, load
from tests.conduct.run import run, run_one, shown, table


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.conduct", description=__doc__)
    parser.add_argument("--timelines", type=int, default=10_000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed")
    parser.add_argument("--processes", type=int, default=1, help="how many at once")
    parser.add_argument("--policy", type=Path, help="a policy file in place of the packaged one")
    parser.add_argument("--only", type=int, metavar="SEED", help="show this timeline, and what was said of it")
    args = parser.parse_args()
    policy = load(args.policy.read_text() if args.policy else default_text())
    if args.only is not None:
        ran = run_one(args.only, policy)
        print(shown(args.only, ran))
        return 1 if ran.violations else 0
    report = run(args.timelines, args.seed, args.processes, policy)
    print(table(report))
    return 1 if report.violating else 0


if __name__ == "__main__":
    sys.exit(main())
