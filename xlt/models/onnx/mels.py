"""Log-mels in numpy: Whisper's, and Kaldi's.

N samples at 16 kHz, T frames, M mel bands, F frequencies.
"""

from __future__ import annotations

import functools

import numpy as np

from xlt.audio.files import SAMPLE_RATE
from xlt.upstreams.fbank import MELS, SHIFT_MS, WINDOW

WHISPER_FFT, WHISPER_HOP = 400, 160
SHIFT = SAMPLE_RATE * SHIFT_MS // 1000
KALDI_FFT = 512
KALDI_LOW_HZ, KALDI_HIGH_HZ = 20.0, SAMPLE_RATE / 2
PREEMPHASIS = 0.97
FLOOR = 1e-10  # of Whisper's power
SMALLEST = float(np.finfo(np.float32).eps)  # of Kaldi's energies


def whisper_mels(samples: np.ndarray, mels: int) -> np.ndarray:
    """Log-mels (M, N / 160) of samples (N,) in [-1, 1], as transformers' WhisperFeatureExtractor makes
    them.
    """
    half = WHISPER_FFT // 2
    padded = np.pad(samples.astype(np.float64), half, "reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WHISPER_FFT)[::WHISPER_HOP][:-1]  # (T, 400)
    sounding = int(np.flatnonzero(padded)[-1]) // WHISPER_HOP + 1 if padded.any() else 0  # then only zeros
    power = np.abs(np.fft.rfft(frames[:sounding] * _hann(), axis=1)) ** 2  # (T', F)
    logs = np.full((len(frames), mels), np.log10(FLOOR))  # (T, M)
    logs[:sounding] = np.log10(np.maximum(power @ whisper_filters(mels), FLOOR))
    return ((np.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0).T.astype(np.float32)


@functools.cache
def _hann() -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WHISPER_FFT) / WHISPER_FFT)  # periodic


@functools.cache
def whisper_filters(mels: int) -> np.ndarray:
    """Slaney's triangles of equal area (Auditory Toolbox, 1998), as librosa has them, (F, M)."""
    edges = _slaney_hz(np.linspace(0.0, _slaney_mel(SAMPLE_RATE / 2), mels + 2))
    heard = np.linspace(0.0, SAMPLE_RATE / 2, WHISPER_FFT // 2 + 1)
    slopes = edges - heard[:, None]  # (F, M + 2)
    widths = np.diff(edges)
    rising, falling = -slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]
    return np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))


_KNEE_HZ, _KNEE_MEL, _LOG_STEP = 1000.0, 15.0, np.log(6.4) / 27.0  # linear below, logarithmic above


def _slaney_mel(hz: float) -> float:
    return _KNEE_MEL + np.log(hz / _KNEE_HZ) / _LOG_STEP if hz >= _KNEE_HZ else hz * _KNEE_MEL / _KNEE_HZ


def _slaney_hz(mel: np.ndarray) -> np.ndarray:
    above = _KNEE_HZ * np.exp(_LOG_STEP * (mel - _KNEE_MEL))
    return np.where(mel >= _KNEE_MEL, above, mel * _KNEE_HZ / _KNEE_MEL)


def kaldi_mels(samples: np.ndarray) -> np.ndarray:
    """Log-mels (T, MELS) of samples (N,) in [-1, 1], as Kaldi's ``compute-fbank-feats --num-mel-bins=80
    --dither=0`` and :func:`xlt.upstreams.fbank.kaldi_mels`.
    """
    scaled = samples.astype(np.float64) * 32768  # Kaldi's scale of samples
    scaled = np.pad(scaled, (0, max(0, WINDOW - len(scaled))))
    frames = np.lib.stride_tricks.sliding_window_view(scaled, WINDOW)[::SHIFT]  # (T, 400)
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    power = np.abs(np.fft.rfft((frames - PREEMPHASIS * before) * _povey(), KALDI_FFT, axis=1)) ** 2
    return np.log(np.maximum(power[:, :-1] @ _kaldi_filters(), SMALLEST)).astype(np.float32)


@functools.cache
def _povey() -> np.ndarray:
    """Kaldi's default window."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / (WINDOW - 1))) ** 0.85


@functools.cache
def _kaldi_filters() -> np.ndarray:
    """Triangles of equal height and width in mels, (F, MELS); the highest frequency belongs to none."""
    low, high = _kaldi_mel(np.array([KALDI_LOW_HZ, KALDI_HIGH_HZ]))
    step = (high - low) / (MELS + 1)
    left = low + step * np.arange(MELS)
    heard = _kaldi_mel(np.arange(KALDI_FFT // 2) * SAMPLE_RATE / KALDI_FFT)[:, None]  # (F, 1)
    return np.maximum(0.0, np.minimum((heard - left) / step, (left + 2 * step - heard) / step))


def _kaldi_mel(hz: np.ndarray) -> np.ndarray:
    return 1127.0 * np.log(1.0 + hz / 700.0)
