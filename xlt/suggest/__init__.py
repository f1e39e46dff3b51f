"""Which recordings to transcribe next, with drafts to correct (``xlt suggest``)."""
