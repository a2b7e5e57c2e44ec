"""Whose process this is, as the operating system knows it."""

import os
import pwd


def login() -> str:
    """The login of this process's real user; its number where the machine has no name for it.

    Not `getpass.getuser()`: that believes LOGNAME and USER, which anybody sets to anybody.
    """
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
