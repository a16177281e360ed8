"""Where the time of one of the workloads that are compared goes on Oxhorn, instruction by instruction.

    python benches/profile.py WORKLOAD [--threads N] [--lines N]

Sums over the whole process, the first, slower steps included.
"""

import argparse
import os
import textwrap


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workload")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--lines", type=int, default=30)
    parser.add_argument("--width", type=int, default=160, help="characters of each instruction")
    arguments = parser.parse_args()
    os.environ |= {"OXHORN_PROFILE": "1", "OXHORN_NUM_THREADS": str(arguments.threads)}
    os.environ["OXHORN_BENCH_START"] = "0"

    from compare import WORKLOADS, readable_time

    import oxhorn
    from oxhorn import _core

    oxhorn.utils.set_random_seed(0)
    seconds = WORKLOADS[arguments.workload][0](oxhorn, lambda n: n).seconds
    entries = _core.profile()
    total = sum(time for *_, time in entries)
    inside = readable_time(total)
    print(f"{arguments.workload}: {readable_time(seconds)}; {inside} in instructions")
    for instruction, calls, time in entries[: arguments.lines]:
        text = textwrap.shorten(instruction, arguments.width)
        print(f"{100 * time / total:5.1f}%  {readable_time(time / calls):>8}  x{calls:<7} {text}")


if __name__ == "__main__":
    main()
