"""Define this project's flows for Prefect. prefect.yaml deploys both.

Each is reprise's own flow with the settings of this project. `with_options` takes what Prefect's
`@flow` takes: retries, a timeout, hooks. Parameters of a deployment are in prefect.yaml.
"""

from reprise.flows.repro import repro as reprise_repro
from reprise.flows.retrain import make_retrain

# A hook of your own, for a run that fails. Remove the `# ` here and before `on_failure` below.
#
# import os
# import httpx
#
# def post_failure(flow, flow_run, state):
#     """Post the failure to the team's channel."""
#     text = f"{flow.name} {flow_run.name}: {state.message}"
#     httpx.post(os.environ["TEAM_WEBHOOK"], json={"text": text}, timeout=10)

repro = reprise_repro.with_options(
    name="repro",
    # on_failure=[post_failure],
)

retrain = make_retrain(repro).with_options(
    name="retrain",
    # on_failure=[post_failure],
)
