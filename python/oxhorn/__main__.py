"""`python -m oxhorn SCRIPT.py [args]` runs a script written for Keras on Oxhorn, unchanged."""

import pathlib
import runpy
import sys

_USAGE = "usage: python -m oxhorn SCRIPT.py [args...] | python -m oxhorn info"


def info():
    """What Oxhorn found on this machine."""
    import oxhorn
    from oxhorn import _core

    print(f"oxhorn {oxhorn.__version__} (API of Keras {oxhorn._keras_version})")
    print(f"device: cpu, {_core.num_threads()} threads")


def main(arguments):
    """Runs the command line; returns the exit status."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE)
        return 0 if arguments else 2
    if arguments == ["info"]:
        info()
        return 0
    from oxhorn._base import keras_alias

    keras_alias.install()
    sys.argv = arguments
    sys.path[0] = str(pathlib.Path(arguments[0]).resolve().parent)
    runpy.run_path(arguments[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
