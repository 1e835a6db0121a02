"""Errors whose message is the one sentence the user reads."""


class RetouchError(Exception):
    """Anything a user can put right."""


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
