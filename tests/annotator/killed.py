"""A process to be killed: each line on stdin forks a child that opens a store, writes actions, and says so on stdout.

Lines: `STORE SEED`. The child's pid comes first, then the child's own lines: `object ID` and `action ID` for each that
has been committed. It works until it is killed. The imports are made once, so that 30 children cost little.
"""

import os
import random
import sys
import uuid

import cv2

from fakes import gradient
from fewclicks.annotator.editing.actions import Brushed, Cleaned, Clicked, Thresholded
from fewclicks.annotator.services.editing import Editing
from fewclicks.annotator.store.objects import Store
from fewclicks.api import load

HW = (24, 32)


def say(*words: object) -> None:
    """One line, whole or not at all."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def random_action(rng: random.Random) -> object:
    """Any that `grow` answers at once."""
    x, y = rng.uniform(0, HW[1] - 1), rng.uniform(0, HW[0] - 1)
    return rng.choice(
        [
            Clicked(x, y, rng.random() < 0.7, cfr=rng.randrange(3)),
            Brushed(((x, y), (y, x)), rng.uniform(1, 4), rng.random() < 0.5),
            Cleaned(rng.randrange(9), rng.randrange(9)),
            Thresholded(rng.uniform(0.2, 0.8)),
        ]
    )


def work(place: str, seed: int) -> None:
    """Write and tell, without end."""
    rng, predictor = random.Random(seed), load("grow")
    start = predictor.start(gradient(*HW))
    store = Store(place)
    store.add_photos(["photo.png"])
    (photo,) = store.photos()
    class_id = store.classes()[0].id if store.classes() else store.add_class("thing").id
    editing = Editing(store, predictor, lambda photo_id: start, "grow")
    objects = [info.id for info in store.objects(photo.id)]
    while True:
        if not objects or rng.random() < 0.1:
            objects.append(str(uuid.UUID(int=rng.getrandbits(128))))
            store.create(objects[-1], photo.id, class_id)
            say("object", objects[-1])
        object_id, action_id = rng.choice(objects), str(uuid.UUID(int=rng.getrandbits(128)))
        what = rng.random()
        if what < 0.6:
            editing.act(object_id, action_id, random_action(rng))
        elif store.object(object_id).undo_kind and what < 0.85:
            editing.undo(object_id, action_id)
        elif store.object(object_id).redo_kind:
            editing.redo(object_id, action_id)
        else:
            continue
        say("action", action_id)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    for line in sys.stdin:
        folder, number = line.rsplit(maxsplit=1)
        go, told = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(go, 1)
            work(folder, int(number))
        say(child)
        os.write(told, b"!")
        os.waitpid(child, 0)
        os.close(go)
        os.close(told)
        say("end")
