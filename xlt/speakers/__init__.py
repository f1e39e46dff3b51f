"""Who speaks when: the voices of a recording told apart (``--speakers`` of xlt align and xlt suggest)."""
