import pytest

from tests.teleop.served import Served


@pytest.fixture
def served():
    served = Served()
    yield served
    served.page.close()
