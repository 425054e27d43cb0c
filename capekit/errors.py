"""The one exception that capekit raises for input that the user can fix."""


def printable(text: str) -> str:
    r"""The text with line ends, terminal escapes and other invisible characters written out, as in `\n` or `\x1b`."""
    return text if text.isprintable() else ''.join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def one_line(text: object) -> str:
    """The lines of another package's message joined into one."""
    return '; '.join(filter(None, map(str.strip, str(text).splitlines())))


class CapekitError(ValueError):
    """One line for the user: what is wrong, where, and what would be right.

    The command line tools print it without a traceback and exit with status 2. As text it is always one line: names
    from files may hold line ends and terminal escapes, which are written out.
    """

    def __str__(self) -> str:
        # A data loader worker's error arrives as its traceback, which ends with the message.
        message = super().__str__().rpartition(f'\n{__name__}.CapekitError: ')[2]
        return printable(message.strip())
