"""ESPnet's ASR models: their training on stored features or waves, and what is kept of it."""
