"""The one exception that capekit raises for input that the user can fix."""


class CapekitError(ValueError):
    """One line for the user: what is wrong, where, and what would be right.

    The command line tools print it without a traceback and exit with status 2.
    """
