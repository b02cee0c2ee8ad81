"""Click on a photo in the browser: `pip install gradio`, then `python examples/gradio_app.py`."""

import gradio as gr

import fewclicks

predictor = fewclicks.load()


def begin(photo):
    """Open a session on a new photo."""
    session = fewclicks.open(photo, predictor)
    return session, (session.image, [])


def click(session, sign, event: gr.SelectData):
    """Add the click, and show the mask."""
    mask = session.click(*event.index, positive=sign == "on the object")
    return session, (session.image, [(mask, "object")])


def undo(session):
    """Take the last click back."""
    mask = session.undo()
    return session, (session.image, [(mask, "object")])


with gr.Blocks(title="fewclicks") as app:
    state = gr.State()
    photo = gr.Image(label="Photo", type="numpy", height=200)
    choice = gr.Radio(["on the object", "off the object"], value="on the object", label="The next click is")
    shown = gr.AnnotatedImage(label="Click here", height=480)
    back = gr.Button("Undo")
    photo.upload(begin, photo, [state, shown])
    shown.select(click, [state, choice], [state, shown])
    back.click(undo, state, [state, shown])

if __name__ == "__main__":
    app.launch()
