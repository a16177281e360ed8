"""`python -m oxhorn SCRIPT.py` runs a script written for Keras."""

import os
import pathlib
import subprocess
import sys
import textwrap

import oxhorn

PACKAGE = pathlib.Path(oxhorn.__file__).parents[1]


def run(tmp_path, script, *arguments):
    """What the script prints; it fails the test if it fails."""
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(script))
    paths = os.pathsep.join([str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])])
    result = subprocess.run(
        [sys.executable, "-m", "oxhorn", str(path), *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_spelling_means_oxhorn(tmp_path):
    script = """
        import sys

        import keras
        import tensorflow as tf
        from keras.layers import Dense
        from tensorflow import keras as tf_keras
        from tensorflow.keras.models import Sequential
        import oxhorn

        assert keras is tf_keras is tf.keras is oxhorn
        assert Dense is oxhorn.layers.Dense and Sequential is oxhorn.Sequential
        assert sys.argv[1:] == ["--epochs", "3"] and __name__ == "__main__"

        @tf.function(jit_compile=True)
        def double(x):
            return x * 2

        with tf.GradientTape() as tape:
            variable = keras.Variable(3.0)
            y = double(variable)
        print(float(tape.gradient(y, variable)))
        try:
            tf.data
        except AttributeError as error:
            print(error)
    """
    lines = run(tmp_path, script, "--epochs", "3").splitlines()
    assert lines[0] == "2.0"
    assert "tensorflow.data is not there" in lines[1]


def test_processes_that_the_script_starts(tmp_path):
    script = """
        import keras
        import numpy as np

        class Batches(keras.utils.PyDataset):
            num_batches = 4

            def __getitem__(self, index):
                assert keras.__name__ == "oxhorn"
                return np.ones((8, 4), "float32"), np.ones((8, 1), "float32")

        if __name__ == "__main__":
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
            model.compile("sgd", "mse")
            model.fit(Batches(workers=2, use_multiprocessing=True), epochs=1, verbose=2)
    """
    assert "4/4 - " in run(tmp_path, script)
