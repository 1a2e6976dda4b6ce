"""Define this project's flows for Prefect. prefect.yaml deploys both.

Each is reprise's own flow with the settings of this project. `with_options` takes what Prefect's
`@flow` takes: retries, a timeout, hooks. Parameters of a deployment are in prefect.yaml.
"""

from reprise.flows.repro import repro as reprise_repro
from reprise.flows.retrain import make_retrain

# Who hears of a run that failed, and of a model that was promoted: here, a channel of Slack. Remove
# the `# ` of the code here and of the hooks below, and register the webhook on Prefect's page
# *Blocks*, as a *Slack Webhook* named `team`. Other services have blocks of their own.
#
# from prefect.blocks.notifications import SlackWebhook
#
# def tell_failure(flow, flow_run, state):
#     """Tell the team of a run that failed, with the error."""
#     tell(f"{flow.name} {flow_run.name} failed: {state.message}")
#
# def tell_promotion(flow, flow_run, state):
#     """Tell the team of a model that is better, with the metric."""
#     if state.name == "Promoted":
#         tell(f"{flow.name} {flow_run.name} promoted a model: {state.message}")
#
# def tell(text):
#     """Send the text to the channel of the webhook."""
#     SlackWebhook.load("team").notify(text)

repro = reprise_repro.with_options(
    name="repro",
    # on_failure=[tell_failure],
)

retrain = make_retrain(repro).with_options(
    name="retrain",
    # on_failure=[tell_failure],
    # on_completion=[tell_promotion],
)
