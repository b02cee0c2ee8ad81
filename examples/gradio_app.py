"""Click on a photo in the browser: `pip install gradio`, then `python examples/gradio_app.py`."""

import gradio as gr

import fewclicks
from fewclicks.visualization import overlay

predictor = fewclicks.load()


def begin(photo):
    """Open a session on a new photo."""
    session = fewclicks.open(photo, predictor)
    return session, session.image


def click(session, sign, event: gr.SelectData):
    """Add the click on a pixel, and show the mask."""
    mask = session.click(*event.index, positive=sign == "on the object")
    return session, overlay(session.image, mask, session.clicks)


def undo(session):
    """Take the last click back."""
    mask = session.undo()
    return session, overlay(session.image, mask, session.clicks)


with gr.Blocks(title="fewclicks") as app:
    state = gr.State()
    photo = gr.Image(label="Photo", type="numpy", height=200)
    choice = gr.Radio(["on the object", "off the object"], value="on the object", label="The next click is")
    shown = gr.Image(label="Click here", height=480, interactive=False)
    back = gr.Button("Undo")
    photo.upload(begin, photo, [state, shown])
    shown.select(click, [state, choice], [state, shown])
    back.click(undo, state, [state, shown])

if __name__ == "__main__":
    app.launch()
