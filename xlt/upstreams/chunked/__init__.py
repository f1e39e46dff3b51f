"""Encoders under chunk-wise attention: whole clips under a mask, and chunk by chunk as speech comes."""
