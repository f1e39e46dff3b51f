"""xlt: recipes for cross-lingual speech transfer."""

__version__ = "0.1.0"
