"""Slack's tokens at rest: sealed with keys that are not in the database."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class CannotOpen(Exception):
    """What was sealed cannot be opened with any of the keys; `slack_token_key` lacks the one it was sealed with."""


class Vault:
    """Seals with the first key, opens with any of them, so that keys can be changed without asking Slack anew."""

    def __init__(self, keys: str) -> None:
        """Take comma-separated Fernet keys. Raises ValueError for what is none."""
        self._fernet = MultiFernet([Fernet(key.strip().encode()) for key in keys.split(",") if key.strip()])

    def seal(self, secret: str) -> str:
        """What may be written to a database; "" stays ""."""
        return self._fernet.encrypt(secret.encode()).decode() if secret else ""

    def unseal(self, sealed: str) -> str:
        """The secret. Raises CannotOpen."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode() if sealed else ""
        except InvalidToken as error:
            raise CannotOpen from error

    def resealed(self, sealed: str) -> str:
        """The same secret under the first key. Raises CannotOpen."""
        return self.seal(self.unseal(sealed))
