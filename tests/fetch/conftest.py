from tests.data.conftest import recipe, stamps

__all__ = ["recipe", "stamps"]
