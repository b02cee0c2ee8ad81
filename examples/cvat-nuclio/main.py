"""The handler of the Nuclio function: `init_context` once, `handler` for each request of CVAT."""

import json

import fewclicks
from fewclicks.errors import FewClicksError
from fewclicks.integrations.cvat import answer
from fewclicks.integrations.replay import Replays


def init_context(context):
    """Load the model."""
    context.user_data.replays = Replays(fewclicks.load())


def handler(context, event):
    """Answer clicks and a box by the outline and the mask."""
    body = event.body if isinstance(event.body, dict) else json.loads(event.body)
    try:
        content, status = answer(context.user_data.replays, body), 200
    except FewClicksError as error:
        content, status = {"message": str(error)}, 400
    return context.Response(body=json.dumps(content), headers={}, content_type="application/json", status_code=status)
