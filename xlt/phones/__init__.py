"""Text → IPA phones of any language, and what two languages' phones have in common.

:mod:`choice` says which grapheme-to-phoneme converter a language has, :mod:`engines` holds them, :mod:`g2p`
runs one over texts, :mod:`segments` cuts IPA into phones, :mod:`compare` ranks source languages. Nothing
heavy is imported before it is used.
"""
