from tests.features.conftest import real_waves

__all__ = ["real_waves"]
