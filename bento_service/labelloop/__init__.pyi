from labelloop.datasets.examples import Example as Example
from labelloop.label_config.schema import Schema as Schema
from labelloop.label_config.schema import parse_label_config as parse_label_config
from labelloop.models import Model as Model
from labelloop.models import NotEnoughExamplesError as NotEnoughExamplesError
from labelloop.models import ParameterError as ParameterError
from labelloop.models import Prediction as Prediction
from labelloop.models import TextModel as TextModel
from labelloop.models import result_of as result_of
from labelloop.models.model import Task as Task

__version__: str
