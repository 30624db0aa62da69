import pytest

from tests.interventions.served import Served


@pytest.fixture
def served():
    served = Served()
    yield served
    served.page.close()
