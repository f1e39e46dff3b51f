"""Sound files, where long ones are cut, and altered copies of speech."""
