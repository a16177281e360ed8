"""Text for the user: to stdout, or to `logging` when interactive logging is off."""

import logging
import sys

from oxhorn._base.settings import is_interactive_logging_enabled


def print_msg(message, line_break=True):
    """Prints or logs `message`; stdouts that cannot encode it get "?" in place of the odd characters."""
    message = str(message)
    if not is_interactive_logging_enabled():
        logging.getLogger("oxhorn").info(message)
        return
    text = f"{message}\n" if line_break else message
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))
    sys.stdout.flush()
