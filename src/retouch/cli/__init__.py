"""The command line: one file per command, no logic."""

from __future__ import annotations

import errno
import io
import sys


def main() -> None:
    """Runs ``retouch``; anything a user can put right ends with one line on stderr and exit code 2."""
    import os

    # quiet libraries: the user reads our sentences, not theirs
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal or pipe that has no λ must not end the command
    from retouch.cli.app import commands
    from retouch.errors import RetouchError

    try:
        commands(*sys.argv[1:3])(prog_name="retouch")
    except RetouchError as error:
        sys.stderr.write(f"retouch: {error}\n")
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO) or not _stdout_fails():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is left to be written at the end
        said = f"standard output cannot be written to ({error.strerror}): make room, or send it elsewhere."
        sys.stderr.write(f"retouch: {said}\n")
        sys.exit(2)


def _stdout_fails() -> bool:
    """Whether what could not be written is our output: then nothing more can be."""
    import os

    try:
        os.write(sys.stdout.fileno(), b"\n")
    except OSError:
        return True
    return False
