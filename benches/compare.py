"""Oxhorn beside Keras on JAX and on TensorFlow: the same programs, each in a process of its own.

    python benches/compare.py [--python-jax PATH] [--python-tf PATH] [--repeats 5] [--threads N]

For every workload and repetition each side runs once, in turn, in a fresh process that is held to the same
processor cores; the numbers are medians over the repetitions. A peer that is not installed is left out with a
note. Results go to benches/results/ as compare.md, compare.json and compare.png.

A workload (in benches/workloads/) is one function of the `keras` module that it is given, so that every side
runs the same lines. It returns the seconds that are compared and either the losses of training, which must
fall, or outputs, on which the sides must agree. Peak memory is that of the whole process.
"""

import argparse
import datetime
import importlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

from workloads import WORKLOADS

RESULTS = pathlib.Path(__file__).resolve().parent / "results"

# Side -> module that is imported as keras, and Keras's backend.
SIDES = {
    "oxhorn": ("oxhorn", None),
    "keras-jax": ("keras", "jax"),
    "keras-tensorflow": ("keras", "tensorflow"),
}
LABELS = {"oxhorn": "Oxhorn", "keras-jax": "Keras on JAX", "keras-tensorflow": "Keras on TensorFlow"}


MEMORY_TARGET = 2


# -- one side, in its own process -----------------------------------------------------------------


def work(side, workload, threads, quick):
    """Runs a workload on this process's `keras` and prints the result as one line of JSON."""
    module, backend = SIDES[side]
    if backend == "tensorflow":
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    keras = importlib.import_module(module)
    keras.utils.set_random_seed(0)
    measured = WORKLOADS[workload][0](keras, (lambda n: 1) if quick else (lambda n: n))
    result = {"seconds": measured.seconds, "peak_bytes": peak_bytes()}
    if losses := measured.losses:
        if not losses[-1] < losses[0]:
            raise RuntimeError(f"{side}, {workload}: the loss did not fall: {losses}")
        result |= {"first_loss": losses[0], "last_loss": losses[-1]}
    else:
        result["outputs"] = measured.outputs
    print(json.dumps(result))


def peak_bytes():
    """Most memory that this process held, in bytes; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


# -- the comparison -------------------------------------------------------------------------------


def environment(side, threads):
    """Environment variables that choose the side and hold every library to `threads` threads."""
    variables = dict(os.environ)
    for name in ("OXHORN_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        variables[name] = str(threads)
    variables |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    # Bytecode is cached, as it is for an installed package.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    _, backend = SIDES[side]
    if backend:
        variables["KERAS_BACKEND"] = backend
    return variables


def run_side(python, side, arguments, threads):
    """Runs this file as a worker; returns its result, or a message as text."""
    command = [python, __file__, "--worker", side, *arguments, "--threads", str(threads)]
    variables = environment(side, threads)
    variables["OXHORN_BENCH_START"] = repr(time.monotonic())
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip() or "no output").splitlines()[-1]
    return json.loads(done.stdout.splitlines()[-1])


def hold_to_cores(threads):
    """Restricts this process and those it starts to the first `threads` cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def versions(python, side):
    """Versions of what a side is made of, or None if it is not installed."""
    module, backend = SIDES[side]
    names = [module, "numpy", *([backend] if backend else [])]
    code = (
        f"import json, {', '.join(names)}\n"
        f"print(json.dumps({{name: __import__(name).__version__ for name in {names}}}))"
    )
    done = subprocess.run(
        [python, "-c", code], env=environment(side, 1), capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def compare(pythons, workloads, repeats, threads, quick):
    """All results: (workload, side) -> list of one dict per repetition."""
    results = {(workload, side): [] for workload in workloads for side in pythons}
    for workload in workloads:
        for repetition in range(repeats):
            for side, python in pythons.items():
                arguments = ["--only", workload, *(["--quick"] if quick else [])]
                result = run_side(python, side, arguments, threads)
                if isinstance(result, str):
                    sys.exit(f"{side} failed in {workload}: {result}")
                check_outputs(workload, side, result, results[workload, next(iter(pythons))])
                results[workload, side].append(result)
                seconds = readable_time(result["seconds"])
                print(f"{workload} {repetition + 1}/{repeats} {side}: {seconds}", file=sys.stderr)
    return results


def check_outputs(workload, side, result, first):
    """Ends the program unless the outputs are those of the first side's first run, up to rounding."""
    if "outputs" not in result or not first:
        return
    expected, got = first[0]["outputs"], result["outputs"]
    tolerance = 1e-3 * max(map(abs, expected))
    if not all(abs(x - y) <= tolerance for x, y in zip(expected, got, strict=True)):
        sys.exit(f"{side}, {workload}: expected outputs {expected}, got {got}")


def summarise(results, workloads, sides):
    """Per workload: medians of every side, and how many times better Oxhorn is than the best peer."""
    rows = []
    for workload in workloads:
        row = {"workload": workload, "title": WORKLOADS[workload][1], "target": WORKLOADS[workload][2]}
        for measure in ("seconds", "peak_bytes"):
            medians = {
                side: statistics.median(result[measure] or 0 for result in results[workload, side])
                for side in sides
            }
            peers = [value for side, value in medians.items() if side != "oxhorn"]
            row[measure] = medians
            row[f"{measure}_ratio"] = min(peers) / medians["oxhorn"] if peers and medians["oxhorn"] else None
        rows.append(row)
    return rows


# -- output ---------------------------------------------------------------------------------------


def readable_time(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def readable_bytes(count):
    return f"{count / 2**20:.0f} MB"


def markdown(rows, sides, about):
    """The tables of times and of memory."""
    heading = " | ".join(LABELS[side] for side in sides)
    lines = []
    for measure, show, target in (
        ("seconds", readable_time, lambda row: row["target"]),
        ("peak_bytes", readable_bytes, lambda row: MEMORY_TARGET),
    ):
        what = "Time" if measure == "seconds" else "Peak memory of the process"
        better = "times faster" if measure == "seconds" else "times less"
        lines += ["", f"| {what} | {heading} | {better} | aim |", "|---|" + "---:|" * (len(sides) + 2)]
        for row in rows:
            cells = [show(row[measure][side]) for side in sides]
            ratio = row[f"{measure}_ratio"]
            cells += ["" if ratio is None else f"{ratio:.1f}", f"{target(row):g}"]
            lines.append(f"| {row['title']} | {' | '.join(cells)} |")
    facts = (
        f"{about['date']}, {about['machine']}, {about['threads']} threads, median of {about['repeats']} runs"
    )
    installed = [
        f"{LABELS[side]}: {', '.join(' '.join(item) for item in about['versions'][side].items())}"
        for side in sides
    ]
    notes = [f"Not compared: {LABELS[side]} is not installed." for side in SIDES if side not in sides]
    return "\n".join([f"{facts}; `{about['command']}`", "", "; ".join(installed), *notes, *lines, ""])


def draw(rows, sides, path):
    """Bars of every side's time and memory as multiples of Oxhorn's."""
    try:
        import matplotlib
    except ImportError:
        print("No picture written: matplotlib is not installed.", file=sys.stderr)
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    colors = {"oxhorn": "#b7410e", "keras-jax": "#7a8ca0", "keras-tensorflow": "#b9c3ce"}
    size = (14, 1 + 0.75 * len(rows))
    figure, panels = pyplot.subplots(1, 2, figsize=size, layout="constrained", sharey=True)
    for axes, measure, show in zip(panels, ("seconds", "peak_bytes"), (readable_time, readable_bytes)):
        for place, row in enumerate(rows):
            base = row[measure]["oxhorn"] or 1
            for offset, side in enumerate(sides):
                value = row[measure][side]
                y = place + (offset - (len(sides) - 1) / 2) * 0.27
                axes.barh(y, value / base, 0.25, color=colors[side], label=None if place else LABELS[side])
                axes.text(value / base, y, f" {show(value)}", va="center", fontsize=8)
        axes.set_xscale("log")
        axes.margins(x=0.15)
        titles = [row["title"].replace("`", "").replace(": ", ":\n") for row in rows]
        axes.set_yticks(range(len(rows)), titles)
        axes.set_xlabel(("time" if measure == "seconds" else "peak memory") + ", multiple of Oxhorn's")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    panels[0].legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=130)


def machine():
    """The processor's name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return f"{names[0]} ({len(names)} cores), {platform.system()}"
    except (OSError, IndexError):
        return f"{platform.processor() or platform.machine()} ({os.cpu_count()} cores), {platform.system()}"


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = sys.executable
    parser.add_argument(
        "--python-oxhorn", default=here, help="interpreter that has Oxhorn (default: this one)"
    )
    parser.add_argument("--python-jax", default=here, help="interpreter that has Keras and JAX")
    parser.add_argument("--python-tf", default=here, help="interpreter that has Keras and TensorFlow")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--only", default=",".join(WORKLOADS), help="workloads, separated by commas")
    parser.add_argument("--quick", action="store_true", help="few steps: to see that all of it runs")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--worker", choices=SIDES, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    workloads = arguments.only.split(",")
    if unknown := set(workloads) - set(WORKLOADS):
        sys.exit(f"Unknown workloads {sorted(unknown)}; there are {list(WORKLOADS)}.")
    if arguments.worker:
        work(arguments.worker, workloads[0], arguments.threads, arguments.quick)
        return
    hold_to_cores(arguments.threads)
    interpreters = (arguments.python_oxhorn, arguments.python_jax, arguments.python_tf)
    found = {side: versions(python, side) for side, python in zip(SIDES, interpreters)}
    for side in [side for side, version in found.items() if version is None]:
        print(f"{LABELS[side]} is not installed for its interpreter: left out.", file=sys.stderr)
    if found["oxhorn"] is None:
        sys.exit("Oxhorn itself is not installed: pip install .")
    pythons = {side: python for side, python in zip(SIDES, interpreters) if found[side]}

    results = compare(pythons, workloads, arguments.repeats, arguments.threads, arguments.quick)
    rows = summarise(results, workloads, list(pythons))
    about = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "threads": arguments.threads,
        "repeats": arguments.repeats,
        "quick": arguments.quick,
        "command": " ".join(["python", "benches/compare.py", *sys.argv[1:]]),
        "versions": {side: found[side] for side in pythons},
    }
    runs = {f"{workload} {side}": result for (workload, side), result in results.items()}
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = markdown(rows, list(pythons), about)
    (arguments.output / "compare.md").write_text(text, encoding="utf-8")
    document = {"about": about, "summary": rows, "runs": runs}
    (arguments.output / "compare.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    draw(rows, list(pythons), arguments.output / "compare.png")
    print(text)


if __name__ == "__main__":
    main()
