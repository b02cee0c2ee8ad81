"""The handler of the Nuclio function: `init_context` once, `handler` for each request of CVAT."""

import fewclicks
from fewclicks.integrations.cvat import respond
from fewclicks.integrations.replay import MOST_CLICKS, Replays


def init_context(context):
    """Load the model."""
    context.user_data.replays = Replays(fewclicks.load(), most_clicks=MOST_CLICKS)


def handler(context, event):
    """Answer clicks and a box by the outline and the mask."""
    body, status = respond(context.user_data.replays, event.body)
    return context.Response(body=body, headers={}, content_type="application/json", status_code=status)
