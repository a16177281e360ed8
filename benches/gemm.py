"""Matrix products: Oxhorn beside the crates gemm and gemmkit and NumPy's OpenBLAS.

    python benches/gemm.py [--threads 1 2] [--rounds 3] [FILTER ...]

Runs rust/cpu/benches/gemm.rs and the same shapes with NumPy, side after side in processes of their own, in
several rounds, and keeps the fastest time of each. Writes benches/results/gemm.md when no filter is given,
else prints the table.
"""

import argparse
import datetime
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULT = ROOT / "benches" / "results" / "gemm.md"
SIDES = ["oxhorn", "oxhorn-bf16", "oxhorn-f16", "gemm", "gemmkit", "numpy"]
LABELS = {
    "oxhorn": "Oxhorn",
    "oxhorn-bf16": "bfloat16",
    "oxhorn-f16": "float16",
    "gemm": "gemm",
    "gemmkit": "gemmkit",
    "numpy": "OpenBLAS",
}


def fastest(call):
    """Seconds of one call, measured as rust/cpu/benches/common does."""

    def sample(calls):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return time.perf_counter() - start

    calls, best = 1, sample(1)
    while best < 5e-4:
        calls *= 2
        best = sample(calls)
    begin = time.perf_counter()
    for samples in range(500):
        if samples >= 3 and time.perf_counter() - begin > 0.08:
            break
        best = min(best, sample(calls))
    return best / calls


def numpy_seconds(layout, batch, m, n, k):
    """Seconds of one of NumPy's products."""
    import numpy as np

    rng = np.random.default_rng(0)

    def operand(rows, columns, letter):
        shape = (batch, columns, rows) if letter == "T" else (batch, rows, columns)
        data = rng.random(shape, dtype="float32")
        data = data.swapaxes(1, 2) if letter == "T" else data
        return data if batch > 1 else data[0]

    a, b = operand(m, k, layout[0]), operand(k, n, layout[1])
    out = np.empty((batch, m, n) if batch > 1 else (m, n), "float32")
    return fastest(lambda: np.matmul(a, b, out=out))


def numpy_side():
    """Times the shapes on standard input, a line for each, as the Rust program prints them."""
    for line in sys.stdin:
        _, layout, *sizes = line.split("\t")
        print(line.rstrip("\n"), "numpy", numpy_seconds(layout, *map(int, sizes)), sep="\t", flush=True)


def program():
    """Path of the Rust program, built if need be."""
    command = [*shlex.split(os.environ.get("CARGO", "cargo")), "bench", "-p", "oxhorn-cpu", "--bench", "gemm"]
    output = subprocess.run([*command, "--no-run"], cwd=ROOT, check=True, stderr=subprocess.PIPE, text=True)
    return output.stderr.rsplit("(", 1)[1].split(")", 1)[0]


def measure(rust, threads, rounds, filters):
    """{shape: {side: seconds}}, shapes being tuples of strings."""
    limits = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]
    environment = {**os.environ, **dict.fromkeys(limits, str(threads))}
    for override in ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_VERBOSE"]:
        environment.pop(override, None)
    shapes = subprocess.run([rust, "--list", *filters], check=True, stdout=subprocess.PIPE, text=True).stdout
    times = {tuple(line.split("\t")): {} for line in shapes.splitlines()}
    for _ in range(rounds):
        commands = [
            ([rust, "--threads", str(threads), *filters], None),
            ([sys.executable, __file__, "--numpy"], shapes),
        ]
        for command, stdin in commands:
            result = subprocess.run(
                command, check=True, input=stdin, stdout=subprocess.PIPE, text=True, env=environment
            )
            for line in result.stdout.splitlines():
                *shape, side, seconds = line.split("\t")
                sides = times[tuple(shape)]
                sides[side] = min(float(seconds), sides.get(side, float("inf")))
    return times


def table(times):
    """Lines of a Markdown table of GFLOP/s."""
    yield "| product | m x n x k | " + " | ".join(LABELS[s] for s in SIDES) + " | Oxhorn / OpenBLAS |"
    yield "|---|---|" + "--:|" * (len(SIDES) + 1)
    for (group, layout, batch, m, n, k), seconds in times.items():
        work = 2e-9 * int(batch) * int(m) * int(n) * int(k)
        size = f"{m} x {n} x {k}" if batch == "1" else f"{batch} of {m} x {n} x {k}"
        speeds = " | ".join(f"{work / seconds[side]:.1f}" for side in SIDES)
        ratio = seconds["numpy"] / seconds["oxhorn"]
        yield f"| {group} {layout} | {size} | {speeds} | {ratio:.2f} |"


def machine():
    """The processor's name and how many of its cores this process may use."""
    name = platform.processor()
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("filters", nargs="*")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count()}))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--numpy", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.numpy:
        return numpy_side()
    import numpy

    rust = program()
    lines = [
        "# Matrix products",
        "",
        "GFLOP/s, float32 unless said otherwise; each number is the fastest of "
        f"{arguments.rounds} rounds of many calls. N and T tell how A and B are stored.",
        "",
        f"- Date: {datetime.date.today()}",
        f"- Machine: {machine()}",
        "- Peers: the crates gemm and gemmkit as Cargo.lock has them, "
        f"NumPy {numpy.__version__} with its OpenBLAS",
        f"- Command: `{shlex.join(['python', 'benches/gemm.py', *sys.argv[1:]])}`",
    ]
    for threads in arguments.threads:
        lines += ["", f"## {threads} thread{'s' if threads > 1 else ''}", ""]
        lines += table(measure(rust, threads, arguments.rounds, arguments.filters))
    text = "\n".join(lines) + "\n"
    if arguments.filters:
        print(text)
    else:
        RESULT.write_text(text)


if __name__ == "__main__":
    main()
