"""How loud speech is: the mean power of the frames in which somebody speaks, of a wave (N,) at 16 kHz."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FRAME = 320  # 20 ms
BELOW = 1e-3  # frames 30 dB under the loudest are pauses
SILENCE = 1e-12  # mean power of what has no level


def active_power(wave: np.ndarray) -> float:
    """Mean power of the frames that are at most 30 dB under the loudest; 0 for digital silence."""
    import numpy as np

    if not len(wave):
        return 0.0
    padded = np.pad(wave.astype(np.float64), (0, -len(wave) % FRAME))
    powers = np.square(padded).reshape(-1, FRAME).mean(axis=1)
    return float(powers[powers >= BELOW * powers.max()].mean())


def as_loud_as(wave: np.ndarray, power: float) -> np.ndarray:
    """``wave`` (N,) scaled to an active ``power``, or less where it would be clipped, float32."""
    import numpy as np

    own = active_power(wave)
    if own < SILENCE:
        return wave.astype(np.float32, copy=False)
    return unclipped(wave * np.sqrt(power / own))


def unclipped(wave: np.ndarray) -> np.ndarray:
    """``wave`` (N,), made softer where it exceeds full scale, float32."""
    import numpy as np

    peak = float(np.abs(wave).max(initial=0.0))
    return (wave / peak if peak > 1.0 else wave).astype(np.float32, copy=False)
