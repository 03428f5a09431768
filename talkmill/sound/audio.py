"""Reads sound as 16 kHz mono and cuts it to the sample."""

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.resampler import AudioResampler

from talkmill.video.container import open_video

# What wav2vec, DeepSpeech, SyncNet and HuBERT are fed with.
SAMPLE_RATE = 16_000

Samples = npt.NDArray[np.int16]


def read_audio(path: Path, max_seconds: float = float("inf")) -> tuple[Samples, float] | None:
    """Decode the first audio stream to 16 kHz mono.

    A damaged stream gives the samples before the damage. Gaps in the time stamps become silence, so that sample k
    stands at k / 16000 s after the first.

    Args:
        path: A video or audio file.
        max_seconds: Where reading stops.

    Returns:
        Samples, (S,) int16, and the time of the first in seconds of the container; None where there is no audio.
    """
    with open_video(path) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        chunks: list[Samples] = []
        start: float | None = None
        count = 0
        try:
            for frame in container.decode(stream):
                if start is None:
                    start = float(frame.time or 0.0)
                elif frame.time is not None:
                    missing = round(min(frame.time - start, max_seconds) * SAMPLE_RATE) - count
                    if missing > SAMPLE_RATE // 50:
                        chunks.append(np.zeros(missing, np.int16))
                        count += missing
                for resampled in resampler.resample(frame):
                    chunks.append(_samples(resampled))
                    count += chunks[-1].size
                if count > max_seconds * SAMPLE_RATE:
                    break
        except av.FFmpegError:
            pass  # what decoded is kept; the caller pads with silence and says so
        else:
            chunks.extend(_samples(frame) for frame in resampler.resample(None))
    if start is None:
        return None
    return np.concatenate(chunks) if chunks else np.zeros(0, np.int16), start


def _samples(frame: av.AudioFrame) -> Samples:
    return np.asarray(frame.to_ndarray().reshape(-1), np.int16)


def cut_audio(
    samples: Samples, first_seconds: float, start_seconds: float, frame_count: int, rate: Fraction
) -> tuple[Samples, int]:
    """Cut the sound of a clip, exactly as long as its frames.

    Args:
        samples: (S,) int16 at 16 kHz.
        first_seconds: Time of the first sample.
        start_seconds: Time of the clip's first frame.
        frame_count: Frames of the clip.
        rate: Frames a second.

    Returns:
        round(frame_count / rate * 16000) samples, silence where the source has none, and the count of those
        samples that were padded.
    """
    length = round(frame_count / rate * SAMPLE_RATE)
    begin = round((start_seconds - first_seconds) * SAMPLE_RATE)
    cut = np.zeros(length, np.int16)
    source = samples[max(0, begin) : max(0, begin + length)]
    offset = max(0, -begin)
    source = source[: max(0, length - offset)]
    cut[offset : offset + source.size] = source
    return cut, length - int(source.size)


def write_wav(path: Path, samples: Samples) -> None:
    """Write 16 kHz mono PCM.

    Args:
        path: The .wav file.
        samples: (S,) int16.
    """
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.astype("<i2").tobytes())
