"""The labelling-configuration parser, and what is asked of a schema: texts of odd tasks, predictions."""

from random import Random

from tests.fuzz.cases import Broken, Report, fuzz
from tests.fuzz.odd_json import generated, odd_text, odd_value
from tests.fuzz.odd_xml import odd_label_config

from labelloop.label_config.schema import LabelConfigError, Schema, parse_label_config
from labelloop.prediction.predictor import Predictor
from labelloop.text.task_text import text_of

LONGEST_MESSAGE = 4000

Case = dict[str, object]


class LabelConfigTarget:
    """See the module."""

    name = "label-config"
    full = 100_000
    short = 2_000

    def run(self, cases: int, seed: int) -> Report:
        """Run that many cases."""
        return fuzz(Report(self.name), cases, seed, self.make, self.check)

    def make(self, random: Random) -> Case:
        """A configuration, and the data of a task that may fit it."""
        keys = ("text", "h", "p", "a", "dialog", "document")
        data = {key: random.choice((odd_value, generated))(random) for key in keys if random.random() < 0.7}
        if random.random() < 0.5:
            data["text"] = "Where is my parcel? " + odd_text(random)
        return {"label_config": odd_label_config(random), "data": data}

    def check(self, case: Case) -> str:
        """A schema that holds together, or LabelConfigError with a message that can be sent and logged."""
        xml, data = str(case.get("label_config")), case.get("data")
        data = data if isinstance(data, dict) else {}
        try:
            schema = parse_label_config(xml)
        except LabelConfigError as error:
            _check_message(str(error))
            return "refused"
        for message in schema.ignored:
            _check_message(message)
        _check_schema(schema)
        for control in schema.controls:
            text = text_of(data, control)
            if text is not None:
                text.encode()
        entries = Predictor("cold-0", None).predict([{"data": data}], schema)
        if len(entries) != 1:
            raise Broken(f"{len(entries)} entries for one task")
        return "with a result" if "result" in entries[0] else "without a result"


def _check_message(message: str) -> None:
    if not message or len(message) > LONGEST_MESSAGE:
        raise Broken(f"a message of {len(message)} characters")
    message.encode()


def _check_schema(schema: Schema) -> None:
    names = [control.name for control in schema.controls]
    if len({*names}) < len(names):
        raise Broken("two controls of one name")
    for control in schema.controls:
        if not control.choices or len({*control.labels}) < len(control.labels) or not all(control.labels):
            raise Broken("a control without choices, or with one twice or empty")
        if not control.name or not control.object_name or not control.data_key:
            raise Broken("a control without name, object or data key")
