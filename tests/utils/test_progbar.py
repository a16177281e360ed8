"""The lines that `fit` and others print are Keras's."""

import io
import re

import keras as reference
import pytest

import oxhorn as keras


class Terminal(io.StringIO):
    def isatty(self):
        return True


def last_line(library, monkeypatch, verbose, values, target=7):
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    bar = library.utils.Progbar(target, verbose=verbose, stateful_metrics=list(values))
    for step in range(1, target + 1):
        bar.update(step, list(values.items()))
    monkeypatch.undo()
    text = re.sub(r"\x1b\[\d+m|\x08", "", stream.getvalue()).replace("\r", "\n")
    text = re.sub(r"\d+s( -)? \d+(s|ms|us)/step", r"TIME\1 TIME", text)
    return text.rstrip("\n").rsplit("\n", 1)[-1].rstrip()


VALUES = {"loss": 0.25, "acc": 0.0, "mae": 1e-5, "r2": -3.5, "big": 12345.678}


@pytest.mark.parametrize("verbose", [1, 2])
def test_last_line(verbose, monkeypatch):
    # Keras 3.15 writes negative values with an exponent for verbose=2 only; here they are alike.
    values = {name: value for name, value in VALUES.items() if verbose == 1 or value >= 0}
    line = last_line(keras, monkeypatch, verbose, values)
    assert line == last_line(reference, monkeypatch, verbose, values)
    assert "acc: 0.0000e+00" in line


def test_silent(monkeypatch):
    assert last_line(keras, monkeypatch, 0, VALUES) == ""


def test_a_file_gets_the_last_line_only(capsys):
    bar = keras.utils.Progbar(50, verbose=1)
    for _ in range(50):
        bar.add(1, [("loss", 0.5)])
    out = capsys.readouterr().out
    assert out.startswith("50/50 ━")
    assert "\r" not in out
    assert out.count("\n") == 1


def test_times():
    bar = keras.utils.Progbar(10)
    bar._dynamic = True
    assert re.search(r" 2:05 25s/step", bar._line(5, 125.0, finalize=False))
    assert re.search(r" 125s 12s/step", bar._line(10, 125.0, finalize=True))
