"""An imitated AWS (moto) in this process, for rehearsals that prepare one."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from engine.canned_aws import REGION, Behind
from engine.rehearsal_fixtures import Imitate
from infra.aws import Aws


def imitation() -> Imitate | None:
    """What opens an empty account; None where moto is not installed."""
    return _account if find_spec("moto") is not None else None


@contextmanager
def _account() -> Iterator[Behind]:
    """An account that is gone afterwards. No call leaves this process."""
    from moto import mock_aws  # noqa: PLC0415 - slow to load, and an extra that most installations lack

    with mock_aws():
        yield Aws(region=REGION).session().call
