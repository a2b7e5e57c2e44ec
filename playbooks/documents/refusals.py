"""What SSM's API answers instead of doing it: AWS's code, and a sentence."""

from playbooks.refusals import Refused


class SsmRefused(Refused):
    """AWS would refuse this, too; `code` is the name of its error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
