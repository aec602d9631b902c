"""`csx`: the system's command line; it mounts each service's own commands and runs everything on this machine.

Nothing is imported before the version of Python is known to be new enough, and of a service only what is called for.
"""

import sys

from deploy.interpreter import OLDEST


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.version_info < OLDEST:
        sys.stderr.write(
            "csx needs Python 3.11 or newer, this is {}.{}: run `make setup` with a newer one on the PATH\n".format(
                *sys.version_info[:2]
            )
        )
        sys.exit(3)
    from deploy.commands import run  # noqa: PLC0415 - after the check

    run(sys.argv[1:])


if __name__ == "__main__":
    main()
