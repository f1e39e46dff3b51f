"""Encoders and the stem that xlt registers in ESPnet's lists, one class a file."""
