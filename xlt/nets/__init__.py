"""Parts of networks, and what they make of lengths."""
