"""All targets by name, in the order in which they run."""

from collections.abc import Callable, Mapping

from tests.fuzz.cases import Target
from tests.fuzz.files import FilesTarget
from tests.fuzz.label_config import LabelConfigTarget
from tests.fuzz.label_studio import LabelStudioTarget
from tests.fuzz.receiver import ReceiverTarget
from tests.fuzz.registry import RegistryTarget
from tests.fuzz.routes import RoutesTarget
from tests.fuzz.spec import SpecTarget

_ALL = (SpecTarget, LabelConfigTarget, RegistryTarget, LabelStudioTarget, ReceiverTarget, FilesTarget, RoutesTarget)
TARGETS: Mapping[str, Callable[[], Target]] = {made.name: made for made in _ALL}
