"""Which language a piece of speech is in, told by a linear classifier on the upper layers of the encoder that
the heads of a bundle share; or none of those that it knows.
"""
