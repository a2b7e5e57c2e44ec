"""Who follows AWS after a death: the next one begins at once, whatever the dead one had claimed."""

from datetime import timedelta

from engine.execution import Status
from engine.ssm_runner import CLAIM, SsmRunner
from infra.db import Database
from infra.rate import Rate
from tests.engine.hosts import SsmHost
from tests.engine.test_contract import NAP, document


def test_a_dead_ones_claims_are_free_for_its_successor(database: Database) -> None:
    """It claimed everything and died: the successor does not wait for the end of the claims."""
    host = SsmHost(database)
    identity = host.start(document(NAP))
    store = host._runner._here.ssm
    with database.transaction() as tx:
        claimed = store.claim(tx, host.clock(), until=host.clock() + CLAIM, limit=10)
    assert [look.execution_id for look in claimed] == [identity]
    successor = SsmRunner(host._runner._here, rate=Rate(1e6, 1e6))
    host.clock.advance(1)
    successor.pump()
    assert host.state(identity).aws_id == "", "the claim still holds for whoever only looks"

    successor.begin()
    successor.pump()
    assert host.state(identity).aws_id != ""
    assert host.state(identity).status is not Status.FAILED
    assert timedelta(seconds=10) < CLAIM
