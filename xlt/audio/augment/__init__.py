"""Altered copies of speech, one kind a file."""
