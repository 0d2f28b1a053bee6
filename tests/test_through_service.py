"""The readers' part of the tests, asked once more through a service: its answers are those of the registry itself."""

from collections.abc import Iterator

import pytest

from testing.through_service import Comparison
from tests.test_deployed_ranges import *  # noqa: F403 - their tests are run here
from tests.test_detector_names import *  # noqa: F403
from tests.test_show import *  # noqa: F403
from tests.test_targets import *  # noqa: F403
from tests.test_validity import *  # noqa: F403

pytestmark = [pytest.mark.small_panels, pytest.mark.exhaustive]


@pytest.fixture(autouse=True)
def _compare() -> Iterator[None]:
    with Comparison().compare():
        yield
