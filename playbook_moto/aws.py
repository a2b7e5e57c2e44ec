"""AWS as an execution in moto sees it: the same moto, in the execution's own account."""

from typing import Any

from engine.execution import Execution
from infra.aws import Aws, AwsSession

ACCOUNT_HEADER = "x-moto-account-id"


class MotoAws(Aws):
    """Clients of one account. A role that is assumed brings its own account with it."""

    def __init__(self, account: str, region: str, endpoint: str) -> None:
        super().__init__(endpoint_url=endpoint or None, region=region, user_agent="playbook-moto")
        self._account = account

    def _new_client(self, service: str, region: str, manner: Any) -> Any:
        client = super()._new_client(service, region, manner)
        client.meta.events.register("before-sign", self._name_account)
        return client

    def _name_account(self, request: Any, **_: object) -> None:
        """Botocore's hook: moto tells accounts apart by access key, or by this header."""
        if request.context.get("signing", {}).get("request_credentials") is None:
            request.headers[ACCOUNT_HEADER] = self._account

    def of(self, state: Execution) -> AwsSession:
        """AWS for one execution, as its role where it has one."""
        return self.session(state.assume_role, session_name=state.id, region=state.region, account=state.account)
