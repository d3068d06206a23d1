"""The one kind of error that is reported to the user in a sentence."""


class ToolkitError(Exception):
    """Work that could not be done. Its text says in a sentence what was looked for, and where.

    settings: names of the settings of which another value may help; `common.command_line.explain` turns them into what
    to type next, so that nothing below a script knows how its options are typed.
    """

    def __init__(self, message: str, *settings: str):
        super().__init__(message)
        self.settings = settings
