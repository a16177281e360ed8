"""Oxhorn beside Keras on JAX and on TensorFlow: the same programs, each in a process of its own.

    python benches/compare.py [--python-jax PATH] [--python-tf PATH] [--repeats 5] [--threads N]

For every workload and repetition each side runs once, in turn, in a fresh process that is held to the same
processor cores; the numbers are medians over the repetitions. A peer that is not installed is left out with a
note. Results go to benches/results/ as compare.md, compare.json and compare.png.

A workload is one function of the `keras` module that it is given, so that every side runs the same lines. It
returns the seconds that are compared and the losses, which must fall. Peak memory is that of the whole
process.
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

RESULTS = pathlib.Path(__file__).resolve().parent / "results"

# Side -> module that is imported as keras, and Keras's backend.
SIDES = {
    "oxhorn": ("oxhorn", None),
    "keras-jax": ("keras", "jax"),
    "keras-tensorflow": ("keras", "tensorflow"),
}
LABELS = {"oxhorn": "Oxhorn", "keras-jax": "Keras on JAX", "keras-tensorflow": "Keras on TensorFlow"}


# -- workloads ------------------------------------------------------------------------------------


def classes(samples, shape, seed=0):
    """Samples around one random prototype for each of ten classes, and their classes."""
    import numpy as np

    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, samples)
    prototypes = rng.random((10, *shape), dtype="float32")
    x = rng.random((samples, *shape), dtype="float32")
    for row, label in zip(x, y):  # in place, so that the data are all the memory that they cost
        row += prototypes[label]
        row /= 2
    return x, y.astype("int32")


def seconds_per_step(model, x, y, batch_size, epochs):
    """Time per training step within `fit`, after an epoch that compiles; and the epochs' losses."""
    losses = model.fit(x, y, batch_size=batch_size, epochs=1, verbose=0).history["loss"]
    start = time.perf_counter()
    losses += model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0).history["loss"]
    steps = epochs * (len(x) // batch_size)
    return (time.perf_counter() - start) / steps, losses


def seed_mlp_model(keras):
    model = keras.Sequential(
        [
            keras.Input(shape=(784,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.RMSprop(learning_rate=0.001), loss="mse", metrics=["accuracy"])
    return model


def seed_mlp(keras, scale):
    x, y = classes(128 * 100, (784,))
    return seconds_per_step(seed_mlp_model(keras), x, keras.utils.to_categorical(y, 10), 128, scale(10))


def regression(keras, scale):
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 13)).astype("float32")
    y = (x @ rng.standard_normal(13) + 20 + rng.standard_normal(400)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input(shape=(13,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
    return seconds_per_step(model, x, y, 8, scale(20))


def predict_row(keras, scale):
    x, y = classes(1280, (784,))
    y = keras.utils.to_categorical(y, 10)
    model = seed_mlp_model(keras)
    losses = model.fit(x, y, batch_size=128, epochs=2, verbose=0).history["loss"]
    calls = []
    for _ in range(scale(100)):
        start = time.perf_counter()
        model.predict(x[:1], verbose=0)
        calls.append(time.perf_counter() - start)
    return statistics.median(calls), losses


def cold_start(keras, scale):
    """The seconds are those from the start of the process to the end of the first training step."""
    x, y = classes(128, (784,))
    model = seed_mlp_model(keras)
    y = keras.utils.to_categorical(y, 10)
    first = model.fit(x, y, batch_size=128, epochs=1, verbose=0).history["loss"]
    seconds = time.monotonic() - float(os.environ["OXHORN_BENCH_START"])
    return seconds, first + model.fit(x, y, batch_size=128, epochs=10, verbose=0).history["loss"]


def convnet(keras, scale):
    x, y = classes(64 * 30, (28, 28, 1))
    model = keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return seconds_per_step(model, x, y, 64, scale(3))


def words(samples, length, vocabulary):
    """Reviews: rows of word numbers, zeros after their ends, and which of two classes uses higher numbers."""
    import numpy as np

    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, samples)
    x = rng.integers(1, vocabulary, (samples, length)) ** (1 + y[:, None]) // vocabulary ** y[:, None]
    x[np.arange(length) >= rng.integers(length // 2, length + 1, samples)[:, None]] = 0
    return x.astype("int32"), y.astype("float32")


def text_model(keras, mask_zero):
    layers = keras.layers
    inner = [layers.LSTM(32, return_sequences=True)] if mask_zero else []
    embedding = layers.Embedding(10_000, 32, mask_zero=mask_zero)
    model = keras.Sequential([embedding, *inner, layers.LSTM(32), layers.Dense(1, activation="sigmoid")])
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"])
    return model


def lstm_imdb(keras, scale, mask_zero=False):
    x, y = words(128 * 10, 200, 10_000)
    return seconds_per_step(text_model(keras, mask_zero), x, y, 128, scale(4))


def lstm_masked(keras, scale):
    return lstm_imdb(keras, scale, mask_zero=True)


def climate(samples):
    """Weather of 120 hours, 14 numbers each, the last hours of some missing; and a temperature later."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((samples, 120, 14)).astype("float32").cumsum(axis=1) / 10
    y = x[:, -20:, 0].mean(axis=1)
    x[np.arange(120) >= rng.integers(60, 121, samples)[:, None]] = 0
    return x, y


def climate_model(keras, masked):
    layers = keras.layers
    first = [layers.Masking()] if masked else []
    grus = [
        layers.GRU(32, dropout=0.2, recurrent_dropout=0.2, return_sequences=sequences)
        for sequences in (True, masked)
    ]
    last = [layers.GlobalAveragePooling1D()] if masked else []
    model = keras.Sequential([keras.Input(shape=(120, 14)), *first, *grus, *last, layers.Dense(1)])
    model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
    return model


def gru_dropout(keras, scale, masked=False):
    x, y = climate(128 * 10)
    return seconds_per_step(climate_model(keras, masked), x, y, 128, scale(4))


def gru_masked(keras, scale):
    return gru_dropout(keras, scale, masked=True)


def seconds_per_prediction(model, x, y, calls):
    """Time per batch of 128 within `predict`, after a call that compiles; and the losses of training."""
    losses = model.fit(x, y, batch_size=128, epochs=3, verbose=0).history["loss"]
    model.predict(x, batch_size=128, verbose=0)
    start = time.perf_counter()
    for _ in range(calls):
        model.predict(x, batch_size=128, verbose=0)
    return (time.perf_counter() - start) / (calls * (len(x) // 128)), losses


def lstm_predict(keras, scale):
    return seconds_per_prediction(text_model(keras, False), *words(128 * 10, 200, 10_000), scale(4))


def gru_predict(keras, scale):
    return seconds_per_prediction(climate_model(keras, False), *climate(128 * 10), scale(4))


# Function, what it measures, how many times faster Oxhorn is meant to be than the best peer.
WORKLOADS = {
    "seed_mlp": (seed_mlp, "MLP 784-32-10, batch 128: training step", 5),
    "regression": (regression, "MLP 13-64-64-1, batch 8: training step", 15),
    "predict_row": (predict_row, "MLP 784-32-10: `predict` on one row", 20),
    "cold_start": (cold_start, "start of Python to first training step", 10),
    "convnet": (convnet, "MNIST convnet 32-64-64, batch 64: training step", 1.5),
    "lstm_imdb": (lstm_imdb, "Embedding and LSTM(32), 200 words, batch 128: training step", 4),
    "lstm_masked": (lstm_masked, "the same with masks and two LSTM(32): training step", 4),
    "lstm_predict": (lstm_predict, "Embedding and LSTM(32), 200 words: `predict`, batches of 128", 4),
    "gru_dropout": (gru_dropout, "two GRU(32) with dropout, 120 hours, batch 128: training step", 4),
    "gru_masked": (gru_masked, "the same with masks and sequences returned: training step", 4),
    "gru_predict": (gru_predict, "two GRU(32), 120 hours: `predict`, batches of 128", 4),
}
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
    seconds, losses = WORKLOADS[workload][0](keras, (lambda n: 1) if quick else (lambda n: n))
    if not losses[-1] < losses[0]:
        raise RuntimeError(f"{side}, {workload}: the loss did not fall: {losses}")
    result = {
        "seconds": seconds,
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "peak_bytes": peak_bytes(),
    }
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
                results[workload, side].append(result)
                seconds = readable_time(result["seconds"])
                print(f"{workload} {repetition + 1}/{repeats} {side}: {seconds}", file=sys.stderr)
    return results


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
