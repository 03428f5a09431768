"""A sentence on a clip, of what was measured of it. It never says what somebody looks like."""

import math

# How much of a person is seen, by the height of the picture in heights of the face box. Chosen: a face is about three
# quarters of a head, and a figure is 7.5 heads tall, of which the shoulders take the second and the waist the third.
FRAMINGS = (
    (1.5, "A close-up of"),
    (3.5, "The head and shoulders of"),
    (5.5, "The upper body of"),
    (math.inf, "A wide view of"),
)


def caption(faces_high: float, other_face_count: int | None) -> str:
    """Say how much of the person a picture shows, and that there is nobody else where that is known.

    Args:
        faces_high: Height of the picture over that of the face.
        other_face_count: Other faces in the clip; None where nobody counted.
    """
    framing = next(words for most, words in FRAMINGS if faces_high < most)
    return f"{framing} {'one' if other_face_count == 0 else 'a'} person."
