"""What is wrong with a whole file, in words its owner can act on."""

from __future__ import annotations


class FileProblem(Exception):  # noqa: N818 - not an error of the program: a verdict on a file
    """A file cannot be read as it is; nothing of it is loaded.

    Args:
        what: follows the file's name: ``is not a whole gzip file``.
        fix: what its owner can do, a command or the YAML to write.
    """

    def __init__(self, what: str, fix: str) -> None:
        self.what = what
        self.fix = fix
        super().__init__(f"{what}. {fix}")
