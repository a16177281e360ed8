"""What standard output is: a terminal, a notebook, or a file."""

import sys


def in_notebook():
    """Whether standard output is a notebook's."""
    shell = sys.modules.get("IPython")
    ip = shell.get_ipython() if shell is not None and hasattr(shell, "get_ipython") else None
    return ip is not None and "IPKernelApp" in getattr(ip, "config", {})


def can_update_lines():
    """Whether a printed line can be overwritten: a carriage return would litter a log file."""
    return in_notebook() or (hasattr(sys.stdout, "isatty") and sys.stdout.isatty())
