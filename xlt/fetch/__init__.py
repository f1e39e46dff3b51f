"""Files from package registries and the model hub."""
