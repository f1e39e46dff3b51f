"""What every part of xlt builds on: settings, stages, registries, errors, the log."""
