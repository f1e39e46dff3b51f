"""Whisper, encoder and decoder, as a family of models: see :mod:`xlt.models.whisper.family`."""
