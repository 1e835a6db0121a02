"""Errors whose message is the one sentence the user reads."""


def printable(text: str) -> str:
    """Text for a terminal, in one line: control characters and bytes that could not be decoded are escaped.

    >>> printable("a\\x1b[31m.png")
    'a\\\\x1b[31m.png'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def told(error: BaseException) -> str:
    """What any exception says, in one line: a sentence of ours as it is, others with their kind, their lines joined.

    >>> told(ValueError("two\\nlines"))
    'ValueError: two lines'
    """
    if isinstance(error, RetouchError):
        return " ".join(str(error).split("\n"))
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class RetouchError(Exception):
    """Anything a user can put right: a sentence, and where there are ``details``, each in a line of its own below."""

    def __init__(self, sentence: str = "", *details: str) -> None:
        super().__init__(sentence, *details)

    def __str__(self) -> str:
        return "\n".join(printable(str(line)) for line in self.args)


class BadPicture(RetouchError):
    """A picture that cannot be read, fitted or written."""


class BadPrompt(RetouchError):
    """A prompt that does not fit its method or picture."""


class BadParameter(RetouchError):
    """A parameter outside its range."""


class BadModel(RetouchError):
    """A model that is absent or of another kind."""


class OutputExists(RetouchError):
    """A file that would be overwritten."""


class BadFit(RetouchError):
    """A fit or checkpoint that cannot be read, written, or used here."""
