"""moto with SSM Automation: runbooks started through a mocked AWS really run, step by step, against that AWS.

    import playbook_moto
    playbook_moto.install()          # once per process; works for mock_aws and for moto's server

`python -m playbook_moto -p 5000` is moto's server with the same in it; the pytest fixture is `moto_automation`.
"""

from playbook_moto.installation import Settings, install, uninstall
from playbook_moto.world import advance, settle

__all__ = ["Settings", "advance", "install", "settle", "uninstall"]
