"""Questions and people to try rules on."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from approvals.request import ApprovalRequest
from audit.events import Actor

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LEE = Actor("person", "person:lee", "Lee")
SAM = Actor("person", "person:sam", "Sam")
KIM = Actor("person", "person:kim", "Kim")
PEOPLE = (LEE, SAM, KIM, Actor("person", "slack:T01/U09", ""))


def request(**fields: Any) -> ApprovalRequest:
    """A question that Lee's execution asks."""
    usual: dict[str, Any] = {
        "id": "r1", "execution_id": "e1", "step_execution_id": "s1", "step_name": "ask", "message": "Restart it?",
        "approver_lists": (("sam", "kim"),), "minimum": 1, "requested_by": LEE, "asked_at": NOON, "digest": "d1",
    }  # fmt: skip
    return ApprovalRequest(**{**usual, **fields})


requests = st.builds(
    request,
    minimum=st.integers(1, 4),
    may_approve_own=st.booleans(),
    expires_at=st.none() | st.integers(-60, 60).map(lambda minutes: NOON + timedelta(minutes=minutes)),
    requested_by=st.sampled_from(PEOPLE),
)
answers = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE), st.sampled_from(["Approve", "Approve", "Approve", "Reject"]), st.booleans(),
        st.text(max_size=20),
    ),
    max_size=12,
)  # fmt: skip
