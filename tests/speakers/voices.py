"""Recordings of tones, one for each speaker, and what stands for the networks that hear them."""

import numpy as np
import soundfile

from xlt.audio.files import SAMPLE_RATE
from xlt.audio.voice import FRAME

PITCHES = (200, 900, 2500)  # of speakers 1, 2, 3


def record(path, *said, pause_s=0.5):
    """Write ``(speaker from 1, seconds)`` one after another; when each begins and ends."""
    parts, times, at = [np.zeros(SAMPLE_RATE // 2)], [], 0.5
    for speaker, seconds in said:
        clock = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        parts += [
            0.3 * np.sin(2 * np.pi * PITCHES[speaker - 1] * clock),
            np.zeros(int(pause_s * SAMPLE_RATE)),
        ]
        times.append((at, at + seconds))
        at += seconds + pause_s
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE)
    return times


class Loud:
    """In place of voice activity detection: what is no silence is speech."""

    def __call__(self, samples):
        frames = np.pad(samples, (0, -len(samples) % FRAME)).reshape(-1, FRAME)
        return (np.abs(frames).max(axis=1) > 0.01).astype(np.float32)


def by_pitch(windows):
    """In place of the network: a vector with the loudest of PITCHES, and some noise."""
    spectrum = np.abs(np.fft.rfft(windows, axis=1))  # (B, N / 2 + 1)
    places = [round(pitch * windows.shape[1] / SAMPLE_RATE) for pitch in PITCHES]
    vectors = spectrum[:, places] / spectrum[:, places].max(axis=1, keepdims=True)
    noise = np.random.default_rng(len(windows)).normal(0, 0.05, (len(windows), 8))
    vectors = np.concatenate([vectors, noise], axis=1).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
